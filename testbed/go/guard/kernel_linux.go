package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Where control groups are (cgroups(7)): the only hierarchy of version 2, or each of version 1 in a folder below.
const controlGroups = "/sys/fs/cgroup"

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

// giveNamespaces makes the command the first process of a process namespace, with a mount namespace of its own.
func giveNamespaces(attributes *syscall.SysProcAttr) {
	attributes.Cloneflags |= syscall.CLONE_NEWPID | syscall.CLONE_NEWNS
}

// removeCgroups removes the control groups of a name in all hierarchies, with those below them. Their processes have
// ended, but the kernel may take a moment to see them as empty.
func removeCgroups(name string) {
	if name == "" {
		return
	}
	hierarchies, _ := filepath.Glob(filepath.Join(controlGroups, "*", name))
	for _, top := range append(hierarchies, filepath.Join(controlGroups, name)) {
		for range removalAttempts {
			if removeCgroup(top) {
				break
			}
			time.Sleep(removalPause)
		}
	}
}

// removeCgroup removes one tree, from its leaves, and tells whether it is gone.
func removeCgroup(top string) bool {
	var folders []string
	_ = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		return nil
	})
	for _, folder := range slices.Backward(folders) {
		_ = syscall.Rmdir(folder)
	}
	_, err := os.Stat(top)
	return os.IsNotExist(err)
}
