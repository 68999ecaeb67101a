package status

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/option"
)

func TestTableIsComplete(t *testing.T) {
	for w, e := range table() {
		said := word(w).say(e.values...)
		assert.NotEmpty(t, said.Level, "%d: %s", w, said.Message)
		assert.NotContains(t, said.Message, "%!", "its example does not fit")
		assert.NotZero(t, e.by, said.Message)
		assert.NotEmpty(t, said.Message)
		assert.NotEmpty(t, e.meaning, said.Message)
		assert.NotEmpty(t, e.do, said.Message)
		if e.level == hook.Blocked {
			assert.False(t, strings.HasPrefix(e.do, nothing), "what is blocked needs somebody: %s", said.Message)
		}
	}
}

func TestEachCharmHasItsStatuses(t *testing.T) {
	assert.Empty(t, Of("other"))
	shown := map[string]bool{}
	for _, charm := range []string{"garm", "garm-configurator"} {
		for _, d := range Of(charm) {
			shown[charm+" "+d.Message] = true
		}
	}
	for said, by := range map[string]string{"Standby": "both", "GARM is starting": "garm", "small ready": "garm-configurator"} {
		assert.Equal(t, by != "garm-configurator", shown["garm "+said], said)
		assert.Equal(t, by != "garm", shown["garm-configurator "+said], said)
	}
}

// What a page shows as garm's is of options that garm has.
func TestExampleOfGARMsProblemsIsWhatTheCharmSays(t *testing.T) {
	_, found := option.ParseGARM(map[string]any{"external-url": "garm.example.com", "log-level": "loud"})
	var shown []hook.Status
	for _, d := range Of("garm") {
		shown = append(shown, d.Status)
	}
	assert.Contains(t, shown, GARMProblems(found))
}

// What a charm says comes from the table and from nowhere else: no other status is made anywhere, every constructor takes its
// words from there, and there is nothing in it that nobody says.
func TestEveryStatusIsInTheTable(t *testing.T) {
	said := map[string]int{}
	for _, root := range []string{"../../charms", "../../cmd", "../../pkg"} {
		require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			return inFile(t, path, said)
		}))
	}
	for _, name := range wordNames(t) {
		assert.Positive(t, said[name], "nobody says %s", name)
		delete(said, name)
	}
	assert.Empty(t, said, "said, and not among the statuses that there are")
}

// inFile counts what is said in a file, by the word's name, and refuses a status that is made otherwise.
func inFile(t *testing.T, path string, said map[string]int) error {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.CompositeLit:
			isLine := strings.HasSuffix(path, "pkg/status/status.go")
			assert.True(t, len(n.Elts) == 0 || isLine || !isStatus(n.Type), "%s makes a status of its own", path)
		case *ast.SelectorExpr:
			if word, named := n.X.(*ast.Ident); named && n.Sel.Name == "say" {
				said[word.Name]++
			}
		}
		return true
	})
	delete(said, "w") // the table's own examples
	return nil
}

func isStatus(expr ast.Expr) bool {
	switch e := expr.(type) {
	case *ast.SelectorExpr:
		return e.Sel.Name == "Status"
	case *ast.Ident:
		return e.Name == "Status"
	}
	return false
}

// wordNames are the names of the statuses that there are.
func wordNames(t *testing.T) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "table.go", nil, 0)
	require.NoError(t, err)
	for _, declaration := range file.Decls {
		constants, is := declaration.(*ast.GenDecl)
		if !is || constants.Tok != token.CONST {
			continue
		}
		for _, spec := range constants.Specs {
			if value, is := spec.(*ast.ValueSpec); is && len(names) < int(words) {
				names = append(names, value.Names[0].Name)
			}
		}
		break
	}
	require.Len(t, names, int(words))
	return names
}
