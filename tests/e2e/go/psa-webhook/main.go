// Command psa-webhook is Kubernetes' own Pod Security admission as a webhook: what the benchmark compares podgate with.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/pod-security-admission/cmd/webhook/server"
)

func main() {
	os.Exit(cli.Run(server.NewServerCommand()))
}
