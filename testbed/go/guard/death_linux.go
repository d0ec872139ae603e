package main

import "syscall"

// dieWithGuard makes the kernel kill the command when the guard itself is killed.
func dieWithGuard(attributes *syscall.SysProcAttr) {
	attributes.Pdeathsig = syscall.SIGKILL
}
