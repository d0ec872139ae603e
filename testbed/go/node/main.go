// Command node is what a node of the test bed has beside kubelet and container runtime, in one program.
//
//	node first COMMAND [ARGUMENT...]   the first process of a node: sees to its mounts, runs the command and reaps
//	node wait                          the content of images: waits until it is told to end
//	node nothing                       ends well, to try whether a container can be run
//	loopback, isolated                 plugins of the container network interface (CNI), by the name it is called by
package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	switch name := filepath.Base(os.Args[0]); {
	case name == "loopback" || name == "isolated":
		end(plugin(name))
	case len(os.Args) > 2 && os.Args[1] == "first":
		end(first(os.Args[2:]))
	case len(os.Args) == 2 && os.Args[1] == "wait":
		// Signals without a handler do not reach the first process of a namespace.
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
		<-signals
	case len(os.Args) == 2 && os.Args[1] == "nothing":
	default:
		fmt.Fprintln(os.Stderr, "usage: node first COMMAND [ARGUMENT...] | node wait | node nothing")
		os.Exit(64)
	}
}

func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}
