package hook_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/hook"
)

func TestExecGivesStdinAndReturnsStdout(t *testing.T) {
	t.Parallel()
	fake := newTools(t, map[string]answer{"relation-set": {Stdout: "out", Stderr: "a warning"}})

	stdout, err := fake.runner().Run(t.Context(), hook.Call{Tool: "relation-set", Args: []string{"--file", "-"}, Stdin: []byte("in")})

	require.NoError(t, err)
	assert.Equal(t, "out", string(stdout))
	assert.Equal(t, []call{{Tool: "relation-set", Args: []string{"--file", "-"}, Stdin: "in"}}, fake.calls())
}

func TestExecErrorsSayWhatTheyMean(t *testing.T) {
	t.Parallel()
	all := []error{hook.ErrSecretNotFound, hook.ErrPermission, hook.ErrRelationGone, hook.ErrNotLeader}
	for _, row := range []struct {
		tool, stderr string
		want         error
	}{
		{"secret-get", "ERROR secret \"9m4e2mr0ui3e8a215n4g\" not found\n", hook.ErrSecretNotFound},
		{"secret-get", "ERROR consumer label \"x\" not found\n", hook.ErrSecretNotFound},
		{"secret-info-get", "ERROR secret \"garm-secrets\" not found\n", hook.ErrSecretNotFound},
		{"secret-get", "ERROR secret URI \"nonsense\" not valid\n", hook.ErrSecretNotFound},
		{"secret-get", "ERROR permission denied\n", hook.ErrPermission},
		{"secret-add", "ERROR open /charm/.secret-1: permission denied\n", nil},
		{"secret-add", "ERROR key \"A\" not valid\n", nil},
		{"relation-get", "ERROR permission denied\n", hook.ErrPermission},
		{"relation-get", "ERROR invalid value \"x:9\" for option -r: relation not found\n", hook.ErrRelationGone},
		{"secret-grant", "ERROR invalid value \"x:9\" for option -r: relation not found\n", hook.ErrRelationGone},
		{"relation-get", "ERROR cannot read settings for unit \"a/0\" in relation \"a:x b:y\": settings not found\n", hook.ErrRelationGone},
		{"status-set", "ERROR cannot run status-set: \"small/0\" is not leader of \"small\"\n", hook.ErrNotLeader},
		{"config-get", "ERROR connection is shut down\n", nil},
	} {
		t.Run(row.tool+" "+row.stderr, func(t *testing.T) {
			t.Parallel()
			fake := newTools(t, map[string]answer{row.tool: {Stderr: row.stderr, Code: 1}})

			_, err := fake.runner().Run(t.Context(), hook.Call{Tool: row.tool})

			var toolError *hook.ToolError
			require.ErrorAs(t, err, &toolError)
			message := strings.TrimSuffix(strings.TrimPrefix(row.stderr, "ERROR "), "\n")
			assert.Equal(t, "cannot run "+row.tool+": "+message+" (exit status 1)", err.Error())
			for _, meaning := range all {
				assert.Equal(t, errors.Is(row.want, meaning), errors.Is(err, meaning), "means %q", meaning)
			}
		})
	}
}

func TestExecStopsAtTheDeadline(t *testing.T) {
	t.Parallel()
	fake := newTools(t, map[string]answer{"config-get": {Hang: true}})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()

	_, err := fake.runner().Run(ctx, hook.Call{Tool: "config-get"})

	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.EqualError(t, err, "cannot run config-get: context deadline exceeded")
	assert.Less(t, time.Since(start), 20*time.Second)
}

func TestExecNamesAToolThatIsNotThere(t *testing.T) {
	t.Parallel()
	_, err := hook.Exec{Dir: t.TempDir()}.Run(t.Context(), hook.Call{Tool: "config-get"})
	require.ErrorContains(t, err, "cannot run config-get: ")

	_, err = hook.Exec{}.Run(t.Context(), hook.Call{Tool: "no-such-hook-tool"})
	assert.ErrorContains(t, err, "cannot run no-such-hook-tool: ")
}
