// Command controlplane holds the Kubernetes programs that the end-to-end tests run. Its first argument names one of
// them, the rest are that program's own. One binary instead of four: they share most of their code, and linking it
// once saves disk and time.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// command makes only the command that is asked for: each registers its flags and feature gates when made.
func command(name string) *cobra.Command {
	switch name {
	case "kube-apiserver":
		return apiserver.NewAPIServerCommand()
	case "kube-controller-manager":
		return controllermanager.NewControllerManagerCommand()
	case "kube-scheduler":
		return scheduler.NewSchedulerCommand()
	case "kubectl":
		return kubectl.NewDefaultKubectlCommand()
	default:
		return nil
	}
}

func main() {
	if len(os.Args) < 2 {
		fail("no program named")
	}
	os.Args = os.Args[1:] // kubectl looks for plug-ins in os.Args, so the name must be gone before it is made
	program := command(os.Args[0])
	if program == nil {
		fail(fmt.Sprintf("unknown program %q", os.Args[0]))
	}
	os.Exit(cli.Run(program))
}

func fail(reason string) {
	fmt.Fprintln(os.Stderr, "controlplane:", reason)
	fmt.Fprintln(os.Stderr, "usage: controlplane {kube-apiserver|kube-controller-manager|kube-scheduler|kubectl} [flags]")
	os.Exit(2)
}
