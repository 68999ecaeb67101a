package garm

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/status"
)

// The leader makes GARM's secrets before there is a container to use them in; the others wait for it, and make none.
func TestSecretsComeFirst(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		leads string
		made  int
		said  hook.Status
	}{
		"the leader": {"true", 2, status.NoContainer("app")},
		"another":    {"false", 0, status.NoSecrets()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tools := &tools{
				answers: map[string]string{"is-leader": row.leads, "goal-state": "{}", "secret-add": "secret:9m4e2mr0ui3e8a215n4g"},
				fails:   map[string]error{"secret-get": hook.ErrSecretNotFound},
			}
			_, said, err := charmWith(t, tools).prepare(t.Context())
			require.NoError(t, err)
			assert.Equal(t, row.said, said)
			assert.Equal(t, row.made, tools.called("secret-add"))
		})
	}
}

func TestCredentialsAreRefusedBeforeThereAreAny(t *testing.T) {
	t.Parallel()
	tools := &tools{fails: map[string]error{"secret-get": hook.ErrSecretNotFound}}
	c := charmWith(t, tools)
	c.env.Event = hook.Event{Kind: hook.KindAction, Name: "get-credentials"}
	require.NoError(t, c.act(t.Context()))
	assert.Equal(t, 1, tools.called("action-fail -- GARM admin credentials are not yet available"))
	assert.Zero(t, tools.called("action-set"))
}
