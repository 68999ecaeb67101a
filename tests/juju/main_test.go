package juju_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/juju"
	"github.com/garm-charms/garm-charms/tests/parts"
	"github.com/garm-charms/garm-charms/tests/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Init()
	juju.Init()
	ctx := context.Background()
	if _, err := parts.Pebble(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if _, err := juju.HookTools(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if code, inside := sandbox.World(); !inside {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// bed is a model for one test.
type bed struct {
	*juju.Model
	t   *testing.T
	dir string
}

//nolint:gochecknoglobals // the networks and charms of one process must differ
var networks, charms atomic.Int32

func newBed(t *testing.T) *bed {
	t.Helper()
	t.Parallel()
	dir, err := os.MkdirTemp("", "juju") //nolint:usetesting // paths of sockets must be short
	require.NoError(t, err)
	network, err := sandbox.NewNetwork(filepath.Join(dir, "net"), int(networks.Add(1))%256)
	require.NoError(t, err)
	pebble, err := parts.Pebble(t.Context())
	require.NoError(t, err)
	tools, err := juju.HookTools(t.Context())
	require.NoError(t, err)
	m, err := juju.NewModel(juju.Config{
		Name: "test", Dir: filepath.Join(dir, "m"), Network: network, Pebble: pebble, HookTools: tools,
		HookRetry: 100 * time.Millisecond,
	})
	require.NoError(t, err)
	b := &bed{Model: m, t: t, dir: dir}
	t.Cleanup(func() {
		if t.Failed() {
			for _, l := range m.DebugLog() {
				t.Log(l)
			}
		}
		require.NoError(t, m.Close())
		require.NoError(t, network.Close())
		require.NoError(t, os.RemoveAll(dir))
	})
	return b
}

func (b *bed) ctx() context.Context {
	ctx, cancel := context.WithTimeout(b.t.Context(), 60*time.Second)
	b.t.Cleanup(cancel)
	return ctx
}

// charm packs a charm of files; dispatch is a shell script.
func (b *bed) charm(name string, files map[string]string) string {
	b.t.Helper()
	all := map[string]string{
		"metadata.yaml": "name: " + name + "\nsummary: s\ndescription: d\n",
		"manifest.yaml": "bases:\n- name: ubuntu\n  channel: 22.04/stable\n  architectures: [amd64]\n",
	}
	maps.Copy(all, files)
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for _, file := range slices.Sorted(maps.Keys(all)) {
		h := &zip.FileHeader{Name: file, Method: zip.Deflate}
		h.SetMode(0o644)
		if file == "dispatch" {
			h.SetMode(0o755)
		}
		f, err := w.CreateHeader(h)
		require.NoError(b.t, err)
		_, err = f.Write([]byte(all[file]))
		require.NoError(b.t, err)
	}
	require.NoError(b.t, w.Close())
	path := filepath.Join(b.dir, fmt.Sprintf("%s-%d.charm", name, charms.Add(1)))
	require.NoError(b.t, os.WriteFile(path, archive.Bytes(), 0o644))
	return path
}

func (b *bed) hooks(unit string) []string {
	var names []string
	for _, h := range b.Hooks(unit) {
		names = append(names, h.String())
	}
	return names
}

// deploy deploys one unit of a charm of files and waits for it.
func (b *bed) deploy(name string, files map[string]string) {
	b.t.Helper()
	b.deployUnits(name, 1, files)
}

func (b *bed) deployUnits(name string, units int, files map[string]string) {
	b.t.Helper()
	charm := b.charm(name, files)
	require.NoError(b.t, b.Deploy(b.ctx(), juju.Deployment{Charm: charm, Application: name, Units: units}))
	require.NoError(b.t, b.Settle(b.ctx()))
}

// image is a container image without any program.
func (b *bed) image() string {
	b.t.Helper()
	dir := filepath.Join(b.dir, "image")
	for _, d := range []string{"dev", "proc", "sys", "tmp", "run", "etc"} {
		require.NoError(b.t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	return dir
}

// message is what a unit says in juju status.
func (b *bed) message(unit string) string {
	b.t.Helper()
	s, err := b.Status(b.ctx())
	require.NoError(b.t, err)
	for _, a := range s.Applications {
		if u, ok := a.Units[unit]; ok {
			return u.Message
		}
	}
	b.t.Fatalf("no unit %s", unit)
	return ""
}

func index(all []string, one string) int { return slices.Index(all, one) }

// failures counts the runs of a unit's hooks that failed.
func failures(hooks []juju.Hook) int {
	n := 0
	for _, h := range hooks {
		if h.Error != "" {
			n++
		}
	}
	return n
}

// said is what one module of the log has said.
func (b *bed) said(module string) []string {
	var lines []string
	for _, l := range b.DebugLog() {
		if l.Module == module {
			lines = append(lines, l.Message)
		}
	}
	return lines
}
