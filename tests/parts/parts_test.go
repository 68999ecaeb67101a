package parts_test

import (
	"bytes"
	"context"
	"debug/elf"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/parts"
)

func TestProgramsAreStaticAndKept(t *testing.T) {
	for _, program := range []struct {
		name  string
		build func(context.Context) (string, error)
	}{
		{"garm", parts.GARM},
		{"pebble", parts.Pebble},
		{"prometheus", parts.Prometheus},
		{"garm-provider-test", parts.Provider},
	} {
		t.Run(program.name, func(t *testing.T) {
			path, err := program.build(t.Context())
			require.NoError(t, err)
			file, err := elf.Open(path)
			require.NoError(t, err)
			defer func() { _ = file.Close() }()
			for _, segment := range file.Progs {
				assert.NotEqual(t, elf.PT_INTERP, segment.Type, "it asks for a dynamic loader")
			}

			var said bytes.Buffer
			again, err := program.build(parts.WithProgress(t.Context(), &said))
			require.NoError(t, err)
			assert.Equal(t, path, again)
			assert.Empty(t, said.String(), "it was built again")
		})
	}
}

func TestProgressSaysWhatIsBuilt(t *testing.T) {
	t.Setenv("PARTS_DIR", t.TempDir())
	var said bytes.Buffer
	path, err := parts.Provider(parts.WithProgress(t.Context(), &said))
	require.NoError(t, err)
	assert.FileExists(t, path)
	assert.Regexp(t, `^building garm-provider-test \(.*\)\nbuilt garm-provider-test in .*\n$`, said.String())
}

func TestGivenProgram(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "garm")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/true\n"), 0o755))
	t.Setenv("GARM_BIN", program)
	path, err := parts.GARM(t.Context())
	require.NoError(t, err)
	assert.Equal(t, program, path)

	t.Setenv("PEBBLE_BIN", dir)
	_, err = parts.Pebble(t.Context())
	assert.EqualError(t, err, "cannot use PEBBLE_BIN: "+dir+" is not a program")
}

func TestImageRunsByItself(t *testing.T) {
	for layout, program := range map[parts.Layout]string{parts.Upstream: "/bin/garm", parts.Rock: "/usr/local/bin/garm"} {
		t.Run(string(layout), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "image")
			require.NoError(t, parts.Image(t.Context(), layout, dir, []byte("an extra CA\n")))

			cmd := exec.CommandContext(t.Context(), program, "-version")
			cmd.Dir = "/"
			cmd.Env = []string{}
			cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir}
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			assert.Regexp(t, `^v\d`, string(out))

			trusted, err := os.ReadFile(filepath.Join(dir, "etc/ssl/certs/ca-certificates.crt"))
			require.NoError(t, err)
			assert.True(t, bytes.HasSuffix(trusted, []byte("an extra CA\n")))
		})
	}
}

func TestImageHoldsNothingElse(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, parts.Image(t.Context(), parts.Rock, dir, nil))
	var programs []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode()&0o111 != 0 {
			programs = append(programs, path[len(dir):])
		}
		return err
	}))
	assert.Equal(t, []string{"/usr/local/bin/garm", "/usr/local/bin/garm-provider-openstack"}, programs)

	// Laying it out again, as a repeated deployment does, replaces what is there.
	require.NoError(t, parts.Image(t.Context(), parts.Rock, dir, nil))
	assert.EqualError(t, parts.Image(t.Context(), "flat", dir, nil), `cannot lay out an image: unknown layout "flat"`)
}
