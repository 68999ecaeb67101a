package status_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/configurator"
	"github.com/garm-charms/garm-charms/pkg/plan"
	"github.com/garm-charms/garm-charms/pkg/reconcile"
	"github.com/garm-charms/garm-charms/pkg/status"
	"github.com/garm-charms/garm-charms/pkg/workload"
)

func TestPlanOfAction(t *testing.T) {
	larger := standing(func(p *pass) { p.have.ScaleSets[0].Max = 9 })
	const change = "update scale set small of organization acme: max runners 9 -> 3"
	for _, row := range []struct {
		summary string
		first   []string
		pass    pass
		want    map[string]string
	}{
		{"nothing", nil, standing(func(*pass) {}), map[string]string{"changes": "0", "plan": "nothing to do, GARM has what is declared"}},
		{"a change", nil, larger, map[string]string{"changes": "1", "plan": change}},
		{"GARM restarts first", []string{"restart"}, larger, map[string]string{"changes": "2", "plan": "restart\n" + change}},
		{"GARM only restarts", []string{"restart"}, standing(func(*pass) {}), map[string]string{"changes": "1", "plan": "restart"}},
		{
			"labels cannot be changed", nil, standing(func(p *pass) { p.have.ScaleSets[0].Labels = "x64" }),
			map[string]string{"changes": "0", "plan": "defer scale set small of organization acme: labels (x64 -> ) of an existing scale set cannot be changed; run garm's action recreate-scaleset, or give it another name"},
		},
		{
			"two of three are not followed", nil, standing(func(p *pass) {
				p.declared = append(p.declared, configurator.Declared{Application: "other", Invalid: errors.New("flavor is required")}, configurator.Declared{Application: "new", Absent: true})
			}),
			map[string]string{
				"changes": "0", "plan": "nothing to do, GARM has what is declared",
				"not-followed": "other: flavor is required\nWaiting for new to publish its scale set",
			},
		},
	} {
		assert.Equal(t, row.want, status.Plan(row.first, row.pass.findings()), row.summary)
	}
}

func TestReconciled(t *testing.T) {
	verdict := hook.Status{Level: hook.Waiting, Message: "m"}
	assert.Equal(t, map[string]string{"status": "waiting", "message": "m", "changed": "nothing"},
		status.Reconciled(verdict, standing(func(*pass) {}).findings()))

	p := standing(func(p *pass) {
		p.have.ScaleSets[0].Max, p.have.ScaleSets[0].Labels = 9, "x64"
		p.have.Templates[0].Description = desired.Mark("other")
		p.declared = append(p.declared, configurator.Declared{Application: "new", Absent: true})
		p.fails = map[string]string{"update template github_linux-small": "it failed"}
	})
	assert.Equal(t, map[string]string{
		"status": "waiting", "message": "m", "changed": "nothing",
		"failed": "update template github_linux-small: the runner options or GARM's system template have changed: it failed\n" +
			"update scale set small of organization acme: max runners 9 -> 3: cannot go on without template github_linux-small",
		"deferred":     "scale set small of organization acme: labels (x64 -> ) of an existing scale set cannot be changed; run garm's action recreate-scaleset, or give it another name",
		"not-followed": "Waiting for new to publish its scale set",
	}, status.Reconciled(verdict, p.findings()))

	p.fails = nil
	assert.Equal(t, "update template github_linux-small: the runner options or GARM's system template have changed\n"+
		"update scale set small of organization acme: max runners 9 -> 3", status.Reconciled(verdict, p.findings())["changed"])
}

func TestScaleSetsOfAction(t *testing.T) {
	assert.Equal(t, map[string]string{"count": "0"}, status.ScaleSets(nil, plan.Inventory{}))
	p := standing(func(p *pass) {
		p.have.ScaleSets = append(p.have.ScaleSets, desired.ScaleSet{ScaleSetKey: desired.ScaleSetKey{Entity: organization("acme"), Name: "by-hand"}, ID: 9, Runners: runners(4, 1)})
	})
	assert.Equal(t, map[string]string{
		"count":                   "2",
		"scalesets.5.application": "small", "scalesets.5.name": "small", "scalesets.5.entity": "organization acme", "scalesets.5.provider": "cloud",
		"scalesets.5.template": "github_linux-small", "scalesets.5.enabled": "true", "scalesets.5.min-idle-runner": "0", "scalesets.5.max-runner": "3",
		"scalesets.5.runners": "2", "scalesets.5.busy-runners": "0",
		"scalesets.9.name": "by-hand", "scalesets.9.entity": "organization acme", "scalesets.9.template": "github_linux", "scalesets.9.enabled": "false",
		"scalesets.9.min-idle-runner": "0", "scalesets.9.max-runner": "0", "scalesets.9.runners": "4", "scalesets.9.busy-runners": "1",
	}, status.ScaleSets(p.have.ScaleSets, p.inventory))
}

