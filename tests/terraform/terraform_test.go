// Package terraform_test reads the charms' Terraform modules as far as that goes without the Juju provider: that they are
// formatted, that everything they refer to exists, and that they say of the charm what charmcraft.yaml says.
package terraform_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

const example = "garm/terraform/examples/scale-sets"

// module is what stands in one directory.
type module struct {
	dir    string
	blocks map[string]*hclsyntax.Block // "variable app_name", "resource juju_application this"
}

func load(t *testing.T, dir string) module {
	t.Helper()
	m := module{dir: dir, blocks: map[string]*hclsyntax.Block{}}
	files, err := filepath.Glob(filepath.Join("..", "..", "charms", dir, "*.tf"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	parser := hclparse.NewParser()
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, string(hclwrite.Format(text)), string(text), "terraform fmt %s", file)
		parsed, problems := parser.ParseHCL(text, file)
		require.False(t, problems.HasErrors(), problems.Error())
		body, isNative := parsed.Body.(*hclsyntax.Body)
		require.True(t, isNative)
		for _, block := range body.Blocks {
			m.blocks[strings.Join(append([]string{block.Type}, block.Labels...), " ")] = block
		}
	}
	return m
}

// of returns the names of the blocks of a type.
func (m module) of(kind string) []string {
	var names []string
	for name := range m.blocks {
		if rest, is := strings.CutPrefix(name, kind+" "); is {
			names = append(names, rest)
		}
	}
	slices.Sort(names)
	return names
}

// value evaluates an attribute that refers to nothing.
func value(t *testing.T, block *hclsyntax.Block, attribute string) map[string]any {
	t.Helper()
	require.Contains(t, block.Body.Attributes, attribute)
	v, problems := block.Body.Attributes[attribute].Expr.Value(nil)
	require.False(t, problems.HasErrors(), problems.Error())
	out := map[string]any{}
	for name, element := range v.AsValueMap() {
		if element.Type().IsObjectType() {
			out[name] = slices.Sorted(maps.Keys(element.AsValueMap()))
			continue
		}
		out[name] = element.AsString()
	}
	return out
}

func modules(t *testing.T) map[string]module {
	t.Helper()
	all := map[string]module{}
	for _, dir := range []string{"garm/terraform", "garm-configurator/terraform", example} {
		all[dir] = load(t, dir)
	}
	return all
}

func TestEveryReferenceIsToSomething(t *testing.T) {
	all := modules(t)
	for dir, m := range all {
		for name, block := range m.blocks {
			check := func(expression hclsyntax.Expression) {
				for _, reference := range expression.Variables() {
					assert.Empty(t, m.missing(t, all, reference), "%s in %s of %s", source(reference), name, dir)
				}
			}
			eachAttribute(block.Body, func(a *hclsyntax.Attribute) {
				if a.Name != "type" { // a variable's, which is a keyword
					check(a.Expr)
				}
			})
		}
	}
}

// missing says what a reference is to that is not there.
func (m module) missing(t *testing.T, all map[string]module, reference hcl.Traversal) string {
	t.Helper()
	path := strings.Split(source(reference), ".")
	switch path[0] {
	case "each", "scale_set": // what for_each and for bind
		return ""
	case "var":
		return m.absent("variable " + path[1])
	case "module":
		if missing := m.absent("module " + path[1]); missing != "" || len(path) < 3 {
			return missing
		}
		return m.called(t, all, path[1]).absent("output " + path[2])
	}
	return m.absent("resource " + path[0] + " " + path[1])
}

func (m module) absent(block string) string {
	if m.blocks[block] == nil {
		return block
	}
	return ""
}

// called is the module that a module block calls.
func (m module) called(t *testing.T, all map[string]module, name string) module {
	t.Helper()
	v, problems := m.blocks["module "+name].Body.Attributes["source"].Expr.Value(nil)
	require.False(t, problems.HasErrors(), problems.Error())
	dir := filepath.Join(m.dir, v.AsString())
	require.Contains(t, all, dir)
	return all[dir]
}

