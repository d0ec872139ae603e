package main

import "syscall"

// Of waitid(2); package syscall has neither.
const (
	idOfProcess = 1 // P_PID
	stopped     = 2 // WSTOPPED
)

// dieWithGuard makes the kernel kill the command when the guard itself is killed.
func dieWithGuard(attributes *syscall.SysProcAttr) {
	attributes.Pdeathsig = syscall.SIGKILL
}

// waitUntilStopped returns when all threads of a child stand still, or when it has ended: a signal that was sent
// is not yet one that took effect. It is called once after each SIGSTOP that follows a SIGCONT.
func waitUntilStopped(process int) error {
	for {
		_, _, failure := syscall.Syscall6(syscall.SYS_WAITID, idOfProcess, uintptr(process), 0, stopped, 0, 0)
		switch failure {
		case 0, syscall.ECHILD:
			return nil
		case syscall.EINTR:
		default:
			return failure
		}
	}
}
