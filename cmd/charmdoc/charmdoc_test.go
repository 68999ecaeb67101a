package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/status"
)

func TestReferenceOfThisTreeIsCurrent(t *testing.T) {
	assert.NoError(t, run([]string{"-check", "../.."}, io.Discard))
}

// The wanted pages are written with: go run ./cmd/charmdoc cmd/charmdoc/testdata/tree
func TestPagesSayWhatCharmcraftYAMLDeclares(t *testing.T) {
	pages, err := pagesOf(os.DirFS("testdata/tree"))
	require.NoError(t, err)
	require.Len(t, pages, 4)
	delete(pages, statusPage) // pkg/status says what is in it
	for name, page := range pages {
		golden := filepath.Join("testdata", "tree", name)
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(page), name)
	}
}

func TestPageIsWrittenAndAStaleOneIsNamed(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/tree")))
	require.NoError(t, run([]string{dir}, io.Discard))
	page := filepath.Join(dir, "docs", "reference", "options.md")
	require.NoError(t, os.WriteFile(page, []byte("old"), 0o600))
	assert.EqualError(t, run([]string{"-check", dir}, io.Discard), "docs/reference/options.md is not what it is written from: run make docs")
	require.NoError(t, run([]string{dir}, io.Discard))
	assert.NoError(t, run([]string{"-check", dir}, io.Discard))
}

func TestStatusesAreThoseOfTheTable(t *testing.T) {
	page := string(statuses())
	assert.Contains(t, page, "\n## garm\n")
	assert.Contains(t, page, "\n| active | `small ready` | GARM has the scale set as it is declared | nothing |\n")
	for _, charm := range charmNames() {
		require.NotEmpty(t, status.Of(charm))
		for _, s := range status.Of(charm) {
			assert.Contains(t, page, "| "+string(s.Level)+" | `"+s.Message+"` | ")
		}
	}
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "|") {
			assert.Equal(t, 5, strings.Count(line, "|"), line)
		}
	}
}

func TestDeadLinksAreNamed(t *testing.T) {
	for _, row := range []struct {
		link string
		dead bool
	}{
		{"b.md", false},
		{"b.md#what-it-is-not", false},
		{"#here", false},
		{"../LICENSE", false},
		{"https://example.com/none", false},
		{"c.md", true},
		{"b.md#nothing", true},
		{"#there", true},
		{"/docs/b.md", true},
	} {
		tree := fstest.MapFS{
			"LICENSE":          {Data: []byte("free")},
			"docs/a.md":        {Data: []byte("# Here\n\nsee [it](" + row.link + ")\n")},
			"docs/b.md":        {Data: []byte("## What `it` is, not\n")},
			"testdata/some.md": {Data: []byte("[gone](gone.md)")},
		}
		dead, err := deadLinks(tree)
		require.NoError(t, err)
		if row.dead {
			assert.Equal(t, []string{"docs/a.md: " + row.link}, dead)
		} else {
			assert.Empty(t, dead, row.link)
		}
	}
}
