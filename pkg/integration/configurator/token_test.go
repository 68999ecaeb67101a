package configurator_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/configurator"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

func TestTokenTakesTheAppsPlace(t *testing.T) {
	j := newJuju(t)
	j.declare(scaleSet(), values())
	j.taken()
	s := scaleSet()
	s.App, s.TokenSecret = runnerconfig.App{}, "secret:operators2"
	j.secrets["secret:operators0"] = &secretRecord{content: map[string]string{"value": password}}
	j.secrets["secret:operators2"] = &secretRecord{content: map[string]string{"value": "the-token\n"}}
	read, problems, err := configurator.OperatorSecrets(t.Context(), j.tools(), "small", s)
	require.NoError(t, err)
	assert.Empty(t, problems)
	assert.Equal(t, configurator.Secrets{Password: secret.New(password), Token: secret.New("the-token")}, read)
	delete(j.secrets, "secret:operators0")
	delete(j.secrets, "secret:operators2")

	j.declare(s, read)
	changes := j.taken()
	require.Len(t, changes, 3)
	assert.Equal(t, "secret-add configurator-github-token."+relationID, changes[0])
	assert.Equal(t, "relation-set small/0 github_app_id github_installation_id github_private_key_secret_uri github_token_secret_uri", changes[2])
	assert.NotContains(t, j.bags["small/0"], "github_private_key_secret_uri")
	got := j.read("small/0")
	require.NoError(t, got.Invalid)
	assert.Equal(t, read, got.Secrets)
	assert.NotContains(t, j.seen, "the-token", "in arguments or on stdin")

	tidy := func(s runnerconfig.ScaleSet) []string {
		t.Helper()
		require.NoError(t, configurator.Tidy(t.Context(), j.tools(), hook.Event{Kind: hook.KindUpdateStatus}, []configurator.Publication{j.publication()}, s))
		return j.taken()
	}
	assert.Equal(t, []string{"secret-remove secret:made1"}, tidy(s))
	assert.Empty(t, tidy(s))
	assert.Empty(t, tidy(runnerconfig.ScaleSet{}), "what is published stays while the configuration names none")
}
