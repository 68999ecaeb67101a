package tests_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/garm-charms/garm-charms/tests/bed"
	"github.com/garm-charms/garm-charms/tests/juju"
	"github.com/garm-charms/garm-charms/tests/parts"
	"github.com/garm-charms/garm-charms/tests/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Init()
	juju.Init()
	if err := build(parts.WithProgress(context.Background(), os.Stderr)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if code, inside := sandbox.World(); !inside {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// build builds everything before the world is entered, where the network ends.
func build(ctx context.Context) error {
	if _, err := bed.Build(ctx); err != nil {
		return err
	}
	_, err := parts.Prometheus(ctx)
	return err
}

func TestScenarios(t *testing.T) {
	built, err := bed.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, bed.Params("scenarios", built))
}
