package garmtest

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// GARM returns the path of the GARM server: the one that the environment variable GARM_BIN names, else the release in
// tests/tools/go.mod, built when need be.
func GARM(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("GARM_BIN"); path != "" {
		return path
	}
	return build(t, "tests/tools", "github.com/cloudbase/garm/cmd/garm")
}

// Pebble returns the path of the Pebble daemon of the release in tests/tools/go.mod, built when need be.
func Pebble(t testing.TB) string {
	t.Helper()
	return build(t, "tests/tools", "github.com/canonical/pebble/cmd/pebble")
}

// build builds a package in a module of this repository.
func build(t testing.TB, module, pkg string) string {
	t.Helper()
	mod, err := exec.CommandContext(t.Context(), "go", "env", "GOMOD").Output()
	must(t, err)
	module = filepath.Join(filepath.Dir(strings.TrimSpace(string(mod))), module)

	cache, err := os.UserCacheDir()
	must(t, err)
	out := filepath.Join(cache, "garm-charms-garmtest", filepath.Base(pkg))
	must(t, os.MkdirAll(filepath.Dir(out), 0o700))

	// The tests of several packages run at once, and the go command would write the program while another test runs it.
	lock, err := os.Create(out + ".lock")
	must(t, err)
	defer closing(t, lock)
	must(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))

	cmd := exec.CommandContext(t.Context(), "go", "build", "-C", module, "-o", out, pkg)
	if log, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot build %s: %v\n%s", pkg, err, log)
	}
	return out
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func closing(t testing.TB, c io.Closer) {
	t.Helper()
	must(t, c.Close())
}
