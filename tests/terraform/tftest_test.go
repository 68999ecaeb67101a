package terraform_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A module's own tests run in CI, where its provider is. Here is what they name: it exists, so that they do run there.
func TestTestsNameWhatTheModuleHas(t *testing.T) {
	for _, dir := range []string{"garm/terraform", "garm-configurator/terraform"} {
		m, body := load(t, dir), testsOf(t, dir)
		runs := 0
		for _, block := range body.Blocks {
			switch block.Type {
			case "mock_provider":
				assert.Contains(t, m.blocks["terraform"].Body.Blocks[0].Body.Attributes, block.Labels[0], dir)
			case "variables":
				m.assertVariables(t, block)
			case "run":
				runs++
				m.assertRun(t, block)
			default:
				assert.Fail(t, "terraform test knows no such block", "%s of %s", block.Type, dir)
			}
		}
		assert.NotZero(t, runs, dir)
	}
}

// testsOf reads a module's tests.
func testsOf(t *testing.T, dir string) *hclsyntax.Body {
	t.Helper()
	file := filepath.Join("..", "..", "charms", dir, "tests", "main.tftest.hcl")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(hclwrite.Format(text)), string(text), "terraform fmt %s", file)
	parsed, problems := hclparse.NewParser().ParseHCL(text, file)
	require.False(t, problems.HasErrors(), problems.Error())
	body, isNative := parsed.Body.(*hclsyntax.Body)
	require.True(t, isNative)
	return body
}

// assertVariables checks that a test gives variables that the module has.
func (m module) assertVariables(t *testing.T, block *hclsyntax.Block) {
	t.Helper()
	for name := range block.Body.Attributes {
		assert.Contains(t, m.of("variable"), name, m.dir)
	}
}

// assertRun checks that one run gives variables, and looks at resources, outputs and variables, that the module has.
func (m module) assertRun(t *testing.T, run *hclsyntax.Block) {
	t.Helper()
	for _, block := range run.Body.Blocks {
		if block.Type == "variables" {
			m.assertVariables(t, block)
			continue
		}
		assert.Equal(t, "assert", block.Type, run.Labels[0])
		for _, attribute := range []string{"condition", "error_message"} {
			assert.Contains(t, block.Body.Attributes, attribute, run.Labels[0])
		}
	}
	eachAttribute(run.Body, func(a *hclsyntax.Attribute) {
		if a.Name == "command" { // plan or apply, which are keywords
			return
		}
		for _, reference := range a.Expr.Variables() {
			assert.Empty(t, m.unnamed(source(reference)), "%s of %s", run.Labels[0], m.dir)
		}
	})
}

// unnamed says what a test refers to that the module does not have.
func (m module) unnamed(reference string) string {
	path := strings.Split(reference, ".")
	switch path[0] {
	case "var":
		return m.absent("variable " + path[1])
	case "output":
		return m.absent("output " + path[1])
	}
	return m.absent("resource " + path[0] + " " + path[1])
}
