package main

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/juju/charm/v12"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// example is a copy of testdata/project with a dispatch binary for amd64.
type example struct {
	t    *testing.T
	root string
}

func newExample(t *testing.T) example {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.CopyFS(root, os.DirFS(filepath.Join("testdata", "project"))))
	binary := example{t: t, root: root}
	binary.write("binary", elfHeader(t, elf.EM_X86_64))
	return binary
}

func elfHeader(t *testing.T, machine elf.Machine) string {
	t.Helper()
	header := elf.Header64{
		Ident:   [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:    uint16(elf.ET_EXEC),
		Machine: uint16(machine),
		Version: uint32(elf.EV_CURRENT),
		Ehsize:  64,
	}
	var out bytes.Buffer
	require.NoError(t, binary.Write(&out, binary.LittleEndian, header))
	return out.String()
}

func (e example) path(name string) string {
	return filepath.Join(e.root, filepath.FromSlash(name))
}

func (e example) write(name, content string) {
	e.t.Helper()
	require.NoError(e.t, os.WriteFile(e.path(name), []byte(content), 0o600))
}

func (e example) read(name string) string {
	e.t.Helper()
	content, err := os.ReadFile(e.path(name))
	require.NoError(e.t, err)
	return string(content)
}

// edit replaces old, which must be there, in charmcraft.yaml.
func (e example) edit(old, replacement string) {
	e.t.Helper()
	const name = "charms/example/charmcraft.yaml"
	before := e.read(name)
	require.Contains(e.t, before, old)
	e.write(name, strings.Replace(before, old, replacement, 1))
}

func (e example) pack(more ...string) error {
	e.t.Helper()
	return run(append([]string{
		"-root", e.root, "-charm", e.path("charms/example"), "-bin", e.path("binary"), "-arch", "amd64", "-o", e.path("example.charm"),
	}, more...), io.Discard)
}

func (e example) mustPack(more ...string) *charm.CharmArchive {
	e.t.Helper()
	require.NoError(e.t, e.pack(more...))
	archive, err := charm.ReadCharmArchive(e.path("example.charm"))
	require.NoError(e.t, err)
	return archive
}

func TestJujuReadsWhatCharmcraftYAMLSays(t *testing.T) {
	t.Parallel()
	archive := newExample(t).mustPack()

	meta := archive.Meta()
	assert.Equal(t, "example", meta.Name)
	assert.Equal(t, "A charm with all that charmpack carries over.", meta.Summary)
	assert.Equal(t, "Two lines\nof text: with a colon.\n", meta.Description)
	assert.Equal(t, "prometheus_scrape", meta.Provides["metrics-endpoint"].Interface)
	assert.Equal(t, 1, meta.Requires["ingress"].Limit)
	assert.True(t, meta.Requires["ingress"].Optional)
	assert.Equal(t, charm.RolePeer, meta.Peers["secret-storage"].Role)
	assert.Equal(t, "app-image", meta.Containers["app"].Resource)
	assert.Equal(t, []charm.Mount{{Storage: "data", Location: "/data"}}, meta.Containers["app"].Mounts)
	assert.Equal(t, "oci-image", meta.Resources["app-image"].Type.String())
	assert.Equal(t, 0, meta.Storage["data"].CountMin)
	assert.Equal(t, charm.RunAsNonRoot, meta.CharmUser)
	assumes, err := json.Marshal(meta.Assumes)
	require.NoError(t, err)
	assert.JSONEq(t, `["juju >= 3.6", "k8s-api"]`, string(assumes))
	assert.Equal(t, map[string]any{"web-ui": true, "since": "2024-01-02"}, map[string]any(withoutNil(archive.Config().DefaultSettings())))
	assert.Equal(t, "secret", archive.Config().Options["token"].Type)
	assert.Contains(t, archive.Actions().ActionSpecs, "get-credentials")
	require.Len(t, archive.Manifest().Bases, 1)
	assert.Equal(t, "ubuntu@24.04/stable on amd64", archive.Manifest().Bases[0].String())
}

func withoutNil(settings charm.Settings) charm.Settings {
	for name, value := range settings {
		if value == nil {
			delete(settings, name)
		}
	}
	return settings
}

func TestArchiveEntries(t *testing.T) {
	t.Parallel()
	project := newExample(t)
	project.mustPack("-version", "v1.2.3-4-gabcdef")

	archive, err := zip.OpenReader(project.path("example.charm"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = archive.Close() })
	var entries []string
	for _, entry := range archive.File {
		entries = append(entries, entry.Mode().String()+" "+entry.Name)
		assert.Equal(t, zip.Deflate, entry.Method, entry.Name)
		assert.Equal(t, "1980-01-01 00:00:00", entry.Modified.UTC().Format(time.DateTime), entry.Name)
	}
	assert.Equal(t, []string{
		"-rw-r--r-- LICENSE", "-rw-r--r-- README.md", "-rw-r--r-- actions.yaml", "-rw-r--r-- config.yaml",
		"-rwxr-xr-x dispatch", "-rw-r--r-- grafana_dashboards/one.json", "-rw-r--r-- grafana_dashboards/sub/two.json",
		"-rw-r--r-- icon.svg", "-rw-r--r-- manifest.yaml", "-rw-r--r-- metadata.yaml", "-rw-r--r-- version",
	}, entries)
}

func TestLinksAreFlattened(t *testing.T) {
	t.Parallel()
	project := newExample(t)
	archive := project.mustPack()
	expanded := t.TempDir()
	require.NoError(t, archive.ExpandTo(expanded))

	metadata, err := os.ReadFile(filepath.Join(expanded, "metadata.yaml"))
	require.NoError(t, err)
	assert.Contains(t, string(metadata), "display-name: An example\n"+
		"docs: https://example.com/docs\n"+
		"issues: https://example.com/issues\n"+
		"source: https://example.com/source\n"+
		"website: https://example.com\n"+
		"maintainers:\n    - https://example.com/contact\n")
	assert.NotContains(t, string(metadata), "parts:")
}

func TestSameInputGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	project := newExample(t)
	project.mustPack()
	first := project.read("example.charm")

	for _, name := range []string{"binary", "LICENSE", "charms/example/icon.svg"} {
		require.NoError(t, os.Chmod(project.path(name), 0o640))
		require.NoError(t, os.Chtimes(project.path(name), time.Time{}, time.Unix(1_000_000_000, 0)))
	}
	project.mustPack()
	assert.Equal(t, first, project.read("example.charm"))
}

