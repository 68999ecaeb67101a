package tests_test

import (
	"archive/zip"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/bed"
	"github.com/garm-charms/garm-charms/tests/juju"
	"github.com/garm-charms/garm-charms/tests/operator"
	"github.com/garm-charms/garm-charms/tests/sandbox"
)

// declaring is a model without GARM: garm-configurator between a charm that reads what it publishes, under garm's name,
// and one that offers images.
type declaring struct {
	*juju.Model
	t     testing.TB
	dir   string
	charm string // path of garm-configurator
	key   string // an App's, in PEM
	uris  map[string]string
}

// reader sees in each hook what garm would, and logs it. Its option answers every configurator.
const reader = `#!/bin/bash
for id in $(relation-ids garm-configurator); do
	seen=
	for unit in $(relation-list -r "$id"); do
		for key in openstack_password_secret_uri github_private_key_secret_uri; do
			uri=$(relation-get -r "$id" "$key" "$unit")
			[ -z "$uri" ] || secret-get "$uri" --refresh >/dev/null
		done
		name=$(relation-get -r "$id" provider_name "$unit")
		[ -z "$name" ] || seen="$seen $name"
	done
	juju-log "sees:$seen"
	relation-set -r "$id" --app status="$(config-get answer)" message="$(config-get answer-message)"
done
status-set active
`

// builder offers each unit's own image.
const builder = `#!/bin/bash
image=$(config-get image)
for id in $(relation-ids image); do
	relation-set -r "$id" id="${image:+$image-${JUJU_UNIT_NAME#*/}}"
done
status-set active
`

func newDeclaring(t testing.TB, number int32) *declaring {
	t.Helper()
	built, err := bed.Build(t.Context())
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "conf") //nolint:usetesting // sockets are below it, and t.TempDir is too long for them
	require.NoError(t, err)
	network, err := sandbox.NewNetwork(filepath.Join(dir, "net"), int(number))
	require.NoError(t, err)
	log, err := os.Create(filepath.Join(dir, "log"))
	require.NoError(t, err)
	model, err := juju.NewModel(juju.Config{
		Name: "ci", Dir: filepath.Join(dir, "m"), Network: network, Pebble: built.Pebble, HookTools: built.HookTools, Log: log,
	})
	require.NoError(t, err)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	d := &declaring{
		Model: model, t: t, dir: dir, charm: built.Charms["garm-configurator"], uris: map[string]string{},
		key: string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	}
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("%s", text)
		}
		require.NoError(t, model.Close())
		require.NoError(t, network.Close())
		require.NoError(t, log.Close())
		require.NoError(t, os.RemoveAll(dir))
	})
	return d
}

// inParallel is newDeclaring for tests that run side by side.
func inParallel(t *testing.T) *declaring {
	t.Helper()
	t.Parallel()
	return newDeclaring(t, networks().Add(1))
}

// networks numbers those of this file, apart from the scenarios'.
//
//nolint:gochecknoglobals // networks of one process must differ
var networks = func() func() *atomic.Int32 {
	var last atomic.Int32
	last.Store(150)
	return func() *atomic.Int32 { return &last }
}()

func (d *declaring) ctx() context.Context {
	ctx, cancel := context.WithTimeout(d.t.Context(), 3*time.Minute)
	d.t.Cleanup(cancel)
	return ctx
}

// pack writes a charm of these files.
func (d *declaring) pack(name string, files map[string]string) string {
	d.t.Helper()
	path := filepath.Join(d.dir, name+".charm")
	file, err := os.Create(path)
	require.NoError(d.t, err)
	archive := zip.NewWriter(file)
	all := map[string]string{"manifest.yaml": "bases:\n- {name: ubuntu, channel: \"24.04\", architectures: [amd64, arm64]}\n"}
	maps.Copy(all, files)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		header := &zip.FileHeader{Name: name}
		header.SetMode(0o755)
		w, err := archive.CreateHeader(header)
		require.NoError(d.t, err)
		_, err = w.Write([]byte(all[name]))
		require.NoError(d.t, err)
	}
	require.NoError(d.t, archive.Close())
	require.NoError(d.t, file.Close())
	return path
}

func (d *declaring) deploy(charm, application string, config map[string]string) {
	d.t.Helper()
	require.NoError(d.t, d.Deploy(d.ctx(), juju.Deployment{Charm: charm, Application: application, Units: 1, Config: config}))
}

