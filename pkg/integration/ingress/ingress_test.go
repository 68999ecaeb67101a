package ingress_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/ingress"
)

const relationID = "ingress:1"

// juju stands for Juju behind the hook tools, with one relation of garm/0 to traefik. It shows which tools are called; that
// they are called rightly is seen where Juju's own are.
type juju struct {
	relations []string
	bags      map[string]map[string]string
	address   string
	refuse    map[string]error
	written   map[string]map[string]string // by owner
}

func (j *juju) Run(_ context.Context, call hook.Call) ([]byte, error) {
	last := call.Args[len(call.Args)-1]
	if err := j.refuse[call.Tool+" "+last]; err != nil {
		return nil, err
	}
	switch call.Tool {
	case "relation-ids":
		return json.Marshal(j.relations)
	case "relation-list":
		if slices.Contains(call.Args, "--app") {
			return json.Marshal("traefik")
		}
		return json.Marshal([]string{})
	case "network-get":
		return json.Marshal(map[string]any{"bind-addresses": []any{map[string]any{"addresses": []any{map[string]any{"value": j.address}}}}})
	case "relation-get":
		return json.Marshal(j.bags[last])
	case "relation-set":
		owner := "garm/0"
		if slices.Contains(call.Args, "--app") {
			owner = "garm"
		}
		var values map[string]string
		err := yaml.Unmarshal(call.Stdin, &values)
		j.written[owner] = values
		return nil, err
	}
	return nil, errors.New("unexpected tool " + call.Tool)
}

func env(event hook.Event) hook.Env {
	return hook.Env{UnitName: "garm/0", AppName: "garm", ModelName: "ci", Event: event}
}

func read(t *testing.T, j *juju, event hook.Event) ingress.Ingress {
	t.Helper()
	i, err := ingress.Read(t.Context(), hook.NewTools(hook.Env{}, j), env(event))
	require.NoError(t, err)
	return i
}

func TestURL(t *testing.T) {
	for offered, want := range map[string]string{
		"":          "",
		"no JSON":   "",
		`{}`:        "",
		`{"url":7}`: "",
		`{"url":"http://traefik.example/ci-garm"}`:   "http://traefik.example/ci-garm",
		`{"url":"https://traefik.example:8443/x//"}`: "https://traefik.example:8443/x",
		`{"url":"ftp://traefik.example"}`:            "",
		`{"url":"http://"}`:                          "",
		`{"url":"http://traefik.example/?a=b"}`:      "",
		`{"url":"http://me:secret@traefik.example"}`: "",
		`{"url":"http://traefik.example/\n"}`:        "",
	} {
		j := &juju{relations: []string{relationID}, bags: map[string]map[string]string{"traefik": {"ingress": offered}}}
		i := read(t, j, hook.Event{})
		assert.Equal(t, want, i.URL, offered)
		assert.Equal(t, "traefik", i.Application)
	}
}

func TestNoIngress(t *testing.T) {
	assert.Empty(t, read(t, &juju{}, hook.Event{}).Application)
	j := &juju{relations: []string{relationID}, bags: map[string]map[string]string{"traefik": {"ingress": `{"url":"http://traefik.example"}`}}}
	broken := hook.Event{Kind: hook.KindRelationBroken, RelationID: relationID}
	assert.Zero(t, read(t, j, broken), "being removed")
	broken.RelationID = "postgresql:1"
	assert.NotZero(t, read(t, j, broken), "another one is")
}

func TestPublish(t *testing.T) {
	app := map[string]string{"model": `"ci"`, "name": `"garm"`, "port": "8080", "strip-prefix": "true"}
	unit := map[string]string{"host": `"garm-0.garm-endpoints.ci.svc.cluster.local"`, "ip": `"10.1.2.3"`}
	j := &juju{relations: []string{relationID}, bags: map[string]map[string]string{}, address: "10.1.2.3"}
	tools := hook.NewTools(hook.Env{}, j)
	publish := func() map[string]map[string]string {
		t.Helper()
		j.written = map[string]map[string]string{}
		require.NoError(t, read(t, j, hook.Event{}).Publish(t.Context(), tools, env(hook.Event{}), 8080))
		return j.written
	}
	assert.Equal(t, map[string]map[string]string{"garm": app, "garm/0": unit}, publish())
	j.bags["garm"], j.bags["garm/0"] = app, unit
	assert.Empty(t, publish(), "all is there already")
	j.address = "10.1.2.4"
	assert.Equal(t, map[string]map[string]string{"garm/0": {"ip": `"10.1.2.4"`}}, publish(), "the pod was replaced")

	require.NoError(t, read(t, j, hook.Event{}).Withdraw(t.Context(), tools))
	assert.Equal(t, map[string]map[string]string{"garm/0": {"host": "", "ip": ""}}, j.written)
	j.bags["garm/0"], j.written = nil, map[string]map[string]string{}
	require.NoError(t, read(t, j, hook.Event{}).Withdraw(t.Context(), tools))
	assert.Empty(t, j.written, "nothing to withdraw")

	j.relations = nil
	assert.Empty(t, publish(), "nobody to tell")
}

func TestStandbyWithdraws(t *testing.T) {
	j := &juju{
		relations: []string{relationID}, bags: map[string]map[string]string{"garm/0": {"ip": `"10.1.2.3"`}},
		refuse: map[string]error{"relation-get garm": hook.ErrPermission}, written: map[string]map[string]string{},
	}
	require.NoError(t, read(t, j, hook.Event{}).Withdraw(t.Context(), hook.NewTools(hook.Env{}, j)))
	assert.Equal(t, map[string]map[string]string{"garm/0": {"ip": ""}}, j.written)
}

func TestReadWithoutJuju(t *testing.T) {
	for _, tool := range []string{"relation-ids ingress", "relation-get garm/0", "relation-get garm", "relation-get traefik"} {
		j := &juju{relations: []string{relationID}, refuse: map[string]error{tool: errors.New("agent is gone")}}
		_, err := ingress.Read(t.Context(), hook.NewTools(hook.Env{}, j), env(hook.Event{}))
		require.ErrorContains(t, err, "agent is gone", tool)
	}
}
