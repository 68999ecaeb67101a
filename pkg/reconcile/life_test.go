package reconcile_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
)

// TestLife is that of two scale sets, from their declaration to their end.
func TestLife(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	idle := func(d *desired.Declaration) { d.MinIdleRunner = 1 }
	labelled := func(d *desired.Declaration) { d.Labels = runnerconfig.List{"x64", "GPU"} }
	grouped := func(d *desired.Declaration) { d.RunnerGroup = "big" }
	proxied := func(d *desired.Declaration) { d.RunnerHTTPProxy = "http://proxy.example.com:3128" }
	repo := func(d *desired.Declaration) { d.Org, d.Repo, d.RunnerGroup = "", "Acme/Widgets", "big" }

	l.assertPlanned(`
create credential app-42-7: a configurator uses it
create organization acme: a configurator declares a scale set for it
create repository acme/widgets: a configurator declares a scale set for it
create template github_linux-small: its scale set has runner options
create scale set small of organization acme: small declares it
create scale set plain of repository acme/widgets: plain declares it`,
		l.declared("small", idle, labelled, grouped, mirror("https://one.example.com"), proxied), l.declared("plain", repo))
	assert.Len(t, l.onGitHub(), 2)
	assert.Len(t, l.inventory.Entities, 2)
	assert.Len(t, l.inventory.ScaleSets, 2)
	l.written()

	// What was made is read back as it was wanted.
	declarations := []desired.Declaration{l.declared("small", idle, labelled, grouped, mirror("https://one.example.com"), proxied), l.declared("plain", repo)}
	l.assertPlanned("", declarations...)
	assert.Empty(t, l.written())
	var small desired.ScaleSet
	require.Eventually(t, func() bool {
		small = l.observe().ScaleSets[0]
		return len(small.Runners) == 1
	}, soon, 100*time.Millisecond, "GARM asks its provider for the idle runner")
	assert.Equal(t, "github_linux-small", small.Template)
	assert.Zero(t, small.CountRunners(desired.Busy))

	// Another option: one request, and none for the scale set.
	declarations[0] = l.declared("small", idle, labelled, grouped, mirror("https://two.example.com"), proxied)
	l.assertPlanned(`update template github_linux-small: the runner options or GARM's system template have changed`, declarations...)
	assert.Equal(t, []string{"PUT /templates/{templateID}"}, l.written())
	l.assertPlanned("", declarations...)

	// Back on GARM's own template, with other settings; ours goes.
	declarations[0] = l.declared("small", idle, labelled, grouped, func(d *desired.Declaration) { d.MinIdleRunner, d.MaxRunner = 2, 4 })
	l.assertPlanned(`
update scale set small of organization acme: min idle runners 1 -> 2, max runners 2 -> 4, template github_linux-small -> GARM's own, pre-install scripts changed
delete template github_linux-small: no scale set refers to it any more`, declarations...)
	assert.Equal(t, []string{"PUT /scalesets/{scalesetID}", "DELETE /templates/{templateID}"}, l.written())
	l.assertPlanned("", declarations...)
	assert.Empty(t, l.observe().Templates)

	// Every setting that a repository's scale set has.
	declarations[1] = l.declared("plain", repo, func(d *desired.Declaration) {
		d.MinIdleRunner, d.MaxRunner = 0, 5
		d.ImageID, d.Flavor, d.OSArch, d.PreInstallScripts = "jammy", "m1.large", "arm64", runnerconfig.Scripts{"10-a": "true"}
	})
	_, report := l.pass(nil, declarations...)
	require.NoError(t, report.Err())
	l.assertPlanned("", declarations...)

	// One is withdrawn: its runner goes first, then it, then its entity.
	p, report := l.pass(nil, declarations[1])
	require.NoError(t, report.Err())
	assert.Contains(t, p.String(), "drain scale set small of organization acme: no configurator declares it any more\n")
	assert.Regexp(t, `defer scale set small of organization acme: draining (1 runner|2 runners) of small\n`, p.String())
	l.settle(declarations[1])
	assert.Len(t, l.onGitHub(), 1)
	o := l.observe()
	require.Len(t, o.Entities, 1)
	assert.Equal(t, "acme/widgets", o.Entities[0].Name)
	assert.Len(t, o.Credentials, 1)

	// So does the last, and all that was made for it.
	l.settle()
	assert.Empty(t, l.onGitHub())
	o = l.observe()
	l.assertBare(o)
	assert.Empty(t, l.inventory.Entities)
	assert.Empty(t, l.inventory.ScaleSets)
}

// assertPlanned asserts what a pass does, and that all of it succeeds.
func (l *lab) assertPlanned(want string, declarations ...desired.Declaration) {
	l.t.Helper()
	p, r := l.pass(nil, declarations...)
	l.assertPlan(want, p, r)
}
