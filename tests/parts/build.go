package parts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// recipe is how one program is built.
type recipe struct {
	name       string // file name of the program
	beside     string // directory beside tests/tools whose module it is built in; "" for tests/tools itself
	pkg        string // its main package, as go build takes it there
	module     string // module whose release it is; "" for one of ours
	versionVar string // variable that is set to that release; "" for none
	sources    string // directory in tests/tools whose files it is made of; "" when go.mod and go.sum say it all
	cgo        bool
	tags       string
	ldflags    string
}

func (r recipe) args() []string {
	args := []string{"build", "-trimpath", "-ldflags", r.ldflags}
	if r.tags != "" {
		args = append(args, "-tags", r.tags)
	}
	return args
}

// environ is the machine's own environment without what would make the same recipe give another program.
func (r recipe) environ() []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "GOFLAGS", "GOWORK", "GOOS", "GOARCH", "CGO_ENABLED":
		default:
			env = append(env, v)
		}
	}
	cgo := "CGO_ENABLED=0"
	if r.cgo {
		cgo = "CGO_ENABLED=1"
	}
	return append(env, "GOFLAGS=-buildvcs=false", "GOWORK=off", cgo)
}

// build returns the path of the program, which it builds unless an earlier call did.
func build(ctx context.Context, r recipe) (string, error) {
	tools, err := toolsDir(ctx)
	if err != nil {
		return "", fmt.Errorf("cannot build %s: %w", r.name, err)
	}
	if r.beside != "" {
		tools = filepath.Join(filepath.Dir(tools), r.beside)
	}
	key, err := r.key(ctx, tools)
	if err != nil {
		return "", fmt.Errorf("cannot build %s: %w", r.name, err)
	}
	dir, err := outputDir()
	if err != nil {
		return "", fmt.Errorf("cannot build %s: %w", r.name, err)
	}
	dir = filepath.Join(dir, r.name+"-"+key)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("cannot build %s: %w", r.name, err)
	}
	out := filepath.Join(dir, r.name)
	if isThere(out) {
		return out, nil
	}
	// Test binaries of several packages run at the same time: the first builds, the others wait for it.
	unlock, err := lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return "", fmt.Errorf("cannot build %s: %w", r.name, err)
	}
	defer unlock()
	if isThere(out) {
		return out, nil
	}
	return out, r.buildTo(ctx, tools, out)
}

func (r recipe) buildTo(ctx context.Context, tools, out string) error {
	start := time.Now()
	version, err := r.version(ctx, tools)
	if err != nil {
		return fmt.Errorf("cannot build %s: %w", r.name, err)
	}
	title := strings.TrimSpace(r.name + " " + version)
	progressf(ctx, "building %s (the first time takes minutes)\n", title)
	if r.versionVar != "" {
		r.ldflags += " -X " + r.versionVar + "=" + version
	}
	temp := fmt.Sprintf("%s.%d", out, os.Getpid())
	defer func() { _ = os.Remove(temp) }() // there only when something failed
	if _, err := r.run(ctx, tools, append(r.args(), "-o", temp, r.pkg)...); err != nil {
		return fmt.Errorf("cannot build %s: %w", r.name, err)
	}
	if err := os.Rename(temp, out); err != nil {
		return fmt.Errorf("cannot build %s: %w", r.name, err)
	}
	progressf(ctx, "built %s in %s\n", title, time.Since(start).Round(time.Second))
	return nil
}

// version is the release of the program's module, or "" for a program of ours.
func (r recipe) version(ctx context.Context, tools string) (string, error) {
	if r.module == "" {
		return "", nil
	}
	out, err := r.run(ctx, tools, "list", "-m", "-f", "{{.Version}}", r.module)
	return strings.TrimSpace(out), err
}

// run runs the go command in the program's module and returns what it printed.
func (r recipe) run(ctx context.Context, tools string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = tools
	cmd.Env = r.environ()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("cannot run go %s: %w\n%s", args[0], err, stderr.String())
	}
	return stdout.String(), nil
}

// key is a digest of everything that decides what the program is.
func (r recipe) key(ctx context.Context, tools string) (string, error) {
	toolchain, err := r.run(ctx, tools, "env", "GOVERSION", "GOARCH")
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%s %q %q\n", toolchain, r.args(), r.pkg) // a hash takes everything
	files := []string{filepath.Join(tools, "go.mod"), filepath.Join(tools, "go.sum")}
	if r.sources != "" {
		// Glob sorts, so the digest does not depend on the file system.
		found, err := filepath.Glob(filepath.Join(tools, r.sources, "*.go"))
		if err != nil {
			return "", err
		}
		files = append(files, found...)
	}
	for _, file := range files {
		if err := addFile(sum, file); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

func addFile(sum hash.Hash, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	_, _ = fmt.Fprintf(sum, "%s\n", filepath.Base(path))
	_, err = io.Copy(sum, file)
	return err
}

// toolsDir finds tests/tools from the module of the working directory, which go test sets to the package's directory.
func toolsDir(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("cannot find the module of the working directory: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(out)))
	for _, dir := range []string{filepath.Join(root, "tools"), filepath.Join(root, "tests", "tools")} {
		if isThere(filepath.Join(dir, "go.mod")) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("cannot find tests/tools from the working directory: it is not in this repository")
}

func outputDir() (string, error) {
	if dir := os.Getenv("PARTS_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "garm-charms-tests"), err
}

func isThere(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// lock holds the file's lock, against other processes too, until the function it returns is called.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = file.Close()
			return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
