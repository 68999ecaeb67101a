package juju_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/juju"
)

// full is the metadata of a charm with one of everything.
const full = `
name: full
summary: s
description: d
assumes: [juju >= 3.6, k8s-api]
containers:
  app:
    resource: app-image
    mounts:
    - storage: data
      location: /data
resources:
  app-image: {type: oci-image}
storage:
  data: {type: filesystem, minimum-size: 100M}
  extra: {type: filesystem, multiple: {range: 0-1}}
peers:
  ring: {interface: ring}
`

func TestDeploy(t *testing.T) {
	b := newBed(t)
	charm := b.charm("full", map[string]string{
		"metadata.yaml": full,
		"config.yaml":   "options:\n  color: {type: string, default: red}\n  size: {type: int}\n",
		"dispatch": `#!/bin/sh
set -e
status-set active "color=$(config-get color) size=$(config-get size)"
application-version-set 1.2.3
open-port 8080/tcp
env | cut -d= -f1 | sort >&2
`,
	})
	require.NoError(t, b.Deploy(b.ctx(), juju.Deployment{
		Charm: charm, Application: "full", Units: 1,
		Config:    map[string]string{"size": "42"},
		Resources: map[string]string{"app-image": b.image()},
	}))
	require.NoError(t, b.Settle(b.ctx()))

	hooks := b.hooks("full/0")
	require.Equal(t, []string{"install", "ring-relation-created full", "leader-elected"}, hooks[:3])
	assert.ElementsMatch(t, []string{"app-pebble-ready", "data-storage-attached", "config-changed", "start"}, hooks[3:])
	assert.Less(t, index(hooks, "data-storage-attached"), index(hooks, "config-changed"))
	assert.Less(t, index(hooks, "config-changed"), index(hooks, "start"))

	s, err := b.Status(b.ctx())
	require.NoError(t, err)
	app := s.Applications["full"]
	assert.Equal(t, "active", app.Status)
	assert.Equal(t, "color=red size=42", app.Message)
	assert.Equal(t, "1.2.3", app.Version)
	unit := app.Units["full/0"]
	assert.True(t, unit.Leader)
	assert.Equal(t, "idle", unit.Agent)
	assert.Equal(t, []string{"8080/tcp"}, unit.Ports)
	assert.Contains(t, s.String(), "full/0*")

	var variables []string
	for _, l := range b.DebugLog() {
		if l.Module == "unit.full/0.config-changed" {
			variables = append(variables, l.Message)
		}
	}
	assert.Equal(t, hookEnvironment, strings.Join(variables, " "))
}

// hookEnvironment is what a hook of no special kind has on a real controller, and what the shell adds.
const hookEnvironment = "APT_LISTCHANGES_FRONTEND CHARM_DIR CLOUD_API_VERSION DEBIAN_FRONTEND JUJU_AGENT_SOCKET_ADDRESS " +
	"JUJU_AGENT_SOCKET_NETWORK JUJU_API_ADDRESSES JUJU_AVAILABILITY_ZONE JUJU_CHARM_DIR JUJU_CHARM_FTP_PROXY " +
	"JUJU_CHARM_HTTPS_PROXY JUJU_CHARM_HTTP_PROXY JUJU_CHARM_NO_PROXY JUJU_CONTEXT_ID JUJU_DISPATCH_PATH JUJU_HOOK_NAME " +
	"JUJU_MACHINE_ID JUJU_METER_INFO JUJU_METER_STATUS JUJU_MODEL_NAME JUJU_MODEL_UUID JUJU_PRINCIPAL_UNIT JUJU_SLA " +
	"JUJU_UNIT_NAME JUJU_VERSION LANG PATH PWD TERM"

