package github_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/garm-charms/garm-charms/tests/parts"
	"github.com/garm-charms/garm-charms/tests/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Init()
	// Built here, where the machine's network is still there.
	ctx := parts.WithProgress(context.Background(), os.Stderr)
	for _, build := range []func(context.Context) (string, error){parts.GARM, parts.Provider} {
		if _, err := build(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if code, inside := sandbox.World(); !inside {
		os.Exit(code)
	}
	os.Exit(m.Run())
}
