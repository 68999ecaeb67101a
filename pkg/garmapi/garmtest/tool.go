package garmtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// GARM returns the path of the GARM server: the one that the environment variable GARM_BIN names, else the release in tests/tools/go.mod, built
// when need be.
func GARM(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("GARM_BIN"); path != "" { //nolint:forbidigo // for tests only
		return path
	}
	return build(t, "github.com/cloudbase/garm/cmd/garm")
}

// Pebble returns the path of the Pebble daemon of the release in tests/tools/go.mod, built when need be.
func Pebble(t testing.TB) string {
	t.Helper()
	return build(t, "github.com/canonical/pebble/cmd/pebble")
}

func build(t testing.TB, pkg string) string {
	t.Helper()
	mod, err := exec.CommandContext(t.Context(), "go", "env", "GOMOD").Output()
	must(t, err)
	tools := filepath.Join(filepath.Dir(strings.TrimSpace(string(mod))), "tests", "tools")

	cache, err := os.UserCacheDir()
	must(t, err)
	out := filepath.Join(cache, "garm-charms-garmtest", filepath.Base(pkg))
	must(t, os.MkdirAll(filepath.Dir(out), 0o700))

	// The tests of several packages run at once, and the go command would write the program while another test runs it.
	lock, err := os.Create(out + ".lock")
	must(t, err)
	defer lock.Close()
	must(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)) //nolint:gosec // a descriptor fits in an int

	cmd := exec.CommandContext(t.Context(), "go", "build", "-C", tools, "-o", out, pkg) //nolint:gosec // both packages are named above
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
