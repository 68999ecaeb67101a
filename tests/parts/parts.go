// Package parts builds the real programs that the tests run: GARM's server, Pebble's daemon, Prometheus and the test cloud's
// provider, all of them static, since they run in trees that hold nothing else, and lays out the image a unit of garm runs in.
// It must not run them, and knows nothing of what they are configured with.
//
// What it builds is kept in the user's cache directory (or in the directory that PARTS_DIR names) under a name that
// holds a digest of everything the program is made of, so the first call takes minutes and later ones nothing.
// A program that leaves the machine's network (sandbox.World) calls the functions it needs before it does.
package parts

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const (
	garmModule     = "github.com/cloudbase/garm"
	pebbleModule   = "github.com/canonical/pebble"
	promModule     = "github.com/prometheus/prometheus"
	providerFolder = "provider"
)

// GARM returns the path of GARM's server: the file that the environment variable GARM_BIN names, else GARM's release in
// tests/tools/go.mod, built for this machine with SQLite in it.
func GARM(ctx context.Context) (string, error) {
	return given(ctx, "GARM_BIN", recipe{
		name:   "garm",
		pkg:    garmModule + "/cmd/garm",
		module: garmModule,
		// GARM's Makefile sets the version in the same way; without it the server says v0.0.0-unknown.
		versionVar: garmModule + "/util/appdefaults.Version",
		cgo:        true,
		tags:       "osusergo,netgo,sqlite_omit_load_extension",
		ldflags:    `-s -w -linkmode external -extldflags "-static"`,
	})
}

// Pebble returns the path of Pebble: the file that the environment variable PEBBLE_BIN names, else Pebble's release in
// tests/tools/go.mod, built for this machine.
func Pebble(ctx context.Context) (string, error) {
	return given(ctx, "PEBBLE_BIN", recipe{name: "pebble", pkg: pebbleModule + "/cmd/pebble", module: pebbleModule, ldflags: "-s -w"})
}

// Prometheus returns the path of Prometheus: the file that the environment variable PROMETHEUS_BIN names, else its release in
// tests/prometheus/go.mod, built for this machine without web page and service discoveries.
func Prometheus(ctx context.Context) (string, error) {
	return given(ctx, "PROMETHEUS_BIN", recipe{
		name:    "prometheus",
		beside:  "prometheus",
		pkg:     promModule + "/cmd/prometheus",
		module:  promModule,
		tags:    "remove_all_sd",
		ldflags: "-s -w",
	})
}

// Provider returns the path of the test cloud's provider (tests/tools/provider), built for this machine. Package
// tests/provider reads what it records.
func Provider(ctx context.Context) (string, error) {
	return build(ctx, recipe{name: "garm-provider-test", pkg: "./" + providerFolder, sources: providerFolder, ldflags: "-s -w"})
}

// WithProgress makes the functions of this package, called with the context it returns, say on w what they are building:
// one line before and one line after. Nothing is said of what is there already.
func WithProgress(ctx context.Context, w io.Writer) context.Context {
	return context.WithValue(ctx, progressKey{}, w)
}

type progressKey struct{}

func progressf(ctx context.Context, format string, args ...any) {
	if w, ok := ctx.Value(progressKey{}).(io.Writer); ok {
		_, _ = fmt.Fprintf(w, format, args...)
	}
}

func given(ctx context.Context, variable string, r recipe) (string, error) {
	path := os.Getenv(variable)
	if path == "" {
		return build(ctx, r)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("cannot use %s: %w", variable, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("cannot use %s: %w", variable, err)
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return "", fmt.Errorf("cannot use %s: %s is not a program", variable, path)
	}
	return path, nil
}
