package juju_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestActions(t *testing.T) {
	b := newBed(t)
	b.deploy("tiny", map[string]string{
		"actions.yaml": `
greet:
  params:
    name: {type: string, default: you}
    loud: {type: boolean}
  required: [loud]
  additionalProperties: false
break: {}
`,
		"dispatch": `#!/bin/sh
case "$JUJU_DISPATCH_PATH" in
actions/greet)
	action-log "greeting"
	action-set greeting="hello $(action-get name)" loud="$(action-get loud)"
	echo printed;;
actions/break)
	action-fail "it broke"
	action-set why=because;;
esac
`,
	})
	result, err := b.Run(b.ctx(), "tiny/leader", "greet", map[string]any{"loud": true})
	require.NoError(t, err)
	assert.Equal(t, "completed", result.Status)
	assert.Equal(t, []string{"greeting"}, result.Log)
	assert.Equal(t, map[string]any{
		"greeting": "hello you", "loud": "True", "return-code": float64(0), "stdout": "printed\n",
	}, result.Results)

	result, err = b.Run(b.ctx(), "tiny/0", "break", nil)
	require.NoError(t, err)
	assert.Equal(t, "failed", result.Status)
	assert.Equal(t, "it broke", result.Message)
	assert.Equal(t, "because", result.Results["why"])
	hooks := b.hooks("tiny/0")
	assert.Equal(t, []string{"actions/greet", "actions/break"}, hooks[len(hooks)-2:])

	_, err = b.Run(b.ctx(), "tiny/0", "greet", nil)
	assert.ErrorContains(t, err, "loud")
	_, err = b.Run(b.ctx(), "tiny/0", "greet", map[string]any{"loud": true, "more": 1})
	assert.ErrorContains(t, err, "more")
	_, err = b.Run(b.ctx(), "tiny/0", "dance", nil)
	assert.ErrorContains(t, err, `action "dance" not defined on unit "tiny/0"`)
	_, err = b.Run(b.ctx(), "tiny/7", "greet", nil)
	assert.ErrorContains(t, err, `unit "tiny/7" not found`)
}
