package juju_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reading shows the secret that the option token names, and reads anew on secret-changed.
func reading() map[string]string {
	return map[string]string{
		"config.yaml": "options:\n  token: {type: secret}\n",
		"dispatch": `#!/bin/sh
token=$(config-get token)
[ -n "$token" ] || exit 0
refresh=
[ "$JUJU_HOOK_NAME" = secret-changed ] && refresh=--refresh
if value=$(secret-get "$token" $refresh value 2>/tmp/error); then
	status-set active "$value, latest $(secret-get "$token" --peek value)"
else
	status-set blocked "$(cat /tmp/error)"
fi
`,
	}
}

func TestUserSecret(t *testing.T) {
	b := newBed(t)
	b.deploy("tiny", reading())
	uri, err := b.AddSecret(b.ctx(), "token", map[string]string{"value": "one"})
	require.NoError(t, err)
	_, err = b.AddSecret(b.ctx(), "token", map[string]string{"value": "one"})
	assert.ErrorContains(t, err, `secret with label "token" already exists`)
	_, err = b.AddSecret(b.ctx(), "bad", map[string]string{"Bad_Key": "one"})
	assert.ErrorContains(t, err, `key "Bad_Key" not valid`)

	require.NoError(t, b.SetConfig(b.ctx(), "tiny", map[string]string{"token": uri}, nil))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, "ERROR permission denied", b.message("tiny/0"))

	before := len(b.hooks("tiny/0"))
	require.NoError(t, b.GrantSecret(b.ctx(), "token", "tiny"))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Len(t, b.hooks("tiny/0"), before, "a grant is no event")
	require.NoError(t, b.FireUpdateStatus(b.ctx(), "tiny/0"))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, "one, latest one", b.message("tiny/0"))

	before = len(b.hooks("tiny/0"))
	require.NoError(t, b.UpdateSecret(b.ctx(), "token", map[string]string{"value": "one"}))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Len(t, b.hooks("tiny/0"), before, "the same content is no revision")
	require.NoError(t, b.UpdateSecret(b.ctx(), "token", map[string]string{"value": "two"}))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, []string{"secret-changed"}, b.hooks("tiny/0")[before:])
	assert.Equal(t, "two, latest two", b.message("tiny/0"))

	info, err := b.ShowSecret(b.ctx(), uri, true)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"value": "two"}, info.Content)
	assert.Equal(t, 2, info.Revision)
	assert.Equal(t, "test", info.Owner)
	assert.Equal(t, []string{"tiny"}, info.Access)

	require.NoError(t, b.RevokeSecret(b.ctx(), uri, "tiny"))
	require.NoError(t, b.FireUpdateStatus(b.ctx(), "tiny/0"))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, "ERROR permission denied", b.message("tiny/0"))
	require.NoError(t, b.RemoveSecret(b.ctx(), "token"))
	require.NoError(t, b.Settle(b.ctx()))
	require.NoError(t, b.FireUpdateStatus(b.ctx(), "tiny/0"))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, `ERROR secret "`+uri+`" not found`, b.message("tiny/0"))
}

// sharing publishes the option password as a secret of the application on each relation.
const sharing = `#!/bin/sh
set -e
password=$(config-get password)
case "$JUJU_HOOK_NAME" in
db-relation-created)
	uri=$(secret-add --label "pass-$JUJU_RELATION_ID" value="$password")
	secret-grant "$uri" -r "$JUJU_RELATION_ID"
	relation-set -r "$JUJU_RELATION_ID" --app secret="$uri"
	;;
config-changed)
	for id in $(relation-ids db); do
		secret-set "$(secret-info-get --label "pass-$id" | head -n1 | tr -d :)" value="$password"
	done
	;;
secret-remove)
	secret-remove "$JUJU_SECRET_ID" --revision "$JUJU_SECRET_REVISION"
	;;
esac
`

const receiving = `#!/bin/sh
case "$JUJU_HOOK_NAME" in
db-relation-changed) uri=$(relation-get --app secret); status-set active "got $(secret-get "$uri" --label db value)";;
secret-changed) status-set active "now $(secret-get "$JUJU_SECRET_ID" --refresh value)";;
db-relation-broken) if secret-get --label db >/dev/null 2>&1; then status-set active readable; else status-set active unreadable; fi;;
esac
`

func TestSecretOverRelation(t *testing.T) {
	b := newBed(t)
	b.deploy("server", map[string]string{
		"metadata.yaml": server, "dispatch": sharing, "config.yaml": "options:\n  password: {type: string, default: first}\n",
	})
	b.deploy("client", map[string]string{"metadata.yaml": client, "dispatch": receiving})
	require.NoError(t, b.Integrate(b.ctx(), "server", "client:db"))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, "got first", b.message("client/0"))

	require.NoError(t, b.SetConfig(b.ctx(), "server", map[string]string{"password": "second"}, nil))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, "now second", b.message("client/0"))
	all, err := b.Secrets(b.ctx())
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.Equal(t, "server", all[0].Owner)
	assert.Equal(t, []string{"client"}, all[0].Access)
	assert.Contains(t, b.hooks("client/0"), "secret-changed")
	assert.Contains(t, b.hooks("server/0"), "secret-remove")
	assert.Equal(t, []int{2}, all[0].Revisions, "nobody tracked the first one any more")

	require.NoError(t, b.RemoveRelation(b.ctx(), "server", "client:db"))
	require.NoError(t, b.Settle(b.ctx()))
	all, err = b.Secrets(b.ctx())
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.Empty(t, all[0].Access, "a grant ends with its relation")
}
