package workload_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/secret"
	"github.com/garm-charms/garm-charms/pkg/workload"
)

func TestKeptProviderIsRestored(t *testing.T) {
	t.Parallel()
	for _, name := range append(hostileNames(), "plain") {
		if name == "" {
			continue
		}
		p := provider(name)
		p.Executable = rock().Provider("openstack")
		text, err := p.Keep()
		require.NoError(t, err)
		assert.NotContains(t, text.String(), p.Cloud.Password.Reveal())
		restored, err := workload.Restore(text, rock())
		require.NoError(t, err)
		assert.Equal(t, p, restored)
	}
}

func TestRestoreOfSomethingElse(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "hunter2", "name: [hunter2"} {
		_, err := workload.Restore(secret.New(text), rock())
		assert.EqualError(t, err, "cannot restore a provider: what was kept is not one")
	}
}
