package juju_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/juju"
)

// keeping writes down each hook in the charm's directory, in /tmp, in Juju and in the storage, and says what is left.
const keeping = `#!/bin/sh
echo x >> written
echo x >> /tmp/written
stored=$(ls -d /var/lib/juju/storage/data/*)/written
echo x >> "$stored"
state-set n=$(( $(state-get n || echo 0) + 1 ))
count() { wc -l < "$1"; }
status-set active "$(cat version 2>/dev/null) dir=$(count written) tmp=$(count /tmp/written) storage=$(count "$stored")"
`

func (b *bed) deployFull(units int, dispatch string) {
	b.t.Helper()
	charm := b.charm("full", map[string]string{"metadata.yaml": full, "dispatch": dispatch})
	require.NoError(b.t, b.Deploy(b.ctx(), juju.Deployment{
		Charm: charm, Application: "full", Units: units, Resources: map[string]string{"app-image": b.image()},
	}))
	require.NoError(b.t, b.Settle(b.ctx()))
}

func TestPods(t *testing.T) {
	b := newBed(t)
	b.deployFull(1, keeping)
	assert.Equal(t, "dir=7 tmp=7 storage=7", strings.TrimSpace(b.message("full/0")))
	host, err := b.PodHost(b.ctx(), "full/0")
	require.NoError(t, err)
	names := b.hosts()
	for _, name := range []string{"full", "full.test", "full.test.svc.cluster.local", "full-0.full-endpoints.test.svc.cluster.local"} {
		assert.Equal(t, host.Addr().String(), names[name], name)
	}

	before := len(b.hooks("full/0"))
	require.NoError(t, b.RestartPod(b.ctx(), "full/0"))
	require.NoError(t, b.Settle(b.ctx()))
	hooks := b.hooks("full/0")[before:]
	assert.Equal(t, "stop", hooks[0])
	assert.ElementsMatch(t, []string{"upgrade-charm", "config-changed", "start", "app-pebble-ready"}, hooks[1:])
	assert.Less(t, index(hooks, "upgrade-charm"), index(hooks, "config-changed"))
	assert.Less(t, index(hooks, "config-changed"), index(hooks, "start"))
	assert.Equal(t, "dir=4 tmp=4 storage=12", strings.TrimSpace(b.message("full/0")))
	moved, err := b.PodHost(b.ctx(), "full/0")
	require.NoError(t, err)
	assert.NotEqual(t, host.Addr(), moved.Addr())
	assert.Equal(t, moved.Addr().String(), b.hosts()["full"])

	before = len(b.hooks("full/0"))
	require.NoError(t, b.KillPod(b.ctx(), "full/0"))
	require.NoError(t, b.Settle(b.ctx()))
	assert.ElementsMatch(t, []string{"upgrade-charm", "config-changed", "start", "app-pebble-ready"}, b.hooks("full/0")[before:])

	before = len(b.hooks("full/0"))
	require.NoError(t, b.RestartContainer(b.ctx(), "full/0", "app"))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, []string{"app-pebble-ready"}, b.hooks("full/0")[before:])
}

// hosts is the hosts file that all pods see, by name.
func (b *bed) hosts() map[string]string {
	b.t.Helper()
	text, err := os.ReadFile(b.dir + "/net/hosts")
	require.NoError(b.t, err)
	names := map[string]string{}
	for line := range strings.Lines(string(text)) {
		address, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		_, err := netip.ParseAddr(address)
		require.NoError(b.t, err)
		names[name] = address
	}
	return names
}

func TestWorkload(t *testing.T) {
	b := newBed(t)
	// The charm talks to Pebble through its own client: curl is not in every image of the test machine.
	b.deployFull(1, `#!/bin/sh
set -e
export PEBBLE_SOCKET=/charm/containers/app/pebble.socket
if [ "$JUJU_HOOK_NAME" = app-pebble-ready ]; then
	[ "$JUJU_WORKLOAD_NAME" = app ]
	echo hello | tee /tmp/hello >/dev/null
	pebble push /tmp/hello /data/hello -m 600
	pebble push /tmp/hello /hello
	status-set active "$(pebble version)"
fi
`)
	assert.Contains(t, b.message("full/0"), "client")
	socket, err := b.PebbleSocket(b.ctx(), "full/0", "app")
	require.NoError(t, err)
	info, err := os.Stat(socket)
	require.NoError(t, err)
	assert.Equal(t, os.ModeSocket, info.Mode().Type())
	data, err := filepath.Glob(b.dir + "/m/storage/full-data-0.*/hello")
	require.NoError(t, err)
	assert.Len(t, data, 1, "what stands in the container's mount is in the unit's volume")

	cmd, err := b.ContainerCommand(b.ctx(), "full/0", "app", "/charm/bin/pebble", "ls", "/")
	require.NoError(t, err)
	cmd.Env = append(cmd.Env, "PEBBLE_SOCKET=/charm/container/pebble.socket")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "hello")
	assert.NotContains(t, string(out), "boot", "the container has its image's files, not the machine's")
}

func TestRefresh(t *testing.T) {
	b := newBed(t)
	b.deployFull(2, keeping)
	next := b.charm("full", map[string]string{"metadata.yaml": full, "dispatch": keeping, "version": "next"})
	before := len(b.hooks("full/1"))
	require.NoError(t, b.Refresh(b.ctx(), "full", next, nil))
	require.NoError(t, b.Settle(b.ctx()))
	hooks := b.hooks("full/1")[before:]
	assert.Equal(t, []string{"stop", "upgrade-charm"}, hooks[:2])
	for _, unit := range []string{"full/0", "full/1"} {
		assert.True(t, strings.HasPrefix(b.message(unit), "next dir="), b.message(unit))
	}
	s, err := b.Status(b.ctx())
	require.NoError(t, err)
	assert.Equal(t, "local:full-2", s.Applications["full"].Charm)

	less := b.charm("full", map[string]string{
		"metadata.yaml": strings.Replace(full, "peers:\n  ring: {interface: ring}\n", "", 1), "dispatch": keeping,
	})
	assert.ErrorContains(t, b.Refresh(b.ctx(), "full", less, nil), `would break relation "full:ring"`)
}

// userOf says who the charm is, whether it may write where root may, and whether the container's Pebble obeys it.
const userOf = `#!/bin/sh
touch /etc/written 2>/dev/null && etc=yes || etc=no
PEBBLE_SOCKET=/charm/containers/app/pebble.socket /charm/bin/pebble mkdir -p /made 2>&1 && obeys=yes || obeys=no
echo x > written
status-set active "$(id -u):$(id -g) etc=$etc obeys=$obeys"
`

func TestCharmUser(t *testing.T) {
	for user, want := range map[string]string{"root": "0:0 etc=yes obeys=yes", "non-root": "170:170 etc=no obeys=yes"} {
		t.Run(user, func(t *testing.T) {
			b := newBed(t)
			charm := b.charm("full", map[string]string{"metadata.yaml": full + "charm-user: " + user + "\n", "dispatch": userOf})
			require.NoError(t, b.Deploy(b.ctx(), juju.Deployment{
				Charm: charm, Application: "full", Units: 1, Resources: map[string]string{"app-image": b.image()},
			}))
			require.NoError(t, b.Settle(b.ctx()))
			assert.Equal(t, want, b.message("full/0"))
		})
	}
}
