// Command kubelet is the kubelet and kube-scheduler in one program.
//
// The name it is called by selects the part, so the test bed installs it under two names and each part takes exactly
// the arguments that its documentation describes. It is a module of its own because only tests of real pulls need it.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	switch name := filepath.Base(os.Args[0]); name {
	case "kubelet":
		serve(kubelet.NewKubeletCommand(context.Background()))
	case "kube-scheduler":
		serve(scheduler.NewSchedulerCommand())
	default:
		fmt.Fprintf(os.Stderr, "%s: call this program as kubelet or kube-scheduler\n", name)
		os.Exit(64)
	}
}

func serve(command *cobra.Command) {
	os.Exit(cli.Run(command))
}
