package live

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A controller may be reached through a port that kubectl forwards.
func TestLocalAddressIsOneThatPodsReach(t *testing.T) {
	_, err := localAddress("127.0.0.1:17070")
	require.EqualError(t, err, "cannot tell by which address pods reach this machine, since the controller is at 127.0.0.1:17070: give it (GITHUB_ADDRESS)")
	_, err = localAddress("nowhere")
	assert.ErrorContains(t, err, "cannot find the way to the controller: ")
}
