package tests_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/bed"
	"github.com/garm-charms/garm-charms/tests/operator"
)

// What the documents tell a reader to type is typed.
func TestPages(t *testing.T) {
	built, err := bed.Build(t.Context())
	require.NoError(t, err)
	testscript.Run(t, bed.Params("pages", built))
}

// followed are the documents whose commands are typed.
func followed(t *testing.T) []string {
	t.Helper()
	pages := []string{"../README.md"}
	for _, pattern := range []string{"../docs/tutorial/*.md", "../docs/how-to/*.md"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, found)
		pages = append(pages, found...)
	}
	return pages
}

func TestEveryPageWithCommandsIsFollowedToItsEnd(t *testing.T) {
	scripts, err := filepath.Glob("[ps]*/*.txtar") // pages/ and scenarios/
	require.NoError(t, err)
	opened := map[string]int{}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		require.NoError(t, err)
		body, _, _ := strings.Cut(string(text), "\n-- ")
		_, last, opens := strings.Cut(body, "\npage ")
		assert.True(t, !opens || regexp.MustCompile(`(?m)^finish$`).MatchString(last[max(0, strings.LastIndex(last, "\npage ")):]), "%s finishes its last page", script)
		for _, found := range regexp.MustCompile(`(?m)^page (\S+)$`).FindAllStringSubmatch(body, -1) {
			opened[found[1]]++
		}
	}
	for _, name := range followed(t) {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		if slices.ContainsFunc(operator.Fences(string(text)), func(f operator.Fence) bool { return f.Language == "shell" }) {
			assert.Equal(t, 1, opened[name], "how often scripts open %s", name)
		}
	}
}

// Where a command stands otherwise than in a shell block, nobody would see that it does not work.
func TestCommandsStandInShellBlocks(t *testing.T) {
	for _, name := range followed(t) {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.NotRegexp(t, "`juju [^`]*`", string(text), name)
		for _, fence := range operator.Fences(string(text)) {
			if fence.Language != "shell" {
				assert.NotRegexp(t, `(?m)^\s*\$?\s*juju `, fence.Text, "%s:%d", name, fence.Line)
			}
		}
	}
}
