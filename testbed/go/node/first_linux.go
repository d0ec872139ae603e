package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// Folders that the container runtime and the kubelet write to whatever they are told. Each node has its own, in
// memory, which nobody else sees and which go with the node.
var own = []string{"/run", "/var/log", "/var/lib/cni", "/var/lib/kubelet"}

// first is the first process of a process namespace, in a mount namespace of its own: when it ends, the kernel kills
// every process of the node and lets go of every mount.
func first(command []string) error {
	if os.Getpid() != 1 {
		return errors.New("not the first process of a namespace")
	}
	// Before anything is mounted: no mount of a node is to be seen outside.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot keep mounts to this node: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("cannot mount /proc: %w", err)
	}
	for _, folder := range own {
		// A mount needs a folder, which stays, empty.
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount("tmpfs", folder, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=0755"); err != nil {
			return fmt.Errorf("cannot mount an own %s: %w", folder, err)
		}
	}

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	main := exec.Command(command[0], command[1:]...)
	main.Stdout, main.Stderr = os.Stdout, os.Stderr
	if err := main.Start(); err != nil {
		return err
	}
	go func() {
		for received := range signals {
			_ = main.Process.Signal(received)
		}
	}()
	// What lost its parent is reaped here as well.
	for {
		var status syscall.WaitStatus
		reaped, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return err
		case reaped == main.Process.Pid && status.Exited():
			os.Exit(status.ExitStatus())
		case reaped == main.Process.Pid && status.Signaled():
			os.Exit(128 + int(status.Signal()))
		}
	}
}
