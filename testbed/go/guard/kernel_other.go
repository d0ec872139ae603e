//go:build !linux

package main

import "syscall"

// dieWithGuard does nothing where the kernel has no parent death signal: a killed guard leaves its command.
func dieWithGuard(*syscall.SysProcAttr) {}

// waitUntilStopped does nothing: the signal takes effect soon.
func waitUntilStopped(int) error { return nil }

// giveNamespaces does nothing: there are none.
func giveNamespaces(*syscall.SysProcAttr) {}

// removeCgroups does nothing: there are none.
func removeCgroups(string) {}
