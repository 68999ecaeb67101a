package garm

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/status"
)

func TestAnotherUnitsGARMIsWaitedFor(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()

	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	assert.False(t, silent(short, address), "it still serves when the time is over")

	long, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	gone := make(chan bool)
	go func() { gone <- silent(long, address) }()
	require.NoError(t, listener.Close())
	assert.True(t, <-gone)
	assert.True(t, silent(long, address), "nothing is there")
}

// With a database that several units share, the one that leads now says where its GARM listens only once that of the one that
// led before has ended, and takes it back when it does not lead any more.
func TestLeadIsHandedOver(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	tools := &tools{answers: map[string]string{
		"relation-ids":  `["secret-storage:1"]`,
		"relation-list": `["garm/1"]`,
		"relation-get --format=json -r secret-storage:1 -- - garm/1": fmt.Sprintf(`{"serves-at": %q}`, listener.Addr()),
		"relation-get --format=json --app":                           "{}",
		"relation-get --format=json -r secret-storage:1 -- - garm/0": "{}",
		"network-get": `{"bind-addresses": [{"addresses": [{"value": "10.1.2.3"}]}]}`,
	}}
	c := charmWith(t, tools)
	known, err := c.readPeer(t.Context())
	require.NoError(t, err)

	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	said, err := c.takeOver(short, known)
	require.NoError(t, err)
	assert.Equal(t, status.OtherServes("garm/1"), said)
	assert.Zero(t, tools.called("relation-set"))

	require.NoError(t, listener.Close())
	said, err = c.takeOver(t.Context(), known)
	require.NoError(t, err)
	assert.Empty(t, said)
	assert.Equal(t, 1, tools.called("relation-set -r secret-storage:1 --file -{\n\"serves-at\": \"10.1.2.3:8080\""))

	tools.answers["relation-get --format=json -r secret-storage:1 -- - garm/0"] = `{"serves-at": "10.1.2.3:8080"}`
	require.NoError(t, c.announceServing(t.Context(), known, ""))
	assert.Equal(t, 1, tools.called("relation-set -r secret-storage:1 --file -{\n\"serves-at\": \"\""))
}

// A leader whose unit is removed leaves GARM's objects to the next one; the last unit has nobody to leave them to.
func TestWhoLeads(t *testing.T) {
	t.Parallel()
	const (
		alive   = `{"units":{"garm/0":{"status":"active"},"garm/1":{"status":"active"}}}`
		leaves  = `{"units":{"garm/0":{"status":"dying"},"garm/1":{"status":"active"}}}`
		another = `{"units":{"garm/0":{"status":"active"},"garm/1":{"status":"dying"}}}`
		all     = `{"units":{"garm/0":{"status":"dying"},"garm/1":{"status":"dying"}}}`
		last    = `{"units":{"garm/0":{"status":"dying"}}}`
	)
	for _, row := range []struct {
		leader, goal string
		kind         hook.Kind
		want         bool
	}{
		{"true", alive, hook.KindRelationBroken, true},
		{"true", leaves, hook.KindRelationBroken, false},
		{"true", leaves, hook.KindRelationDeparted, false},
		{"true", leaves, hook.KindStorageDetaching, false},
		{"true", leaves, hook.KindSecretChanged, false},
		{"true", another, hook.KindRelationBroken, true},
		{"true", all, hook.KindRelationBroken, true},
		{"true", last, hook.KindRelationBroken, true},
		{"false", alive, hook.KindRelationBroken, false},
	} {
		c := charmWith(t, &tools{answers: map[string]string{"is-leader": row.leader, "goal-state": row.goal}})
		c.env.Event.Kind = row.kind
		leads, err := c.leads(t.Context())
		require.NoError(t, err)
		assert.Equal(t, row.want, leads, "%s %s", row.goal, row.kind)
	}
}
