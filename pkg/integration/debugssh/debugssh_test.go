package debugssh_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/bootstrap"
	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/debugssh"
)

const relationID = "debug-ssh:3"

type bag map[string]string

// juju stands for Juju behind the hook tools, with at most one relation of garm/0 to tmate. That the tools are called
// rightly is seen where Juju's own are.
type juju struct {
	relations []string
	bags      map[string]bag // of remote units
	failing   error          // of relation-get
}

func (j juju) Run(_ context.Context, call hook.Call) ([]byte, error) {
	switch call.Tool {
	case "relation-ids":
		return json.Marshal(j.relations)
	case "relation-list":
		if slices.Contains(call.Args, "--app") {
			return json.Marshal("tmate")
		}
		return json.Marshal(slices.Sorted(maps.Keys(j.bags)))
	case "relation-get":
		if j.failing != nil {
			return nil, j.failing
		}
		return json.Marshal(j.bags[call.Args[len(call.Args)-1]])
	}
	return nil, errors.New("unexpected tool " + call.Tool)
}

func complete(changes ...string) bag {
	b := bag{"host": "10.1.2.3", "port": "10022", "rsa_fingerprint": "SHA256:abc+/=", "ed25519_fingerprint": "SHA256:def"}
	for i := 0; i < len(changes); i += 2 {
		b[changes[i]] = changes[i+1]
	}
	return b
}

func TestRead(t *testing.T) {
	server := bootstrap.Tmate{Host: "10.1.2.3", Port: "10022", RSAFingerprint: "SHA256:abc+/=", ED25519Fingerprint: "SHA256:def"}
	second := server
	second.Host, second.Port = "10.1.2.9", "9"
	for _, row := range []struct {
		summary string
		bags    map[string]bag
		want    bootstrap.Tmate
		refused []string
	}{
		{summary: "no unit"},
		{summary: "nothing written yet", bags: map[string]bag{"tmate/0": {}}},
		{summary: "complete", bags: map[string]bag{"tmate/0": complete()}, want: server},
		{
			summary: "field missing", bags: map[string]bag{"tmate/0": complete("rsa_fingerprint", "")},
			refused: []string{"cannot use what tmate/0 offers for debug sessions: cannot use the tmate server: its fingerprints are not both SHA256: and base64"},
		},
		{
			summary: "line break in host", bags: map[string]bag{"tmate/0": complete("host", "10.1.2.3\nEVIL=1")},
			refused: []string{"cannot use what tmate/0 offers for debug sessions: cannot use the tmate server: its host is neither a name nor an address"},
		},
		{
			summary: "line break in fingerprint", bags: map[string]bag{"tmate/0": complete("ed25519_fingerprint", "SHA256:a\nEVIL=1")},
			refused: []string{"cannot use what tmate/0 offers for debug sessions: cannot use the tmate server: its fingerprints are not both SHA256: and base64"},
		},
		{
			summary: "bad port", bags: map[string]bag{"tmate/0": complete("port", "ssh")},
			refused: []string{"cannot use what tmate/0 offers for debug sessions: cannot use the tmate server: its port is not between 1 and 65535"},
		},
		{
			summary: "several units", bags: map[string]bag{
				"tmate/0": complete("host", "10.1.2.9", "port", "9"), "tmate/1": complete("host", "$(id)"), "tmate/2": complete(),
			},
			want:    server,
			refused: []string{"cannot use what tmate/1 offers for debug sessions: cannot use the tmate server: its host is neither a name nor an address"},
		},
		{
			summary: "several ports", want: second, bags: map[string]bag{
				"tmate/0": complete("host", "10.1.2.9", "port", "10"), "tmate/1": complete("host", "10.1.2.9", "port", "9"),
			},
		},
	} {
		t.Run(row.summary, func(t *testing.T) {
			tools := hook.NewTools(hook.Env{}, juju{relations: []string{relationID}, bags: row.bags})
			got, refused, err := debugssh.Read(t.Context(), tools, hook.Event{})
			require.NoError(t, err)
			assert.Equal(t, row.want, got)
			require.Len(t, refused, len(row.refused))
			for i, text := range row.refused {
				assert.EqualError(t, refused[i], text)
			}
		})
	}
}

func TestNoServerWithoutRelation(t *testing.T) {
	got, refused, err := debugssh.Read(t.Context(), hook.NewTools(hook.Env{}, juju{}), hook.Event{})
	require.NoError(t, err)
	assert.Zero(t, got)
	assert.Empty(t, refused)

	breaking := hook.Event{Kind: hook.KindRelationBroken, RelationID: relationID}
	tools := hook.NewTools(hook.Env{}, juju{relations: []string{relationID}, bags: map[string]bag{"tmate/0": complete()}})
	got, _, err = debugssh.Read(t.Context(), tools, breaking)
	require.NoError(t, err)
	assert.Zero(t, got, "it is as good as gone")
}

func TestReadFails(t *testing.T) {
	tools := hook.NewTools(hook.Env{}, juju{relations: []string{relationID}, bags: map[string]bag{"tmate/0": complete()}, failing: errors.New("boom")})
	_, _, err := debugssh.Read(t.Context(), tools, hook.Event{})
	assert.ErrorContains(t, err, "boom")
}