func source(reference hcl.Traversal) string {
	var path []string
	for _, step := range reference {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			path = append(path, s.Name)
		case hcl.TraverseAttr:
			path = append(path, s.Name)
		}
	}
	return strings.Join(path, ".")
}

func eachAttribute(body *hclsyntax.Body, do func(*hclsyntax.Attribute)) {
	for _, attribute := range body.Attributes {
		do(attribute)
	}
	for _, block := range body.Blocks {
		eachAttribute(block.Body, do)
	}
}

// Every input is used, described and typed, and has the name that it has in other charms' modules.
func TestInputsAndOutputs(t *testing.T) {
	inputs := []string{"app_name", "base", "channel", "config", "constraints", "model_uuid", "revision", "units"}
	for dir, want := range map[string][]string{
		"garm/terraform":              append([]string{"resources", "storage_directives"}, inputs...),
		"garm-configurator/terraform": inputs,
	} {
		m := load(t, dir)
		assert.ElementsMatch(t, want, m.of("variable"), dir)
		assert.Equal(t, []string{"app_name", "application", "provides", "requires"}, m.of("output"), dir)
		used := map[string]bool{}
		eachAttribute(m.blocks["resource juju_application this"].Body, func(a *hclsyntax.Attribute) {
			for _, reference := range a.Expr.Variables() {
				used[source(reference)] = true
			}
		})
		for name, block := range m.blocks {
			if block.Type == "variable" || block.Type == "output" {
				assert.Contains(t, block.Body.Attributes, "description", "%s of %s", name, dir)
			}
			if block.Type == "variable" {
				assert.Contains(t, block.Body.Attributes, "type", "%s of %s", name, dir)
				assert.True(t, used["var."+block.Labels[0]], "%s of %s is not used", name, dir)
			}
		}
	}
}

// A module call gives every input that has no default, and no other than there are.
func TestExampleCallsTheModulesRightly(t *testing.T) {
	all := modules(t)
	m := all[example]
	for _, name := range m.of("module") {
		called := m.called(t, all, name)
		given := m.blocks["module "+name].Body.Attributes
		for attribute := range given {
			if attribute != "source" && attribute != "for_each" {
				assert.Contains(t, called.of("variable"), attribute, name)
			}
		}
		for _, input := range called.of("variable") {
			if _, hasDefault := called.blocks["variable "+input].Body.Attributes["default"]; !hasDefault {
				assert.Contains(t, given, input, name)
			}
		}
	}
}

type charmcraft struct {
	Provides map[string]yaml.Node
	Requires map[string]yaml.Node
	Storage  map[string]yaml.Node
	Config   struct{ Options map[string]yaml.Node }
}

func read(t *testing.T, name string) (c charmcraft) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "charms", name, "charmcraft.yaml"))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &c))
	return c
}

func TestModulesSayWhatCharmcraftSays(t *testing.T) {
	for _, name := range []string{"garm", "garm-configurator"} {
		c, m := read(t, name), load(t, name+"/terraform")
		for output, declared := range map[string]map[string]yaml.Node{"provides": c.Provides, "requires": c.Requires} {
			want := map[string]any{}
			for endpoint := range declared {
				want[strings.ReplaceAll(endpoint, "-", "_")] = endpoint
			}
			assert.Equal(t, want, value(t, m.blocks["output "+output], "value"), "%s of %s", output, name)
		}
		if len(c.Storage) > 0 {
			stored := slices.Collect(maps.Keys(value(t, m.blocks["variable storage_directives"], "default")))
			assert.ElementsMatch(t, slices.Collect(maps.Keys(c.Storage)), stored, name)
		}
	}
}

func TestExampleSetsOptionsThatThereAre(t *testing.T) {
	options := read(t, "garm-configurator").Config.Options
	m := load(t, example)
	for option := range value(t, m.blocks["variable common"], "default") {
		assert.Contains(t, options, option)
	}
	for scaleSet, set := range value(t, m.blocks["variable scale_sets"], "default") {
		for _, option := range set.([]string) {
			assert.Contains(t, options, option, scaleSet)
		}
	}
}
