package hook_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/garm-charms/garm-charms/pkg/hook"
)

func TestRelations(t *testing.T) {
	t.Parallel()
	gone := answer{Stderr: `ERROR invalid value "garm-configurator:11" for option -r: relation not found`, Code: 1}
	fake := newTools(t, map[string]answer{
		"relation-ids --format=json -- garm-configurator":           {Stdout: `["garm-configurator:10","garm-configurator:11","garm-configurator:9"]`},
		"relation-list --format=json -r garm-configurator:9":        {Stdout: `["small/1","small/0"]`},
		"relation-list --format=json -r garm-configurator:10":       {Stdout: `[]`},
		"relation-list --format=json --app -r garm-configurator:10": {Stdout: `"large"`},
		"relation-list --format=json -r garm-configurator:11":       gone,
	})

	relations, err := fake.hookTools().Relations(t.Context(), "garm-configurator")

	require.NoError(t, err)
	assert.Equal(t, []hook.Relation{
		{ID: "garm-configurator:9", App: "small", Units: []string{"small/0", "small/1"}},
		{ID: "garm-configurator:10", App: "large"},
	}, relations)
	assert.Len(t, fake.calls(), 5, "the application's name is asked for only where no unit tells it")
}

func TestRelationsThatCannotBeListed(t *testing.T) {
	t.Parallel()
	fake := newTools(t, map[string]answer{
		"relation-ids":  {Stdout: `["ingress:1"]`},
		"relation-list": {Stderr: "ERROR refused", Code: 1},
	})
	_, err := fake.hookTools().Relations(t.Context(), "ingress")
	assert.EqualError(t, err, "cannot list members of relation ingress:1: cannot run relation-list: refused (exit status 1)")
}

func TestDatabag(t *testing.T) {
	t.Parallel()
	fake := newTools(t, map[string]answer{
		"relation-get --format=json -r garm:1 -- - small/0":     {Stdout: `{"name":"small"}`},
		"relation-get --format=json --app -r garm:1 -- - small": {Stdout: `{"key":"app"}`},
		"relation-get --format=json -r garm:1 -- - empty/0":     {Stdout: `null`},
		"relation-get --format=json --app -r garm:1 -- - garm":  {Stderr: "ERROR permission denied", Code: 1},
	})
	tools := fake.hookTools()

	unit, err := tools.Databag(t.Context(), "garm:1", "small/0")
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"name": "small"}, unit)
	app, err := tools.Databag(t.Context(), "garm:1", "small")
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"key": "app"}, app)
	empty, err := tools.Databag(t.Context(), "garm:1", "empty/0")
	require.NoError(t, err)
	assert.Empty(t, empty)
	_, err = tools.Databag(t.Context(), "garm:1", "garm")
	assert.ErrorIs(t, err, hook.ErrPermission)
}

func TestSetDatabag(t *testing.T) {
	t.Parallel()
	fake := newTools(t, nil)
	tools := fake.hookTools()

	require.NoError(t, tools.SetUnitDatabag(t.Context(), "garm:1", map[string]string{"b": "two\nlines", "a": ""}))
	require.NoError(t, tools.SetAppDatabag(t.Context(), "garm:1", map[string]string{"status": "ok"}))
	require.NoError(t, tools.SetAppDatabag(t.Context(), "garm:1", nil))

	assert.Equal(t, []call{
		{Tool: "relation-set", Args: []string{"-r", "garm:1", "--file", "-"}, Stdin: "{\n\"a\": \"\",\n\"b\": \"two\\nlines\",\n}\n"},
		{Tool: "relation-set", Args: []string{"-r", "garm:1", "--file", "-", "--app"}, Stdin: "{\n\"status\": \"ok\",\n}\n"},
	}, fake.calls())
}

// TestDatabagValuesSurviveYAML reads back what relation-set gets, with a YAML decoder as strict as Juju's.
func TestDatabagValuesSurviveYAML(t *testing.T) {
	t.Parallel()
	values := map[string]string{
		"emoji":    "🦙 beyond the basic plane",
		"controls": "\x01\x07\x08\t\v\f\r\x1b\x7f\u0085\u009f\u2028\u2029\ufeff\ufffe",
		"quotes":   `"double" 'single' \back {{.Go}} ${shell} #{x}`,
		"yaml":     "- [a]: &b *c !!d\n--- | > %\n",
		"no":       "yes",
		"number":   "0x1F",
		"spaces":   "  \u00a0\u3000  \n\n",
		"pem":      "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
	}
	fake := newTools(t, nil)

	require.NoError(t, fake.hookTools().SetUnitDatabag(t.Context(), "garm:1", values))

	stdin := fake.calls()[0].Stdin
	assert.Contains(t, stdin, "🦙", "raw UTF-8, not a surrogate pair")
	read := map[string]string{}
	require.NoError(t, yaml.Unmarshal([]byte(stdin), read))
	assert.Equal(t, values, read)
}

func TestSetDatabagErrors(t *testing.T) {
	t.Parallel()
	fake := newTools(t, map[string]answer{"relation-set": {Stderr: "ERROR cannot write relation settings", Code: 1}})
	tools := fake.hookTools()

	err := tools.SetAppDatabag(t.Context(), "garm:1", map[string]string{"a": "b"})
	require.EqualError(t, err, "cannot write databag of relation garm:1: cannot run relation-set: cannot write relation settings (exit status 1)")
	err = tools.SetUnitDatabag(t.Context(), "garm:1", map[string]string{"a": "\xff"})
	require.EqualError(t, err, `cannot write databag of relation garm:1: cannot encode "a": it is not UTF-8`)
	assert.Len(t, fake.calls(), 1)
}
