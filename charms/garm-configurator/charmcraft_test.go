package garmconfigurator_test

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/juju/charm/v12"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/garm-charms/garm-charms/pkg/option"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
)

// part is a part of charmcraft.yaml, as the file that Juju reads.
func part(t *testing.T, name string) *bytes.Reader {
	t.Helper()
	text, err := os.ReadFile("charmcraft.yaml")
	require.NoError(t, err)
	var parts map[string]yaml.Node
	require.NoError(t, yaml.Unmarshal(text, &parts))
	node, has := parts[name]
	require.True(t, has, name)
	content, err := yaml.Marshal(&node)
	require.NoError(t, err)
	return bytes.NewReader(content)
}

func config(t *testing.T) *charm.Config {
	t.Helper()
	read, err := charm.ReadConfig(part(t, "config"))
	require.NoError(t, err)
	return read
}

// optionTypes are the types of the options that the contract has, by Juju's names.
func optionTypes() map[string]string {
	types := map[string]string{}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[runnerconfig.ScaleSet]()) {
		name := field.Tag.Get("option")
		switch {
		case name == "":
		case strings.Contains(field.Tag.Get("validate"), "secreturi"):
			types[name] = "secret"
		case field.Type.Kind() == reflect.Int || field.Type.Kind() == reflect.Int64:
			types[name] = "int"
		case field.Type.Kind() == reflect.Bool:
			types[name] = "boolean"
		default:
			types[name] = "string"
		}
	}
	return types
}

func TestOptionsAreTheContracts(t *testing.T) {
	declared := map[string]string{}
	for name, o := range config(t).Options {
		declared[name] = o.Type
		assert.NotEmpty(t, strings.TrimSpace(o.Description), name)
	}
	assert.Equal(t, optionTypes(), declared)
}

// An option that needs another to be set, or has limits, says so where the operator reads of it.
func TestDescriptionsSayWhatIsRequired(t *testing.T) {
	_, problems := option.Parse(nil)
	var missing []string
	for _, p := range problems {
		if p.Missing {
			missing = append(missing, p.Option)
		}
	}
	require.Len(t, missing, 15)
	for _, name := range missing {
		name, _, _ := strings.Cut(name, " ")
		o, known := config(t).Options[name]
		require.True(t, known, name)
		assert.Regexp(t, `Required[.,]|is\s+required`, o.Description, name)
	}
}

func TestDefaultsPassTheRules(t *testing.T) {
	defaults := map[string]any(config(t).DefaultSettings())
	require.Len(t, defaults, len(optionTypes()))
	_, problems := option.Parse(defaults)
	for _, p := range problems {
		assert.True(t, p.Missing, p.String())
	}
	assert.EqualValues(t, 0, defaults["min-idle-runner"])
	assert.EqualValues(t, 1, defaults["max-runner"])
	assert.Equal(t, "Default", defaults["runner-group"])
	assert.EqualValues(t, runnerconfig.DefaultBootstrapTimeout, defaults["bootstrap-timeout-minutes"])
}

// Juju 3 and 4 differ in what they do with parameters that an action does not declare, unless it says so.
func TestActions(t *testing.T) {
	actions, err := charm.ReadActionsYaml("garm-configurator", part(t, "actions"))
	require.NoError(t, err)
	var names []string
	for name, spec := range actions.ActionSpecs {
		names = append(names, name)
		assert.NotEmpty(t, spec.Description, name)
		assert.Equal(t, false, spec.Params["additionalProperties"], name)
	}
	assert.ElementsMatch(t, []string{"show-problems", "show-blocks"}, names)
}

func TestEndpoints(t *testing.T) {
	for kind, want := range map[string]string{
		"provides": "garm-configurator garm_configurator_v0", "requires": "image github_runner_image_v0",
	} {
		var endpoints map[string]struct {
			Interface   string `yaml:"interface"`
			Description string `yaml:"description"`
			Optional    *bool  `yaml:"optional"`
			Limit       int    `yaml:"limit"`
		}
		require.NoError(t, yaml.NewDecoder(part(t, kind)).Decode(&endpoints))
		require.Len(t, endpoints, 1)
		for name, e := range endpoints {
			assert.Equal(t, want, fmt.Sprintf("%s %s", name, e.Interface))
			assert.NotEmpty(t, e.Description)
			require.NotNil(t, e.Optional)
			assert.False(t, *e.Optional)
			assert.Equal(t, 1, e.Limit)
		}
	}
}
