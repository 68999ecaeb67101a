// Command garm-configurator is the dispatch program of the garm-configurator charm.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	garmconfigurator "github.com/garm-charms/garm-charms/charms/garm-configurator"
	"github.com/garm-charms/garm-charms/pkg/hook"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := garmconfigurator.Run(ctx, os.Getenv, hook.Exec{}); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
}
