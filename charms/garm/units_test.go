package garm

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
