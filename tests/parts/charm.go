package parts

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Charms packs both charms for this machine, as `make pack` does, and returns their paths by name.
func Charms(ctx context.Context) (map[string]string, error) {
	tools, err := toolsDir(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot pack charms: %w", err)
	}
	root := filepath.Join(tools, "..", "..")
	build := filepath.Join(root, "build")
	if err := os.MkdirAll(build, 0o755); err != nil {
		return nil, fmt.Errorf("cannot pack charms: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(build, "pack.lock"))
	if err != nil {
		return nil, fmt.Errorf("cannot pack charms: %w", err)
	}
	defer unlock()
	cmd := exec.CommandContext(ctx, filepath.Join(root, ".ci", "pack"), runtime.GOARCH)
	cmd.Dir = root
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	progressf(ctx, "packing both charms\n")
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("cannot pack charms: %w\n%s", err, output.Bytes())
	}
	paths := map[string]string{}
	for _, name := range []string{"garm", "garm-configurator"} {
		paths[name] = filepath.Join(build, name+"_"+runtime.GOARCH+".charm")
	}
	return paths, nil
}