func TestCharmWithoutOptionsAndActions(t *testing.T) {
	t.Parallel()
	project := newExample(t)
	content := project.read("charms/example/charmcraft.yaml")
	before, rest, _ := strings.Cut(content, "config:\n")
	_, after, _ := strings.Cut(rest, "parts:\n")
	project.write("charms/example/charmcraft.yaml", before+"parts:\n"+after)

	archive := project.mustPack()

	assert.Empty(t, archive.Config().Options)
	assert.Empty(t, archive.Actions().ActionSpecs)
}

func TestPackErrorsNameWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		old, replacement string
		args             []string
		want             string
	}{
		"unknown key":     {old: "title:", replacement: "tilte:", want: "charmcraft.yaml: yaml: unmarshal errors:\n  line 3: field tilte not found"},
		"type":            {old: "type: charm", replacement: "type: bundle", want: `cannot pack type "bundle"`},
		"base":            {old: "base: ubuntu@24.04", replacement: "base: ubuntu", want: `cannot read base "ubuntu": want <name>@<channel>`},
		"platform":        {args: []string{"-arch", "riscv64"}, want: `cannot pack for platform "riscv64": charmcraft.yaml has [amd64 arm64]`},
		"unknown machine": {old: "  arm64:", replacement: "  s390x:", args: []string{"-arch", "s390x"}, want: `cannot pack for architecture "s390x"`},
		"other machine":   {args: []string{"-arch", "arm64"}, want: "for arm64: it is for EM_X86_64"},
		"no binary":       {args: []string{"-bin", "none"}, want: "cannot read dispatch binary none"},
		"not a binary":    {args: []string{"-bin", "main.go"}, want: "cannot read dispatch binary main.go"},
		"no charmcraft":   {args: []string{"-charm", "testdata"}, want: "cannot read testdata/charmcraft.yaml"},
		"file not there":  {old: "charms/example/icon.svg:", replacement: "charms/none.svg:", want: "part files: cannot prime icon.svg: "},
		"no icon":         {old: "README.md, icon.svg,", replacement: "README.md,", want: "no part of charmcraft.yaml names icon.svg"},
		"glob":            {old: "grafana_dashboards]", replacement: "\"*.json\"]", want: `part files: cannot prime "*.json": only plain paths are understood`},
		"outside":         {old: "grafana_dashboards]", replacement: "../x]", want: `part files: cannot prime "../x"`},
		"dump of all":     {old: "    prime: [LICENSE, README.md, icon.svg, grafana_dashboards]\n", want: "part files: it would dump the whole of its source"},
		"flag":            {args: []string{"-arch", ""}, want: "cannot pack: -arch is not given"},
		"unknown flag":    {args: []string{"-x"}, want: "cannot read arguments: "},
		"output":          {args: []string{"-o", "none/x.charm"}, want: "cannot write none/x.charm: "},
		"Juju: mount":     {old: "storage: data", replacement: "storage: dat", want: `container "app": storage "dat" not valid`},
		"Juju: option":    {old: "type: boolean", replacement: "type: bool", want: "cannot read it back as a charm: "},
		"Juju: action":    {old: "  get-credentials:", replacement: "  juju-x:", want: "cannot read it back as a charm: "},
		"Juju: assumes":   {old: "juju >= 3.6", replacement: "juju >> 3.6", want: "cannot read it back as a charm: "},
		"Juju: endpoint":  {old: "  ingress:\n", replacement: "  juju-ingress:\n", want: "cannot accept its metadata: "},
		"Juju: base":      {old: "ubuntu@24.04", replacement: "beos@5", want: "cannot read it back as a charm: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			project := newExample(t)
			if row.old != "" {
				project.edit(row.old, row.replacement)
			}

			err := project.pack(row.args...)

			require.ErrorContains(t, err, row.want)
			assert.Regexp(t, "^cannot ", err.Error())
			left, globErr := filepath.Glob(filepath.Join(project.root, "*.charm"))
			require.NoError(t, globErr)
			hidden, globErr := filepath.Glob(filepath.Join(project.root, ".*.charm"))
			require.NoError(t, globErr)
			assert.Empty(t, append(left, hidden...), "a charm that is wrong is not left behind")
		})
	}
}
