package juju_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/juju"
)

const server = "name: server\nsummary: s\ndescription: d\nprovides:\n  db: {interface: sql, limit: 2}\n"

const client = "name: client\nsummary: s\ndescription: d\nrequires:\n  db: {interface: sql}\n  backup: {interface: sql}\n"

// telling sets what the operator says in the option tell: "unit" or "app" data, then the option's fail decides the end.
const telling = `#!/bin/sh
tell=$(config-get tell)
id=$(relation-ids db | head -n1)
if [ -n "$tell" ] && [ -n "$id" ] && [ "$JUJU_HOOK_NAME" = config-changed ]; then
	if [ "$(config-get where)" = app ]; then
		echo "{\"word\": \"$tell\"}" | relation-set -r "$id" --app --file - || { status-set blocked refused; exit 0; }
	else
		relation-set -r "$id" word="$tell"
	fi
	[ "$(config-get fail)" = True ] && exit 1
fi
status-set active ok
`

const tellingConfig = "options:\n  tell: {type: string, default: ''}\n  where: {type: string, default: unit}\n  fail: {type: boolean, default: false}\n"

const hearing = `#!/bin/sh
case "$JUJU_HOOK_NAME" in
*-relation-changed)
	if [ -n "$JUJU_REMOTE_UNIT" ]; then
		status-set active "unit says $(relation-get word "$JUJU_REMOTE_UNIT")"
	else
		status-set active "app says $(relation-get --app word)"
	fi;;
esac
`

func TestRelation(t *testing.T) {
	b := newBed(t)
	b.deploy("server", map[string]string{"metadata.yaml": server, "dispatch": telling, "config.yaml": tellingConfig})
	b.deploy("client", map[string]string{"metadata.yaml": client, "dispatch": hearing})

	assert.ErrorContains(t, b.Integrate(b.ctx(), "server", "client"),
		`ambiguous relation: "server client" could refer to "client:backup server:db"; "client:db server:db"`)
	assert.ErrorContains(t, b.Integrate(b.ctx(), "server", "nobody"), `application "nobody" not found`)
	assert.ErrorContains(t, b.Integrate(b.ctx(), "server:x", "client"), `application "server" has no "x" relation`)
	require.NoError(t, b.Integrate(b.ctx(), "server", "client:db"))
	assert.ErrorContains(t, b.Integrate(b.ctx(), "client:db", "server"), "already exists")
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, []string{"db-relation-created server", "db-relation-joined server/0", "db-relation-changed server/0"},
		b.hooks("client/0")[4:])

	info, err := b.ShowUnit(b.ctx(), "client/0")
	require.NoError(t, err)
	require.Len(t, info.Relations, 1)
	assert.Equal(t, "db", info.Relations[0].RelatedEndpoint)
	address := info.Relations[0].Units["server/0"]["ingress-address"]
	assert.NotEmpty(t, address)
	assert.Equal(t, address+"/32", info.Relations[0].Units["server/0"]["egress-subnets"])

	require.NoError(t, b.SetConfig(b.ctx(), "server", map[string]string{"tell": "hello"}, nil))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, "unit says hello", b.message("client/0"))
	require.NoError(t, b.SetConfig(b.ctx(), "server", map[string]string{"tell": "all of us", "where": "app"}, nil))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, "app says all of us", b.message("client/0"))

	before := len(b.hooks("client/0"))
	require.NoError(t, b.RemoveRelation(b.ctx(), "server", "client:db"))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, []string{"db-relation-departed server/0", "db-relation-broken server"}, b.hooks("client/0")[before:])
	s, err := b.Status(b.ctx())
	require.NoError(t, err)
	assert.Empty(t, s.Relations)
}

func TestRelationLimit(t *testing.T) {
	b := newBed(t)
	b.deploy("server", map[string]string{"metadata.yaml": server, "dispatch": "#!/bin/sh\n"})
	charm := b.charm("client", map[string]string{"metadata.yaml": client, "dispatch": "#!/bin/sh\n"})
	for _, name := range []string{"one", "two", "three"} {
		require.NoError(t, b.Deploy(b.ctx(), juju.Deployment{Charm: charm, Application: name, Units: 0}))
	}
	require.NoError(t, b.Integrate(b.ctx(), "one:db", "server"))
	require.NoError(t, b.Integrate(b.ctx(), "two:db", "server"))
	assert.ErrorContains(t, b.Integrate(b.ctx(), "three:db", "server"),
		"establishing a new relation for server:db would exceed its maximum relation limit of 2")
}

