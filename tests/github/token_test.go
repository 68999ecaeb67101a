package github

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOwnTokens(t *testing.T) {
	s, err := New(Options{})
	require.NoError(t, err)
	other, err := New(Options{})
	require.NoError(t, err)
	assert.Equal(t, "runner 1", s.subject(s.issue("runner 1", time.Minute)))
	assert.Empty(t, s.subject(s.issue("runner 1", -time.Second)), "expired")
	assert.Empty(t, s.subject(other.issue("runner 1", time.Minute)), "of another server")
	assert.Empty(t, s.subject("x.y.z"))
	assert.Empty(t, s.subject(""))
}
