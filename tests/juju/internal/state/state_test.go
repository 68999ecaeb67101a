package state_test

import (
	"archive/zip"
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/juju/charm/v12"
	"github.com/juju/juju/core/life"
	"github.com/juju/juju/core/secrets"
	"github.com/juju/juju/environs/config"
	"github.com/juju/names/v5"
	"github.com/juju/version/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
)

const uuid = "deadbeef-0bad-400d-8000-4b1d0d06f00d"

func newModel(t *testing.T) *state.Model {
	t.Helper()
	c, err := config.New(config.UseDefaults, map[string]any{"name": "m", "uuid": uuid, "type": "kubernetes"})
	require.NoError(t, err)
	return state.New("m", uuid, version.MustParse("3.6.8"), c)
}

func newCharm(t *testing.T, url, metadata, options string) *state.Charm {
	t.Helper()
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for name, text := range map[string]string{
		"metadata.yaml": "name: x\nsummary: s\ndescription: d\n" + metadata,
		"config.yaml":   options,
	} {
		f, err := w.Create(name)
		require.NoError(t, err)
		_, err = f.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	read, err := charm.ReadCharmArchiveBytes(archive.Bytes())
	require.NoError(t, err)
	return &state.Charm{URL: url, Archive: read}
}

const metadata = `
provides:
  db: {interface: sql}
requires:
  db-in: {interface: sql}
peers:
  ring: {interface: ring}
storage:
  data: {type: filesystem}
  extra: {type: filesystem, multiple: {range: 0-1}, location: /srv}
`

const options = "options:\n  color: {type: string, default: red}\n  size: {type: int}\n"

func deploy(t *testing.T, m *state.Model, name string, units int, storage map[string]string) *state.Application {
	t.Helper()
	a, err := m.Deploy(state.Deployment{
		Application: name, Charm: newCharm(t, "local:"+name+"-1", metadata, options), Units: units,
		Storage: storage, Resources: map[string]string{},
	})
	require.NoError(t, err)
	return a
}

func TestStorageIsAttachedWhenDemandedOrAskedFor(t *testing.T) {
	m := newModel(t)
	plain := deploy(t, m, "plain", 1, nil)
	asked := deploy(t, m, "asked", 1, map[string]string{"extra": "1G"})
	locations := func(a *state.Application) map[string]string {
		all := map[string]string{}
		for id, s := range a.Units[0].Storages {
			all[id] = s.Location
		}
		return all
	}
	assert.Equal(t, map[string]string{"data/0": "/var/lib/juju/storage/data/0"}, locations(plain))
	assert.Equal(t, map[string]string{"data/1": "/var/lib/juju/storage/data/1", "extra/2": "/srv"}, locations(asked))
	assert.Error(t, asked.Units[0].EnsureDead(), "a unit with storage cannot die")
}

func TestDyingUnitDepartsAtOnce(t *testing.T) {
	m := newModel(t)
	a := deploy(t, m, "a", 3, nil)
	ring := a.Relations()[0]
	for _, u := range a.SortedUnits() {
		require.NoError(t, ring.EnterScope(u, map[string]string{"from": u.Name}))
	}
	members, apps := ring.Members(a.Units[0])
	assert.Equal(t, []string{"a/1", "a/2"}, slices.Sorted(maps.Keys(members)))
	assert.Equal(t, map[string]int64{"a": 0}, apps)

	a.Units[2].Destroy()
	members, _ = ring.Members(a.Units[0])
	assert.Equal(t, []string{"a/1"}, slices.Sorted(maps.Keys(members)))
	assert.True(t, ring.InScope("a/2"), "until its agent has left")
	settings, err := ring.UnitSettings("a/2")
	require.NoError(t, err, "a databag outlives its unit")
	assert.Equal(t, map[string]string{"from": "a/2"}, settings.Values())
	ring.LeaveScope("a/2")
	assert.ErrorContains(t, ring.EnterScope(a.Units[2], nil), "unit is no longer alive")
}

func TestVersionsGrowWithRealChanges(t *testing.T) {
	var s state.Settings
	s.Update(map[string]string{"a": "1", "b": "2"})
	v := s.Version()
	s.Update(map[string]string{"a": "1", "c": ""})
	assert.Equal(t, v, s.Version())
	s.Update(map[string]string{"a": ""})
	assert.Greater(t, s.Version(), v)
	assert.Equal(t, map[string]string{"b": "2"}, s.Values())
}

func TestRelationLife(t *testing.T) {
	m := newModel(t)
	a, b := deploy(t, m, "a", 1, nil), deploy(t, m, "b", 1, nil)
	r, err := m.Integrate("a:db", "b")
	require.NoError(t, err)
	assert.Equal(t, "b:db-in a:db", r.Key, "the requirer comes first")
	require.NoError(t, r.EnterScope(a.Units[0], nil))
	r.Destroy()
	assert.Equal(t, life.Dying, r.Life)
	require.Error(t, r.EnterScope(b.Units[0], nil))
	_, err = m.Integrate("a:db", "b")
	require.ErrorContains(t, err, "is dying, but not yet removed")
	r.LeaveScope("a/0")
	_, err = m.RelationByKey(r.Key)
	require.Error(t, err, "the last member takes it along")
	_, err = m.Integrate("a:db", "b")
	require.NoError(t, err)
}

func TestUnitsKeepTheOptionsOfTheirCharm(t *testing.T) {
	m := newModel(t)
	a := deploy(t, m, "a", 1, nil)
	u := a.Units[0]
	u.CharmURL = a.Charm.URL
	require.NoError(t, a.SetConfig(map[string]string{"color": "blue", "size": "3"}, nil))
	before := u.ConfigHash()
	next := newCharm(t, "local:a-2", metadata, "options:\n  color: {type: string}\n  shape: {type: string, default: round}\n")
	require.NoError(t, a.Refresh(next, nil))
	assert.Equal(t, before, u.ConfigHash(), "no config-changed before the charm is upgraded")
	assert.Equal(t, charm.Settings{"color": "blue", "size": int64(3)}, u.Settings())
	u.CharmURL = next.URL
	assert.Equal(t, charm.Settings{"color": "blue", "shape": "round"}, u.Settings())
}

func TestSecretRules(t *testing.T) {
	m := newModel(t)
	a, b := deploy(t, m, "a", 2, nil), deploy(t, m, "b", 1, nil)
	r, err := m.Integrate("a:db", "b")
	require.NoError(t, err)
	label, data := "pass", secrets.SecretData{"value": "eA=="}
	owner := names.NewApplicationTag("a")
	s, err := m.CreateSecret(secrets.NewURI(), owner, state.SecretChange{Label: &label, Data: data})
	require.NoError(t, err)

	for _, taken := range []names.Tag{owner, names.NewUnitTag("a/1")} {
		_, err = m.CreateSecret(secrets.NewURI(), taken, state.SecretChange{Label: &label, Data: data})
		require.ErrorIs(t, err, state.LabelExists, taken)
	}
	_, err = m.CreateSecret(secrets.NewURI(), names.NewApplicationTag("b"), state.SecretChange{Label: &label, Data: data})
	require.NoError(t, err, "another owner's label")

	assert.True(t, s.CanRead(a.Units[1]), "units of the owner read")
	assert.False(t, s.CanRead(b.Units[0]))
	scope := names.NewRelationTag(r.Key)
	require.NoError(t, s.Grant(names.NewApplicationTag("b"), scope, secrets.RoleView))
	assert.True(t, s.CanRead(b.Units[0]))
	require.ErrorContains(t, s.Grant(names.NewApplicationTag("b"), names.NewApplicationTag("b"), secrets.RoleView),
		"cannot change secret permission scope")

	read := func(refresh, peek bool) int {
		n, err := s.Consume(b.Units[0], refresh, peek, nil)
		require.NoError(t, err)
		return n
	}
	assert.Equal(t, 1, read(false, false))
	require.NoError(t, s.Update(state.SecretChange{Data: secrets.SecretData{"value": "eQ=="}}))
	assert.Equal(t, 1, read(false, false), "the tracked one")
	assert.Equal(t, 2, read(false, true))
	assert.Equal(t, 1, read(false, false), "a peek tracks nothing")
	assert.False(t, s.Revisions[1].Obsolete)
	assert.Equal(t, 2, read(true, false))
	assert.True(t, s.Revisions[1].Obsolete, "nobody tracks it any more")

	r.Destroy()
	assert.False(t, s.CanRead(b.Units[0]), "the grant ends with the relation")
}

func TestRemovedApplication(t *testing.T) {
	m := newModel(t)
	a := deploy(t, m, "a", 2, nil)
	_, err := m.CreateSecret(secrets.NewURI(), names.NewApplicationTag("a"), state.SecretChange{Data: secrets.SecretData{"value": "eA=="}})
	require.NoError(t, err)
	assert.Equal(t, "a/0", a.Leader)
	a.Destroy()
	for _, u := range a.SortedUnits() {
		assert.Equal(t, life.Dying, u.Life)
		clear(u.Storages)
		require.NoError(t, u.EnsureDead())
		u.Remove()
	}
	assert.Empty(t, m.Applications)
	assert.Empty(t, m.Relations)
	assert.Empty(t, m.Secrets)
}