func TestFailedHookTellsNothing(t *testing.T) {
	b := newBed(t)
	require.NoError(t, b.SetModelConfig(b.ctx(), map[string]string{"automatically-retry-hooks": "false"}))
	b.deploy("server", map[string]string{"metadata.yaml": server, "dispatch": telling, "config.yaml": tellingConfig})
	b.deploy("client", map[string]string{"metadata.yaml": client, "dispatch": hearing})
	require.NoError(t, b.Integrate(b.ctx(), "server", "client:db"))
	require.NoError(t, b.Settle(b.ctx()))

	require.NoError(t, b.SetConfig(b.ctx(), "server", map[string]string{"tell": "half", "fail": "true"}, nil))
	require.Error(t, b.Settle(b.ctx()))
	info, err := b.ShowUnit(b.ctx(), "client/0")
	require.NoError(t, err)
	assert.NotContains(t, info.Relations[0].Units["server/0"], "word")
	var set []juju.Call
	for _, c := range b.Calls() {
		if c.Args[0] == "relation-set" {
			set = append(set, c)
		}
	}
	assert.Equal(t, []juju.Call{{Unit: "server/0", Hook: "config-changed", Args: []string{"relation-set", "-r", "db:0", "word=half"}}}, set)
}

func TestOnlyLeadersWriteForTheApplication(t *testing.T) {
	b := newBed(t)
	b.deployUnits("server", 2, map[string]string{"metadata.yaml": server, "dispatch": telling, "config.yaml": tellingConfig})
	b.deploy("client", map[string]string{"metadata.yaml": client, "dispatch": hearing})
	require.NoError(t, b.Integrate(b.ctx(), "server", "client:db"))
	require.NoError(t, b.Settle(b.ctx()))
	require.NoError(t, b.SetConfig(b.ctx(), "server", map[string]string{"tell": "x", "where": "app"}, nil))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, "ok", b.message("server/0"))
	assert.Equal(t, "refused", b.message("server/1"))
	assert.Equal(t, "app says x", b.message("client/0"))

	require.NoError(t, b.SetLeader(b.ctx(), "server/1"))
	require.NoError(t, b.Settle(b.ctx()))
	require.NoError(t, b.SetConfig(b.ctx(), "server", map[string]string{"tell": "y"}, nil))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, "refused", b.message("server/0"))
	assert.Equal(t, "ok", b.message("server/1"))
	assert.Equal(t, "app says y", b.message("client/0"))
}

func TestLeadershipLostDuringHook(t *testing.T) {
	b := newBed(t)
	require.NoError(t, b.SetModelConfig(b.ctx(), map[string]string{"automatically-retry-hooks": "false"}))
	b.deployUnits("server", 2, map[string]string{
		"metadata.yaml": server, "config.yaml": tellingConfig,
		"dispatch": `#!/bin/sh
[ "$JUJU_HOOK_NAME" = config-changed ] && [ -n "$(config-get tell)" ] && is-leader | grep -q True || exit 0
relation-set -r "$(relation-ids db)" --app word=late
status-set active waiting
while [ ! -e /tmp/go ]; do sleep 0.01; done
`,
	})
	b.deploy("client", map[string]string{"metadata.yaml": client, "dispatch": hearing})
	require.NoError(t, b.Integrate(b.ctx(), "server", "client:db"))
	require.NoError(t, b.Settle(b.ctx()))
	require.NoError(t, b.SetConfig(b.ctx(), "server", map[string]string{"tell": "x"}, nil))
	require.NoError(t, b.Until(b.ctx(), "a hook that waits", func(juju.Status) bool { return b.message("server/0") == "waiting" }))
	require.NoError(t, b.SetLeader(b.ctx(), "server/1"))
	release, err := b.ContainerCommand(b.ctx(), "server/0", "charm", "touch", "/tmp/go")
	require.NoError(t, err)
	require.NoError(t, release.Run())

	var stuck *juju.HookError
	require.ErrorAs(t, b.Settle(b.ctx()), &stuck)
	assert.Equal(t, "server/0", stuck.Unit)
	info, err := b.ShowUnit(b.ctx(), "client/0")
	require.NoError(t, err)
	assert.Empty(t, info.Relations[0].Application)
	hooks := b.Hooks("server/0")
	assert.Contains(t, hooks[len(hooks)-1].Error, `"server/0" is not leader of "server"`)
}