func (d *declaring) deployReader() {
	d.t.Helper()
	d.deploy(d.pack("reader", map[string]string{
		"metadata.yaml": "name: reader\nsummary: s\ndescription: d\nrequires:\n  garm-configurator: {interface: garm_configurator_v0}\n",
		"config.yaml":   "options:\n  answer: {type: string, description: d}\n  answer-message: {type: string, description: d}\n",
		"dispatch":      reader,
	}), "garm", nil)
}

func (d *declaring) deployBuilder() {
	d.t.Helper()
	d.deploy(d.pack("builder", map[string]string{
		"metadata.yaml": "name: builder\nsummary: s\ndescription: d\nprovides:\n  image: {interface: github_runner_image_v0}\n",
		"config.yaml":   "options:\n  image: {type: string, description: d}\n",
		"dispatch":      builder,
	}), "builder", map[string]string{"image": "ubuntu"})
}

func (d *declaring) addSecrets() {
	d.t.Helper()
	for name, value := range map[string]string{"openstack": operator.Password + "\n", "app-key": d.key} {
		uri, err := d.AddSecret(d.ctx(), name, map[string]string{"value": value})
		require.NoError(d.t, err)
		d.uris[name] = uri
	}
}

func (d *declaring) grantSecrets() {
	d.t.Helper()
	for name := range d.uris {
		require.NoError(d.t, d.GrantSecret(d.ctx(), name, "small"))
	}
}

func (d *declaring) configure(set map[string]string) {
	d.t.Helper()
	require.NoError(d.t, d.SetConfig(d.ctx(), "small", set, nil))
}

func (d *declaring) configureSecrets() {
	d.t.Helper()
	d.configure(map[string]string{"openstack-password": d.uris["openstack"], "github-app-private-key": d.uris["app-key"]})
}

func (d *declaring) integrate(other string) {
	d.t.Helper()
	require.NoError(d.t, d.Integrate(d.ctx(), "small", other))
}

func (d *declaring) settle() {
	d.t.Helper()
	require.NoError(d.t, d.Settle(d.ctx()))
}

// tick is the update-status of a unit, and all that follows from it.
func (d *declaring) tick(unit string) {
	d.t.Helper()
	require.NoError(d.t, d.FireUpdateStatus(d.ctx(), unit))
	d.settle()
}

// deployed is the model with everything in it, and nothing integrated.
func (d *declaring) deployed() *declaring {
	d.t.Helper()
	d.addSecrets()
	d.deployReader()
	d.deployBuilder()
	d.deploy(d.charm, "small", operator.Basics("small"))
	d.grantSecrets()
	d.configureSecrets()
	return d
}

// standing is the model with everything in it and done.
func (d *declaring) standing() *declaring {
	d.t.Helper()
	d.deployed()
	d.integrate("garm")
	d.integrate("builder")
	d.settle()
	return d
}

// bags are the databags of small's units that another unit sees, without what Juju puts into each.
func (d *declaring) bags(seenBy string) map[string]map[string]string {
	d.t.Helper()
	info, err := d.ShowUnit(d.ctx(), seenBy)
	require.NoError(d.t, err)
	bags := map[string]map[string]string{}
	for _, relation := range info.Relations {
		for unit, bag := range relation.Units {
			if !strings.HasPrefix(unit, "small/") {
				continue
			}
			bags[unit] = maps.Clone(bag)
			maps.DeleteFunc(bags[unit], func(key, _ string) bool {
				return slices.Contains([]string{"egress-subnets", "ingress-address", "private-address"}, key)
			})
		}
	}
	return bags
}

// status is a unit's, as "level: message".
func (d *declaring) status(unit string) string {
	d.t.Helper()
	s, err := d.Status(d.ctx())
	require.NoError(d.t, err)
	application, _, _ := strings.Cut(unit, "/")
	u, exists := s.Applications[application].Units[unit]
	require.True(d.t, exists, unit)
	return u.Status + ": " + u.Message
}

// copies are the secrets that small owns, by label, with their content.
func (d *declaring) copies() map[string]juju.SecretInfo {
	d.t.Helper()
	all, err := d.Secrets(d.ctx())
	require.NoError(d.t, err)
	owned := map[string]juju.SecretInfo{}
	for _, s := range all {
		if s.Owner != "small" {
			continue
		}
		info, err := d.ShowSecret(d.ctx(), s.URI, true)
		require.NoError(d.t, err)
		owned[s.Name] = info
	}
	return owned
}
