package postgresql_test

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
	"github.com/garm-charms/garm-charms/pkg/integration/postgresql"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

const relationID = "postgresql:1"

type bags = map[string]map[string]string

// juju stands for Juju behind the hook tools, with one relation of garm to db. It shows which tools are called; that they
// are called rightly is seen where Juju's own are.
type juju struct {
	relations []string
	units     []string // remote
	bags      bags     // and secrets, by URI
	refuse    map[string]error
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
			return json.Marshal("db")
		}
		return json.Marshal(j.units)
	case "relation-get", "secret-get":
		return json.Marshal(j.bags[last])
	case "relation-set":
		var values map[string]string
		err := yaml.Unmarshal(call.Stdin, &values)
		j.written = append(j.written, values)
		return nil, err
	}
	return nil, errors.New("unexpected tool " + call.Tool)
}

func read(t *testing.T, j *juju, event hook.Event) postgresql.Database {
	t.Helper()
	db, err := postgresql.Read(t.Context(), hook.NewTools(hook.Env{}, j), hook.Env{AppName: "garm", Event: event})
	require.NoError(t, err)
	return db
}

func whole() bags {
	return bags{
		"db": {
			"endpoints": "primary.example:5433,other.example:5432", "database": "garm-db",
			"secret-user": "secret:user", "secret-tls": "secret:tls",
		},
		"secret:user": {"username": "relation-1", "password": "the-password", "uris": "postgresql://relation-1:the-password@primary.example"},
		"secret:tls":  {"tls": "True", "tls-ca": "a certificate"},
	}
}

func TestRead(t *testing.T) {
	j := &juju{relations: []string{relationID}, bags: whole()}
	db := read(t, j, hook.Event{})
	assert.Equal(t, "db", db.Application)
	assert.Empty(t, db.Missing)
	assert.Equal(t, "primary.example", db.Host)
	assert.Equal(t, 5433, db.Port)
	assert.Equal(t, "garm-db", db.Name)
	assert.Equal(t, "relation-1", db.Username)
	assert.Equal(t, secret.New("the-password"), db.Password)
	assert.True(t, db.TLS)
	assert.Contains(t, j.args, "--refresh", "a rotated password is seen")

	j.args = ""
	read(t, j, hook.Event{Kind: hook.KindAction})
	assert.NotContains(t, j.args, "--refresh", "an action changes nothing")

	assert.Empty(t, read(t, j, hook.Event{Kind: hook.KindRelationBroken, RelationID: relationID}).Application, "being removed")
	j.relations = nil
	assert.Empty(t, read(t, j, hook.Event{}).Application)
}

func TestWhatIsMissing(t *testing.T) {
	for _, row := range []struct {
		summary string
		change  func(bags)
		refuse  map[string]error
		units   []string
		missing string
	}{
		{summary: "nothing yet", change: func(b bags) { clear(b["db"]) }, missing: "an endpoint"},
		{summary: "no endpoint", change: func(b bags) { delete(b["db"], "endpoints") }, missing: "an endpoint"},
		{
			summary: "an endpoint that is none", change: func(b bags) { b["db"]["endpoints"] = "db:many" },
			missing: `an endpoint like host:port, not "db:many"`,
		},
		{
			summary: "an endpoint that is more", change: func(b bags) { b["db"]["endpoints"] = "db/x?sslmode=disable" },
			missing: `an endpoint like host:port, not "db/x?sslmode=disable"`,
		},
		{summary: "no secret yet", change: func(b bags) { delete(b["db"], "secret-user") }, missing: "a user name"},
		{summary: "no password", change: func(b bags) { delete(b["secret:user"], "password") }, missing: "a password"},
		{
			summary: "a secret that is not granted", change: func(bags) {},
			refuse: map[string]error{"secret-get secret:user": hook.ErrPermission}, missing: "access to its secret with the user",
		},
		{
			summary: "a secret that is gone", change: func(bags) {},
			refuse: map[string]error{"secret-get secret:tls": hook.ErrSecretNotFound}, missing: "access to its secret with the tls",
		},
		{
			summary: "a subordinate without a ready unit", change: func(b bags) { b["db"]["subordinated"] = "true" },
			units: []string{"db/0"}, missing: "a unit that is ready",
		},
		{
			summary: "a subordinate", units: []string{"db/0", "db/1"},
			change: func(b bags) { b["db"]["subordinated"], b["db/1"] = "true", map[string]string{"state": "ready"} },
		},
		{
			summary: "without secrets",
			change: func(b bags) {
				delete(b["db"], "secret-user")
				b["db"]["username"], b["db"]["password"] = "plain", "plain-password"
			},
		},
	} {
		t.Run(row.summary, func(t *testing.T) {
			j := &juju{relations: []string{relationID}, units: row.units, bags: whole(), refuse: row.refuse}
			row.change(j.bags)
			db := read(t, j, hook.Event{})
			assert.Equal(t, row.missing, db.Missing)
			assert.Equal(t, "db", db.Application)
		})
	}
}

func TestSpellings(t *testing.T) {
	b := whole()
	b["db"]["endpoints"], b["secret:tls"]["tls"] = "[2001:db8::1]:5432", "False"
	delete(b["db"], "database")
	db := read(t, &juju{relations: []string{relationID}, bags: b}, hook.Event{})
	assert.Equal(t, "2001:db8::1", db.Host)
	assert.Equal(t, "garm", db.Name, "the one that was asked for")
	assert.False(t, db.TLS)

	b["db"]["endpoints"] = "db.example"
	assert.Equal(t, 5432, read(t, &juju{relations: []string{relationID}, bags: b}, hook.Event{}).Port)
}

func TestReadWithoutJuju(t *testing.T) {
	for _, tool := range []string{"relation-ids postgresql", "relation-get garm", "relation-get db", "secret-get secret:user", "relation-get db/0"} {
		j := &juju{
			relations: []string{relationID}, units: []string{"db/0"}, bags: whole(),
			refuse: map[string]error{tool: errors.New("agent is gone")},
		}
		j.bags["db"]["subordinated"] = "true"
		_, err := postgresql.Read(t.Context(), hook.NewTools(hook.Env{}, j), hook.Env{AppName: "garm"})
		require.ErrorContains(t, err, "agent is gone", tool)
	}
}

func TestRequest(t *testing.T) {
	contract := map[string]string{"database": "garm", "requested-secrets": `["username","password","tls","tls-ca","uris"]`}
	j := &juju{relations: []string{relationID}, bags: bags{}}
	request := func() []map[string]string {
		t.Helper()
		j.written = nil
		require.NoError(t, read(t, j, hook.Event{}).Request(t.Context(), hook.NewTools(hook.Env{}, j), "garm"))
		return j.written
	}
	assert.Equal(t, []map[string]string{contract}, request())
	j.bags["garm"] = contract
	assert.Empty(t, request(), "all is there already")
	j.relations = nil
	assert.Empty(t, request(), "nobody to ask")
}
