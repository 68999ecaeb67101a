package reconcile_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	common "github.com/cloudbase/garm-provider-common/params"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/garmapi"
	"github.com/garm-charms/garm-charms/pkg/plan"
	"github.com/garm-charms/garm-charms/pkg/reconcile"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

// GARM says of a scale set that GitHub no longer has that it deleted it, and keeps it until it was started anew.
func TestVanishedTwinIsNamed(t *testing.T) {
	t.Parallel()
	l := newLab(t)
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
	l := newLab(t)
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
	l := newLab(t)
	elsewhere := func(want *desired.State) { want.ScaleSets[0].Provider = "elsewhere" }
	p, report := l.pass(elsewhere, l.declared("small"))
	require.NoError(t, report.Err())
	assert.Contains(t, p.String(), "defer scale set small of organization acme: GARM has not loaded provider elsewhere yet\n")
	assert.Empty(t, l.onGitHub())
}

// GARM answers 200 to some changes that it does not make.
func TestChangeThatGARMIgnores(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	_, report := l.pass(nil, l.declared("small"))
	require.NoError(t, report.Err())
	set := l.observe().ScaleSets[0]

	set.Image = "" // which GARM ignores
	change := plan.Change{Verb: plan.Update, Name: set.String(), ScaleSet: &set}
	report = reconcile.Apply(t.Context(), l.client, l.observe(), plan.Plan{Changes: []plan.Change{change}}, l.inventory, discard())
	require.EqualError(t, report.Err(), "cannot have scale set small of organization acme as declared: GARM said yes and did something else")
}

// An operator can delete GARM's own endpoint, and GARM brings it back only when it starts without any.
func TestDeletedDotComIsMadeAnew(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	remove := func() { require.NoError(t, l.client.DeleteEndpoint(t.Context(), desired.GitHubCom)) }
	remove()
	l.server.Stop(t)
	l.server.Run(t)
	assert.Equal(t, []desired.Endpoint{desired.DotCom()}, l.observe().Endpoints, "as GARM makes it")

	remove()
	p, report := l.pass(nil)
	l.assertPlan("", p, report)
	credentialOnly := func(want *desired.State) { want.Entities, want.ScaleSets = nil, nil } // GitHub itself would be asked for the rest
	p, report = l.pass(credentialOnly, l.declared("small"))
	l.assertPlan(`
create endpoint github.com: it was deleted, and a configurator needs it
create credential app-42-7: a configurator uses it`, p, report)
	assert.Equal(t, []desired.Endpoint{desired.DotCom()}, l.observe().Endpoints)

	l.settle()
	l.aim()
	_, report = l.pass(nil, l.declared("small"))
	require.NoError(t, report.Err())
	assert.Contains(t, l.onGitHub(), "small")
}

// GARM takes the name of a runner group under one key when it makes a scale set, and under another when it changes one.
func TestRunnerGroup(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	in := func(group string) func(*desired.Declaration) {
		return func(d *desired.Declaration) { d.RunnerGroup = group }
	}
	_, report := l.pass(nil, l.declared("small", in("big")))
	require.NoError(t, report.Err())
	for _, step := range []struct{ from, to string }{{"big", "Default"}, {"Default", "big"}} {
		l.assertPlanned("update scale set small of organization acme: runner group "+step.from+" -> "+step.to, l.declared("small", in(step.to)))
		assert.Equal(t, step.to, l.observe().ScaleSets[0].RunnerGroup)
		assert.Contains(t, l.forge.Do(t, "GET", "/scalesets", ""), `"name":"small","runner_group":"`+step.to+`"`)
		l.assertPlanned("", l.declared("small", in(step.to)))
	}

	_, report = l.pass(nil, l.declared("small", in("nope")), l.declared("other", in("nope")))
	got := outcomes(report)
	assert.Regexp(t, `^cannot update scale set \d+: .*runner group nope does not exist`, got["update scale set small of organization acme"])
	assert.Regexp(t, `^cannot create scale set "other": .*runner group nope not found`, got["create scale set other of organization acme"])
	assert.Equal(t, "big", l.observe().ScaleSets[0].RunnerGroup)
	assert.Len(t, l.onGitHub(), 1)
}

// GARM means to leave out of its list what tells whether a scale set is as it is declared.
func TestListWithoutExtraSpecs(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	labelled := func(d *desired.Declaration) {
		d.Labels, d.PreInstallScripts = runnerconfig.List{"x64"}, runnerconfig.Scripts{"10-a": "true"}
	}
	declarations := []desired.Declaration{l.declared("plain"), l.declared("small", labelled)}
	_, report := l.pass(nil, declarations...)
	require.NoError(t, report.Err())
	want := l.observe().ScaleSets

	l.client = l.between(shorten)
	l.written()
	assert.Equal(t, want, l.observe().ScaleSets)
	l.assertPlanned("", declarations...)
	assert.Empty(t, l.written())
}

// shorten takes extra specs and labels out of the list of scale sets, and puts one into it that GARM has no more.
func shorten(r *http.Response) error {
	if r.Request.Method != http.MethodGet || strings.TrimSuffix(r.Request.URL.Path, "/") != "/api/v1/scalesets" {
		return nil
	}
	var list []map[string]json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&list); err != nil {
		return err
	}
	for _, set := range list {
		delete(set, "extra_specs")
		delete(set, "tags")
	}
	return replace(r, append(list, map[string]json.RawMessage{"id": json.RawMessage("99")}))
}

// GitHub keeps a runner that takes a job between the look and the deletion.
func TestRunnerThatBecameBusy(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	_, report := l.pass(nil, l.declared("small", func(d *desired.Declaration) { d.MinIdleRunner = 1 }))
	require.NoError(t, report.Err())
	set := func() desired.ScaleSet { return l.observe().ScaleSets[0] }
	var name string
	require.Eventually(t, func() bool {
		runners, err := l.client.AllInstances(t.Context())
		require.NoError(t, err)
		for _, r := range runners {
			name = r.Name
		}
		return len(runners) == 1 && runners[0].Status == common.InstanceRunning
	}, soon, 100*time.Millisecond)
	l.server.Say(t, name, "installing", "")
	l.server.Say(t, name, "idle", "")
	before, idle := l.observe(), set()
	require.Equal(t, 1, idle.CountRunners(desired.Idle))

	l.forge.Do(t, "POST", "/runners", fmt.Sprintf(`{"entity":"orgs/acme","name":%q,"online":true}`, name))
	l.forge.Do(t, "POST", "/jobs", `{"repository":"repos/acme/widgets","name":"build","labels":["small"]}`)
	take := fmt.Sprintf(`{"entity":"orgs/acme","name":%q}`, name)
	require.Eventually(t, func() bool { return l.forge.Do(t, "POST", "/jobs/take", take) != "[]" }, soon, 100*time.Millisecond)
	report = reconcile.Apply(t.Context(), l.client, before, plan.Rotate("small", idle), l.inventory, discard())
	require.True(t, garmapi.IsInvalid(report.Err()), report.Err())
	require.ErrorContains(t, report.Err(), `cannot delete runner "`+name+`": `)
	require.ErrorContains(t, report.Err(), "is still running a job")

	require.Eventually(t, func() bool { return set().CountRunners(desired.Busy) == 1 }, soon, 100*time.Millisecond)
	assert.Empty(t, plan.Rotate("small", set()).Changes, "the next look leaves it alone")
}
