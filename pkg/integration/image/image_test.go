package image_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/image"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

const relationID = "image:1"

// juju stands for Juju behind the hook tools, with one relation of small/0 to builder. It shows which tools are called;
// that they are called rightly is seen where Juju's own are.
type juju struct {
	relations []string
	units     []string // remote
	bags      map[string]map[string]string
	refuse    map[string]error // by tool and last argument
	written   []map[string]string
	args      string
}

func (j *juju) Run(_ context.Context, call hook.Call) ([]byte, error) {
	last := call.Args[len(call.Args)-1]
	if err := j.refuse[call.Tool+" "+last]; err != nil {
		return nil, err
	}
	j.args += strings.Join(call.Args, "\n")
	switch call.Tool {
	case "relation-ids":
		return json.Marshal(j.relations)
	case "relation-list":
		if slices.Contains(call.Args, "--app") {
			return json.Marshal("builder")
		}
		return json.Marshal(j.units)
	case "relation-get":
		return json.Marshal(j.bags[last])
	case "relation-set":
		var values map[string]string
		err := yaml.Unmarshal(call.Stdin, &values)
		j.written = append(j.written, values)
		return nil, err
	}
	return nil, errors.New("unexpected tool " + call.Tool)
}

func read(t *testing.T, j *juju, event hook.Event) image.Builder {
	t.Helper()
	b, err := image.Read(t.Context(), hook.NewTools(hook.Env{}, j), hook.Env{UnitName: "small/0", Event: event})
	require.NoError(t, err)
	return b
}

func TestRead(t *testing.T) {
	related := []string{relationID}
	for _, row := range []struct {
		summary string
		juju    juju
		event   hook.Event
		app, id string
	}{
		{summary: "no builder"},
		{summary: "no unit yet", juju: juju{relations: related}, app: "builder"},
		{summary: "no image yet", juju: juju{relations: related, units: []string{"builder/0"}}, app: "builder"},
		{
			summary: "the first by name that has one",
			juju: juju{
				relations: related, units: []string{"builder/2", "builder/1", "builder/0"},
				bags: map[string]map[string]string{"builder/1": {"id": "one"}, "builder/2": {"id": "two"}},
			},
			app: "builder", id: "one",
		},
		{
			summary: "a unit that has gone",
			juju: juju{
				relations: related, units: []string{"builder/0", "builder/1"}, bags: map[string]map[string]string{"builder/1": {"id": "one"}},
				refuse: map[string]error{"relation-get builder/0": hook.ErrRelationGone},
			},
			app: "builder", id: "one",
		},
		{
			summary: "being removed", event: hook.Event{Kind: hook.KindRelationBroken, RelationID: relationID},
			juju: juju{relations: related, units: []string{"builder/0"}, bags: map[string]map[string]string{"builder/0": {"id": "one"}}},
		},
		{
			summary: "another relation is removed", event: hook.Event{Kind: hook.KindRelationBroken, RelationID: "garm-configurator:2"},
			juju: juju{relations: related, units: []string{"builder/0"}, bags: map[string]map[string]string{"builder/0": {"id": "one"}}},
			app:  "builder", id: "one",
		},
	} {
		t.Run(row.summary, func(t *testing.T) {
			b := read(t, &row.juju, row.event)
			assert.Equal(t, row.app, b.Application)
			assert.Equal(t, row.id, b.ImageID)
		})
	}
}

func TestReadWithoutJuju(t *testing.T) {
	for _, tool := range []string{"relation-ids image", "relation-get small/0", "relation-get builder/0"} {
		j := &juju{relations: []string{relationID}, units: []string{"builder/0"}, refuse: map[string]error{tool: errors.New("agent is gone")}}
		_, err := image.Read(t.Context(), hook.NewTools(hook.Env{}, j), hook.Env{UnitName: "small/0"})
		require.ErrorContains(t, err, "agent is gone", tool)
	}
}

func TestRequest(t *testing.T) {
	contract := map[string]string{
		"auth_url": "https://keystone.example.com", "username": "ci", "password": "the-password", "project_name": "runners",
		"user_domain_name": "user-domain", "project_domain_name": "project-domain",
	}
	cloud := runnerconfig.Provider{
		AuthURL: "https://keystone.example.com", Username: "ci", ProjectName: "runners", UserDomainName: "user-domain",
		ProjectDomainName: "project-domain", RegionName: "RegionOne", Network: "net", ProviderName: "small",
	}
	j := &juju{relations: []string{relationID}, bags: map[string]map[string]string{}}
	request := func(password string) []map[string]string {
		t.Helper()
		j.written = nil
		b := read(t, j, hook.Event{})
		require.NoError(t, b.Request(t.Context(), hook.NewTools(hook.Env{}, j), cloud, secret.New(password)))
		return j.written
	}
	assert.Equal(t, []map[string]string{contract}, request("the-password"))
	j.bags["small/0"] = contract
	assert.Empty(t, request("the-password"), "all is there already")
	assert.Equal(t, []map[string]string{{"password": "rotated"}}, request("rotated"))
	assert.NotContains(t, j.args, "the-password")
	assert.NotContains(t, j.args, "rotated")

	j.relations = nil
	assert.Empty(t, request("the-password"), "nobody to ask")
}
