package juju_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/juju"
)

// failing fails config-changed unless the option mood is good.
func failing() map[string]string {
	return map[string]string{
		"config.yaml":  "options:\n  mood: {type: string, default: good}\n",
		"actions.yaml": "look: {}\n",
		"dispatch": `#!/bin/sh
if [ "$JUJU_HOOK_NAME" = config-changed ] && [ "$(config-get mood)" != good ]; then
	state-set half=done
	status-set active "went bad"
	echo "mood is bad" >&2
	exit 3
fi
status-set active "fine, state $(state-get half)"
`,
	}
}

func TestFailedHookIsRetried(t *testing.T) {
	b := newBed(t)
	b.deploy("tiny", failing())
	require.NoError(t, b.SetConfig(b.ctx(), "tiny", map[string]string{"mood": "bad"}, nil))
	require.NoError(t, b.Until(b.ctx(), "two failures, and the agent to say so", func(s juju.Status) bool {
		tiny := s.Applications["tiny"].Units["tiny/0"]
		return failures(b.Hooks("tiny/0")) >= 2 && tiny.Status == "error" && tiny.Message == `hook failed: "config-changed"`
	}))

	require.NoError(t, b.SetConfig(b.ctx(), "tiny", map[string]string{"mood": "good"}, nil))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, "fine, state ", b.message("tiny/0"), "what a failed hook stored is dropped")
	assert.Contains(t, b.said("unit.tiny/0.config-changed"), "mood is bad")
}

func TestFailedHookWaitsForResolve(t *testing.T) {
	b := newBed(t)
	require.NoError(t, b.SetModelConfig(b.ctx(), map[string]string{"automatically-retry-hooks": "false"}))
	b.deploy("tiny", failing())
	assert.ErrorContains(t, b.Resolve(b.ctx(), "tiny/0", true), `unit "tiny/0" is not in an error state`)

	require.NoError(t, b.SetConfig(b.ctx(), "tiny", map[string]string{"mood": "bad"}, nil))
	var stuck *juju.HookError
	require.ErrorAs(t, b.Settle(b.ctx()), &stuck)
	assert.Equal(t, "tiny/0", stuck.Unit)
	assert.Equal(t, `hook failed: "config-changed"`, stuck.Message)
	assert.Equal(t, 1, failures(b.Hooks("tiny/0")))

	result, err := b.Run(b.ctx(), "tiny/0", "look", nil)
	require.NoError(t, err)
	assert.Equal(t, "completed", result.Status, "actions run although a hook failed")
	require.ErrorAs(t, b.Settle(b.ctx()), &stuck)
	assert.Equal(t, 1, failures(b.Hooks("tiny/0")))

	require.NoError(t, b.Resolve(b.ctx(), "tiny/0", true))
	require.Error(t, b.Settle(b.ctx()))
	assert.Equal(t, 2, failures(b.Hooks("tiny/0")))

	require.NoError(t, b.Resolve(b.ctx(), "tiny/0", false))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, 2, failures(b.Hooks("tiny/0")), "not run again")
}

func TestKilledHookRunsAgain(t *testing.T) {
	b := newBed(t)
	b.deploy("tiny", map[string]string{
		"config.yaml": "options:\n  wait: {type: boolean, default: false}\n",
		"dispatch": `#!/bin/sh
if [ "$JUJU_HOOK_NAME" = config-changed ] && [ "$(config-get wait)" = True ] && [ ! -e /tmp/once ]; then
	touch /tmp/once
	status-set active sleeping
	exec sleep 1000
fi
status-set active awake
`,
	})
	assert.ErrorContains(t, b.KillHook(b.ctx(), "tiny/0"), "cannot kill hook of tiny/0: none runs")
	require.NoError(t, b.SetConfig(b.ctx(), "tiny", map[string]string{"wait": "true"}, nil))
	require.NoError(t, b.Until(b.ctx(), "a hook that sleeps", func(juju.Status) bool { return b.message("tiny/0") == "sleeping" }))
	require.NoError(t, b.KillHook(b.ctx(), "tiny/0"))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, "awake", b.message("tiny/0"))
}
