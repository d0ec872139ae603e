// Command guard runs one command and sees to it that nothing of it outlives the owner of its standard input.
//
//	guard [-remove FOLDER] [-isolate] [-cgroup NAME] COMMAND [ARGUMENT...]
//
// The command runs in a process group of its own, with standard output and standard error going to the
// standard error of the guard. With -isolate it is the first process of a process namespace, and has a mount
// namespace: when it ends, whatever it started ends with it, daemons too, and whatever was mounted there goes.
// On standard input the guard takes one order per line and answers each with a line on standard output, after
// a first line that holds the process id of the command:
//
//	pause, resume  stop the whole group (SIGSTOP) and continue it (SIGCONT); after the answer to pause the
//	               command does nothing any more
//	terminate      ask the command to end by itself (SIGTERM)
//	kill           kill the whole group and end
//
// The end of standard input means that the owner is gone, however it went: the kernel closes the pipe of a
// killed owner too. Then the group is killed and FOLDER, if given, is removed. The control groups NAME and
// those below them are removed whenever the command has ended. The exit code is the one of the command,
// 128 + N when signal N ended it, 64 for wrong usage, 126 when the command cannot be started.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// How often and with which pauses a folder is tried to be removed.
const (
	removalAttempts = 50
	removalPause    = 20 * time.Millisecond
)

func init() {
	// The kernel sends the parent death signal when the thread that forked ends, so the command is started
	// from the main thread, which lives as long as the guard.
	runtime.LockOSThread()
}

func main() {
	remove := flag.String("remove", "", "folder to remove when the owner is gone")
	isolate := flag.Bool("isolate", false, "run the command in process and mount namespaces of its own")
	cgroup := flag.String("cgroup", "", "control groups to remove at the end, by their name in all hierarchies")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: guard [-remove FOLDER] [-isolate] [-cgroup NAME] COMMAND [ARGUMENT...]")
		os.Exit(64)
	}

	// Registered before the command runs, so that no signal can end the guard alone.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)

	command := exec.Command(flag.Arg(0), flag.Args()[1:]...)
	command.Stdout = os.Stderr
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithGuard(command.SysProcAttr)
	if *isolate {
		giveNamespaces(command.SysProcAttr)
	}
	if err := command.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "guard:", err)
		removeCgroups(*cgroup)
		os.Exit(126)
	}
	group := -command.Process.Pid
	fmt.Println(command.Process.Pid)

	exited := make(chan error, 1)
	go func() { exited <- command.Wait() }()
	orders := make(chan string)
	go func() {
		defer close(orders)
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			orders <- lines.Text()
		}
	}()

	paused := false
	for {
		select {
		case err := <-exited:
			// What the command started and left behind goes with it.
			_ = syscall.Kill(group, syscall.SIGKILL)
			removeCgroups(*cgroup)
			os.Exit(exitCode(err))
		case <-signals:
			end(group, exited, *remove, *cgroup)
		case order, open := <-orders:
			if !open {
				end(group, exited, *remove, *cgroup)
			}
			switch order {
			case "pause":
				err := syscall.Kill(group, syscall.SIGSTOP)
				if err == nil && !paused {
					err = waitUntilStopped(-group)
				}
				paused = paused || err == nil
				answer(order, err)
			case "resume":
				err := syscall.Kill(group, syscall.SIGCONT)
				paused = paused && err != nil
				answer(order, err)
			case "terminate":
				answer(order, syscall.Kill(-group, syscall.SIGTERM))
			case "kill":
				end(group, exited, "", *cgroup)
			default:
				answer(order, errors.New("unknown order"))
			}
		}
	}
}

// end kills the group, waits until the command is gone, and removes the folder: only then is nobody left who
// could write into it.
func end(group int, exited <-chan error, remove, cgroup string) {
	_ = syscall.Kill(group, syscall.SIGKILL)
	err := <-exited
	removeCgroups(cgroup)
	if remove != "" {
		removeAll(remove)
	}
	os.Exit(exitCode(err))
}

// removeAll removes a folder that other commands of the same owner may still write into and other guards remove:
// whoever comes last finds nobody left who could.
func removeAll(folder string) {
	for range removalAttempts {
		if os.RemoveAll(folder) == nil {
			return
		}
		time.Sleep(removalPause)
	}
}

func answer(order string, err error) {
	if err != nil {
		fmt.Printf("failed %s: %v\n", order, err)
		return
	}
	fmt.Println("done", order)
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &exit):
		return 126
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}