func TestDeployRefused(t *testing.T) {
	b := newBed(t)
	image := map[string]string{"app-image": b.image()}
	good := b.charm("full", map[string]string{
		"metadata.yaml": full, "dispatch": "#!/bin/sh\n",
		"config.yaml": "options:\n  token: {type: secret}\n  size: {type: int}\n",
	})
	young := b.charm("full", map[string]string{"metadata.yaml": strings.Replace(full, "3.6", "3.9", 1), "dispatch": "#!/bin/sh\n"})
	empty := b.charm("full", map[string]string{"metadata.yaml": full})
	for name, c := range map[string]struct {
		d    juju.Deployment
		want string
	}{
		"juju too old":      {juju.Deployment{Charm: young, Resources: image}, `charm requires feature "juju" (version >= 3.9.0) but model currently supports version 3.6.8`},
		"nothing to run":    {juju.Deployment{Charm: empty, Resources: image}, `invalid charm "full": has no hooks nor dispatch file`},
		"no image":          {juju.Deployment{Charm: good}, `local charm missing OCI images for: app-image`},
		"unknown resource":  {juju.Deployment{Charm: good, Resources: map[string]string{"x": "/"}}, `unrecognized resource "x"`},
		"unknown option":    {juju.Deployment{Charm: good, Resources: image, Config: map[string]string{"x": "1"}}, `unknown option "x"`},
		"wrong type":        {juju.Deployment{Charm: good, Resources: image, Config: map[string]string{"size": "big"}}, `option "size" expected int, got "big"`},
		"no secret":         {juju.Deployment{Charm: good, Resources: image, Config: map[string]string{"token": "hunter2"}}, `invalid secret URI for option "token"`},
		"unknown storage":   {juju.Deployment{Charm: good, Resources: image, Storage: map[string]string{"x": "1G"}}, `charm "full" has no store called "x"`},
		"storage too small": {juju.Deployment{Charm: good, Resources: image, Storage: map[string]string{"data": "1M"}}, `minimum storage size is 100 MB, 1 MB specified`},
	} {
		c.d.Application = "full"
		assert.ErrorContains(t, b.Deploy(b.ctx(), c.d), c.want, name)
	}
	s, err := b.Status(b.ctx())
	require.NoError(t, err)
	assert.Empty(t, s.Applications)
}

func TestConfigAndProxy(t *testing.T) {
	b := newBed(t)
	b.deploy("tiny", map[string]string{
		"config.yaml": "options:\n  color: {type: string, default: red}\n",
		"dispatch":    "#!/bin/sh\nstatus-set active \"$(config-get color) $JUJU_CHARM_HTTP_PROXY $JUJU_CHARM_NO_PROXY\"\n",
	})
	before := len(b.hooks("tiny/0"))

	require.NoError(t, b.SetConfig(b.ctx(), "tiny", map[string]string{"color": "blue"}, nil))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, []string{"config-changed"}, b.hooks("tiny/0")[before:])
	assert.Equal(t, "blue  127.0.0.1,localhost,::1", b.message("tiny/0"))

	require.NoError(t, b.SetConfig(b.ctx(), "tiny", map[string]string{"color": "blue"}, nil))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Len(t, b.hooks("tiny/0"), before+1, "the same value is no change")

	require.NoError(t, b.SetModelConfig(b.ctx(), map[string]string{
		"juju-http-proxy": "http://proxy:3128", "juju-no-proxy": "10.0.0.0/8",
	}))
	require.NoError(t, b.SetConfig(b.ctx(), "tiny", nil, []string{"color"}))
	require.NoError(t, b.Settle(b.ctx()))
	assert.Equal(t, "red http://proxy:3128 10.0.0.0/8", b.message("tiny/0"))

	require.NoError(t, b.FireUpdateStatus(b.ctx(), "tiny/0"))
	require.NoError(t, b.Settle(b.ctx()))
	hooks := b.hooks("tiny/0")
	assert.Equal(t, "update-status", hooks[len(hooks)-1])

	values, err := b.Config(b.ctx(), "tiny")
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"color": "red"}, values)
	assert.ErrorContains(t, b.SetConfig(b.ctx(), "tiny", map[string]string{"colour": "x"}, nil), `unknown option "colour"`)
	assert.ErrorContains(t, b.SetConfig(b.ctx(), "nobody", nil, nil), `application "nobody" not found`)
}
