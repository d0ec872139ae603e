// Command control-plane-1.30 is kube-apiserver and kube-controller-manager of the oldest Kubernetes that is tested.
//
// The name it is called by selects the part. etcd and kubectl are those of the newest one, which serve both.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	switch name := filepath.Base(os.Args[0]); name {
	case "kube-apiserver":
		serve(apiserver.NewAPIServerCommand())
	case "kube-controller-manager":
		serve(controllermanager.NewControllerManagerCommand())
	default:
		fmt.Fprintf(os.Stderr, "%s: call this program as kube-apiserver or kube-controller-manager\n", name)
		os.Exit(64)
	}
}

func serve(command *cobra.Command) {
	os.Exit(cli.Run(command))
}
