package juju_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const leading = "#!/bin/sh\nstatus-set active \"leader: $(is-leader) $JUJU_HOOK_NAME\"\n"

func TestScale(t *testing.T) {
	b := newBed(t)
	b.deployFull(1, leading)
	before := len(b.hooks("full/0"))
	require.NoError(t, b.Scale(b.ctx(), "full", 3))
	require.NoError(t, b.Settle(b.ctx()))
	assert.ElementsMatch(t, []string{
		"ring-relation-joined full/1", "ring-relation-changed full/1", "ring-relation-joined full/2", "ring-relation-changed full/2",
	}, b.hooks("full/0")[before:])
	assert.Contains(t, b.hooks("full/2"), "leader-settings-changed")

	before = len(b.hooks("full/0"))
	gone := len(b.hooks("full/2"))
	require.NoError(t, b.Scale(b.ctx(), "full", 2))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, []string{"ring-relation-departed full/2"}, b.hooks("full/0")[before:])
	assert.ElementsMatch(t, []string{
		"data-storage-detaching", "ring-relation-departed full/0", "ring-relation-departed full/1", "stop", "remove",
	}, b.hooks("full/2")[gone:])
	s, err := b.Status(b.ctx())
	require.NoError(t, err)
	assert.Len(t, s.Applications["full"].Units, 2)
	assert.NotContains(t, b.hosts(), "full-2.full-endpoints.test.svc.cluster.local")

	require.NoError(t, b.SetLeader(b.ctx(), "full/1"))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, "leader: False leader-settings-changed", b.message("full/0"))
	assert.Equal(t, "leader: True leader-elected", b.message("full/1"))

	require.NoError(t, b.Scale(b.ctx(), "full", 1))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, "leader: True leader-elected", b.message("full/0"), "the last one leads")
}

func TestRemoveApplication(t *testing.T) {
	b := newBed(t)
	b.deployFull(2, leading)
	b.deploy("client", map[string]string{
		"metadata.yaml": "name: client\nsummary: s\ndescription: d\nrequires:\n  db: {interface: sql}\n", "dispatch": leading,
	})
	b.deployUnits("server", 2, map[string]string{"metadata.yaml": server, "dispatch": leading})
	require.NoError(t, b.Integrate(b.ctx(), "server", "client"))
	require.NoError(t, b.Settle(b.ctx()))

	kept, gone := len(b.hooks("client/0")), len(b.hooks("server/0"))
	require.NoError(t, b.RemoveApplication(b.ctx(), "server"))
	require.NoError(t, b.RemoveApplication(b.ctx(), "full"))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, []string{"db-relation-departed server/0", "db-relation-departed server/1", "db-relation-broken server"},
		b.hooks("client/0")[kept:])
	assert.Equal(t, []string{"db-relation-departed client/0", "db-relation-broken client", "stop", "remove"}, b.hooks("server/0")[gone:])
	s, err := b.Status(b.ctx())
	require.NoError(t, err)
	assert.Len(t, s.Applications, 1)
	assert.Contains(t, s.Applications, "client")
	assert.Empty(t, s.Relations)
	assert.NotContains(t, b.hosts(), "server")
}

// A leader that is removed sees its relations end as if they were removed, and leads until its end. Only goal-state tells.
func TestLeaderLeaves(t *testing.T) {
	b := newBed(t)
	const telling = "#!/bin/sh\njuju-log \"$JUJU_HOOK_NAME leader: $(is-leader), goal: $(goal-state --format=json)\"\n"
	b.deploy("client", map[string]string{"metadata.yaml": client, "dispatch": leading})
	b.deployUnits("server", 2, map[string]string{"metadata.yaml": server, "dispatch": telling})
	require.NoError(t, b.Integrate(b.ctx(), "server:db", "client:db"))
	require.NoError(t, b.SetLeader(b.ctx(), "server/1"))
	require.NoError(t, b.Settle(b.ctx()))
	require.NoError(t, b.Scale(b.ctx(), "server", 1))
	require.NoError(t, b.Settle(b.ctx()))
	const broken, dying = "db-relation-broken leader: True, goal: ", `":{"status":"dying"`
	said := strings.Join(b.said("unit.server/1.juju-log"), "\n")
	require.Contains(t, said, broken)
	_, goal, _ := strings.Cut(said, broken)
	goal, _, _ = strings.Cut(goal, "\n")
	assert.Contains(t, goal, `"server/1`+dying)
	assert.Contains(t, goal, `"server/0":`)
	assert.NotContains(t, goal, `"server/0`+dying)

	require.NoError(t, b.RemoveApplication(b.ctx(), "server"))
	require.NoError(t, b.Settle(b.ctx()))
	said = strings.Join(b.said("unit.server/0.juju-log"), "\n")
	assert.Regexp(t, broken+`\{"units":\{"server/0`+dying+`,"since":"[^"]*"\}\}`, said)
}
