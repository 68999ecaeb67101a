package juju

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	jujuModule = "github.com/juju/juju"
	hookTools  = jujuModule + "/cmd/jujuc"
)

// HookTools is the path of Juju's program for hook tools: the one that the environment variable JUJUC_BIN names, else
// the one of the linked Juju, built for this machine and kept in the user's cache directory, or in that of PARTS_DIR.
// Call it in this module's directories, since the go command builds it.
func HookTools(ctx context.Context) (string, error) {
	if path := os.Getenv("JUJUC_BIN"); path != "" {
		return filepath.Abs(path)
	}
	version, err := jujuVersion(ctx)
	if err != nil {
		return "", fmt.Errorf("cannot build hook tools: %w", err)
	}
	dir := os.Getenv("PARTS_DIR")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("cannot build hook tools: %w", err)
		}
		dir = filepath.Join(cache, "garm-charms-tests")
	}
	dir, err = filepath.Abs(filepath.Join(dir, strings.Join([]string{"jujuc", version, runtime.Version(), runtime.GOARCH}, "-")))
	if err != nil {
		return "", fmt.Errorf("cannot build hook tools: %w", err)
	}
	program := filepath.Join(dir, "jujuc")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	return program, buildHookTools(ctx, dir, program)
}

func jujuVersion(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", jujuModule).Output()
	if err != nil {
		return "", fmt.Errorf("cannot find version of %s: %w", jujuModule, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// buildHookTools puts the program in its place in one step, so that others never see half of it.
func buildHookTools(ctx context.Context, dir, program string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot build hook tools: %w", err)
	}
	temporary := fmt.Sprintf("%s.%d", program, os.Getpid())
	defer os.Remove(temporary)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", temporary, hookTools)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build hook tools: %w\n%s", err, out)
	}
	if err := os.Rename(temporary, program); err != nil {
		return fmt.Errorf("cannot build hook tools: %w", err)
	}
	return nil
}