func TestOneTemplateOrWhyNot(t *testing.T) {
	set := func(entity string) desired.ScaleSet {
		return desired.ScaleSet{ScaleSetKey: desired.ScaleSetKey{Entity: organization(entity), Name: "small"}, ID: 5}
	}
	one, two := set("acme"), set("other")
	one.Template = "github_linux-small"
	assert.Equal(t, map[string]string{"scale-set": "scale set small of organization acme", "template": "github_linux-small", "template-id": "12", "text": "#!"},
		status.Template(one, 12, []byte("#!")))
	assert.Equal(t, "github_linux, GARM's own (no runner option is set)", status.Template(two, 2, nil)["template"])
	assert.Equal(t, `GARM has no scale set "x", and no other`, status.NotOneScaleSet("x", nil, nil))
	assert.Equal(t, `GARM has no scale set "x" there; it has scale set small of organization acme or scale set small of organization other`,
		status.NotOneScaleSet("x", nil, []desired.ScaleSet{one, two}))
	assert.Equal(t, `2 scale sets are called "small": choose one with entity=acme or other`,
		status.NotOneScaleSet("small", []desired.ScaleSet{one, two}, nil))
	two.Entity = desired.NewEntityRef(desired.KindEnterprise, "acme", "github.com")
	assert.Equal(t, `2 scale sets are called "small": choose one with entity="organization acme" or "enterprise acme"`,
		status.NotOneScaleSet("small", []desired.ScaleSet{one, two}, nil))
}

// Each runner that rotate-runners was about is named, with why it stays if it does.
func TestRotated(t *testing.T) {
	set := desired.ScaleSet{ScaleSetKey: desired.ScaleSetKey{Entity: organization("acme"), Name: "small"}, Runners: runners(4, 1)}
	var report reconcile.Report
	for i, err := range []error{nil, errors.New("Runner r2 is still running a job"), &reconcile.SkippedError{Needed: "an answer from GARM"}} {
		report.Outcomes = append(report.Outcomes, reconcile.Outcome{Change: plan.Rotate("small", set).Changes[i], Err: err})
	}
	assert.Equal(t, map[string]string{
		"scale-set": "scale set small of organization acme", "busy": "1", "replaced": "r1",
		"failed": "r2: Runner r2 is still running a job\nr3: cannot go on without an answer from GARM",
	}, status.Rotated(set, report))
	report.Outcomes = report.Outcomes[:1]
	assert.NotContains(t, status.Rotated(set, report), "failed")
}

// What an action refuses with says what to do, or what is in the way.
func TestRefusals(t *testing.T) {
	for got, want := range map[string]string{
		status.NoCredentials():                       "GARM admin credentials are not yet available: the leader has not made them; try again when the unit is past installation",
		status.AskLeader("garm", "show-plan"):        "This unit is on standby, GARM runs on the leader's: juju run garm/leader show-plan",
		status.NotSetUp():                            "GARM has not been set up yet: its first run comes with the unit's next event, unless the unit's status says what is missing",
		status.Down(errors.New("cannot reach GARM")): "GARM does not answer as it should: cannot reach GARM",
		status.ForeignTemplate(desired.ScaleSet{ScaleSetKey: desired.ScaleSetKey{Entity: organization("acme"), Name: "win"}, Settings: desired.Settings{Template: "github_windows"}}): "scale set win of organization acme uses GARM's own template github_windows, which is not for Linux runners: read it with garm-cli template show",
		status.NewURLs("", "http://garm"): "set GARM's URLs: metadata unset -> http://garm",
	} {
		assert.Equal(t, want, got)
	}
	assert.Empty(t, status.WorkloadChange(workload.Change{}))
	assert.Equal(t, []string{
		"write /etc/garm/config.toml: its content has changed",
		"remove /etc/garm/provider-old.toml: its provider or certificate is no more",
		"restart GARM: it does not run with its present configuration",
	}, status.WorkloadChange(workload.Change{Pushed: []string{"/etc/garm/config.toml"}, Removed: []string{"/etc/garm/provider-old.toml"}, Replanned: true}))
}
