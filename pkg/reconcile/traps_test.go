package reconcile_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/garmapi"
	"github.com/garm-charms/garm-charms/pkg/plan"
	"github.com/garm-charms/garm-charms/pkg/reconcile"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

// GARM says of a scale set that GitHub no longer has that it deleted it, and keeps it until it was started anew.
func TestVanishedTwinIsNamed(t *testing.T) {
	t.Parallel()
	l := newLab(t, garmapi.Options{})
	_, report := l.pass(nil, l.declared("small"))
	require.NoError(t, report.Err())
	l.drain("small")
	l.forge.Do(t, "DELETE", fmt.Sprintf("/scalesets/%d", l.onGitHub()["small"]), "")

	for range 2 {
		_, report = l.pass(nil)
		require.ErrorIs(t, report.Err(), garmapi.ErrStillThere)
		require.ErrorContains(t, report.Err(), "cannot delete scale set small of organization acme: if GitHub does not have it any more, restart GARM: juju ssh --container app UNIT /charm/bin/pebble restart app: ")
		assert.Len(t, report.Inventory.ScaleSets, 1, "it is not forgotten")
	}
	l.server.Stop(t)
	l.server.Run(t)
	l.settle()
	l.assertBare(l.observe())
	assert.Empty(t, l.onGitHub())
}

// drain has GARM listen no longer for jobs of the scale set of that name. Until it does it would crash if the scale set
// vanished (GARM util/github/scalesets, DeleteMessageSession).
func (l *lab) drain(name string) {
	l.t.Helper()
	require.Eventually(l.t, func() bool { return l.forge.Do(l.t, "GET", "/sessions", "") != "[]" }, soon, 100*time.Millisecond)
	for _, set := range l.observe().Find(name, "") {
		_, err := l.client.Drain(l.t.Context(), set.ID)
		require.NoError(l.t, err)
	}
	require.Eventually(l.t, func() bool { return l.forge.Do(l.t, "GET", "/sessions", "") == "[]" }, soon, 100*time.Millisecond)
}

// GARM answers 500 to a key in PKCS#8, in which GitHub's are not but others' are.
func TestKeyInAnotherFormIsTaken(t *testing.T) {
	t.Parallel()
	l := newLab(t, garmapi.Options{})
	block, _ := pem.Decode([]byte(l.key.Reveal()))
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	l.key = secret.New(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	_, report := l.pass(nil, l.declared("small"))
	require.NoError(t, report.Err())
	assert.Contains(t, l.onGitHub(), "small")
}

// GARM accepts a scale set of a provider that it does not have, and never makes a runner for it.
func TestProviderThatGARMDoesNotHave(t *testing.T) {
	t.Parallel()
	l := newLab(t, garmapi.Options{})
	elsewhere := func(want *desired.State) { want.ScaleSets[0].Provider = "elsewhere" }
	p, report := l.pass(elsewhere, l.declared("small"))
	require.NoError(t, report.Err())
	assert.Contains(t, p.String(), "defer scale set small of organization acme: GARM has not loaded provider elsewhere yet\n")
	assert.Empty(t, l.onGitHub())
}

// GARM answers 200 to some changes that it does not make.
func TestChangeThatGARMIgnores(t *testing.T) {
	t.Parallel()
	l := newLab(t, garmapi.Options{})
	_, report := l.pass(nil, l.declared("small"))
	require.NoError(t, report.Err())
	set := l.observe().ScaleSets[0]

	set.Image = "" // which GARM ignores
	change := plan.Change{Verb: plan.Update, Name: set.String(), ScaleSet: &set}
	report = reconcile.Apply(t.Context(), l.client, l.observe(), plan.Plan{Changes: []plan.Change{change}}, l.inventory, discard())
	require.EqualError(t, report.Err(), "cannot have scale set small of organization acme as declared: GARM said yes and did something else")
}
