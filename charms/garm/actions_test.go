package garm

import (
	"bytes"
	"maps"
	"os"
	"slices"
	"testing"

	jujucharm "github.com/juju/charm/v12"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// The actions of charmcraft.yaml, as Juju reads them, are those that there are; each says what it does and takes nothing else.
func TestActionsAreCharmcrafts(t *testing.T) {
	text, err := os.ReadFile("charmcraft.yaml")
	require.NoError(t, err)
	var file struct {
		Actions map[string]map[string]any `yaml:"actions"`
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	content, err := yaml.Marshal(file.Actions)
	require.NoError(t, err)
	var c charm
	read, err := jujucharm.ReadActionsYaml("garm", bytes.NewReader(content))
	require.NoError(t, err)
	assert.Equal(t, slices.Sorted(maps.Keys(c.actions())), slices.Sorted(maps.Keys(read.ActionSpecs)))
	for name, spec := range read.ActionSpecs {
		assert.NotEmpty(t, spec.Description, name)
		assert.Equal(t, false, file.Actions[name]["additionalProperties"], name)
	}
}
