// Command helm is the package manager of Kubernetes, for the tests of the chart and for rendering deploy/ from it. It
// is a module of its own because it pins Kubernetes libraries of another version than the control plane does.
package main

import (
	"errors"
	"log/slog"
	"os"

	"helm.sh/helm/v4/pkg/cmd"
	"helm.sh/helm/v4/pkg/kube"
)

func main() {
	// Who wrote a field, in managedFields, whatever this program is installed as.
	kube.ManagedFieldsManager = "helm"

	root, err := cmd.NewRootCmd(os.Stdout, os.Args[1:], cmd.SetupLogging)
	if err != nil {
		slog.Error("helm cannot start", slog.Any("error", err))
		os.Exit(1)
	}
	if err := root.Execute(); err != nil {
		if failure, ok := errors.AsType[cmd.CommandError](err); ok {
			os.Exit(failure.ExitCode)
		}
		os.Exit(1)
	}
}
