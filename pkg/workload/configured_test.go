package workload_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/workload"
)

func TestConfiguredReadsBackWhatWasRendered(t *testing.T) {
	t.Parallel()
	p, c := pebble(t), host(t)
	found, err := workload.ConfiguredIn(p, rock(), c.Dir, []string{"a"})
	require.NoError(t, err)
	assert.Empty(t, found, "before GARM ran first")

	second, first := provider("b"), provider("a\"]\n../x")
	first.Executable, second.Executable = rock().Provider("openstack"), rock().Provider("openstack")
	second.NetworkID = "other"
	c.Providers = []workload.Provider{second, first}
	push(t, p, c)
	found, err = workload.ConfiguredIn(p, rock(), c.Dir, []string{first.Name, second.Name, "absent"})
	require.NoError(t, err)
	assert.ElementsMatch(t, c.Providers, found)

	files, err := workload.Render(c)
	require.NoError(t, err)
	c.Providers = found
	again, err := workload.Render(c)
	require.NoError(t, err)
	assert.Equal(t, files, again)
}

func TestConfiguredFileThatIsNoConfiguration(t *testing.T) {
	t.Parallel()
	p, c := pebble(t), host(t)
	c.Providers = []workload.Provider{provider("a")}
	push(t, p, c)

	require.NoError(t, os.WriteFile(in(c, "clouds-a.yaml"), []byte("clouds: {a: {auth: {password: hunter2"), 0o600))
	_, err := workload.ConfiguredIn(p, rock(), c.Dir, []string{"a"})
	assert.EqualError(t, err, "cannot decode "+in(c, "clouds-a.yaml")+" in the container: it was changed by hand; remove it")

	require.NoError(t, os.Remove(in(c, "clouds-a.yaml")))
	_, err = workload.ConfiguredIn(p, rock(), c.Dir, []string{"a"})
	assert.ErrorContains(t, err, "cannot read "+in(c, "clouds-a.yaml")+" in the container: ")
	found, err := workload.ConfiguredIn(p, rock(), c.Dir, []string{"b"})
	require.NoError(t, err, "a broken one that nobody asks for is nobody's trouble")
	assert.Empty(t, found)
}

// push leaves the files in the container without a GARM that could use them.
func push(t *testing.T, p workload.Pebble, c workload.Config) {
	t.Helper()
	c.Image.GARM = "/bin/sleep 600 #"
	apply(t, p, c)
}
