// Command garm is the dispatch program of the garm charm.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/garm-charms/garm-charms/charms/garm"
	"github.com/garm-charms/garm-charms/pkg/hook"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := garm.Run(ctx, os.Getenv, hook.Exec{}); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
}
