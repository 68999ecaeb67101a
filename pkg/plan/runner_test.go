package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/plan"
)

// at is a time of GARM's clock.
func at(minute int) time.Time { return time.Unix(int64(60*minute), 0) }

// runner is one that was created at a minute.
func runner(name string, phase desired.Phase, minute int) desired.Runner {
	return desired.Runner{Name: name, Phase: phase, Created: at(minute), Said: "no space left"}
}

const served = `
credential app
organization acme credential=app
scale-set small of=acme`

func TestDiffOfRunners(t *testing.T) {
	const old = "it is as scale set small of organization acme was before it changed"
	for _, row := range []struct {
		summary string
		want    string
		runners []desired.Runner
		foreign bool
		held    []string
		keep    bool // idle runners are not rolled
		plan    []string
	}{
		{summary: "none", want: served},
		{summary: "new ones", want: served, runners: []desired.Runner{runner("a", desired.Idle, 5), runner("b", desired.Idle, 6)}},
		{
			summary: "the oldest outdated one goes first, and alone", want: served,
			runners: []desired.Runner{runner("a", desired.Idle, 5), runner("b", desired.Idle, 4), runner("c", desired.Idle, 3)},
			plan:    []string{"delete runner c: " + old},
		},
		{summary: "not when another is on its way", want: served, runners: []desired.Runner{runner("a", desired.Idle, 3), runner("b", desired.Moving, 6)}},
		{
			summary: "nor before a failed one has been replaced", want: served,
			runners: []desired.Runner{runner("a", desired.Idle, 3), runner("b", desired.Failed, 6)},
			plan:    []string{`delete runner b: it could not be set up: "no space left"`},
		},
		{summary: "one with a job never", want: served, runners: []desired.Runner{runner("a", desired.Busy, 3)}},
		{summary: "an operator wants them kept", want: served, keep: true, runners: []desired.Runner{runner("a", desired.Idle, 3)}},
		{
			summary: "failed ones go all the same", want: served, keep: true,
			runners: []desired.Runner{runner("a", desired.Failed, 9), runner("b", desired.Failed, 9)},
			plan:    []string{`delete runner a: it could not be set up: "no space left"`, `delete runner b: it could not be set up: "no space left"`},
		},
		{summary: "those of a held application stay", held: []string{"small"}, runners: []desired.Runner{runner("a", desired.Idle, 3)}},
		{summary: "so do those of others", foreign: true, runners: []desired.Runner{runner("a", desired.Idle, 3), runner("b", desired.Failed, 3)}},
	} {
		t.Run(row.summary, func(t *testing.T) {
			current, inventory := world(t, served)
			id := current.ScaleSets[0].ID
			current.ScaleSets[0].Runners = row.runners
			inventory.ScaleSets[id] = plan.Owned{Application: "small", Provider: "cloud", Since: at(5)}
			if row.foreign {
				delete(inventory.ScaleSets, id)
			}
			p := plan.Diff(current, wanted(t, row.want), plan.Scope{Inventory: inventory, Held: set(row.held...), Providers: set("cloud"), Roll: !row.keep})
			assert.Equal(t, strings.Join(row.plan, "\n"), strings.TrimSpace(p.String()))
		})
	}
}

// A failed runner would keep a scale set that is to go for ever.
func TestFailedRunnerOfUnwantedScaleSetGoes(t *testing.T) {
	current, inventory := world(t, "credential app\norganization acme credential=app\nscale-set small of=acme disabled max=0")
	current.ScaleSets[0].Runners = []desired.Runner{runner("a", desired.Failed, 3)}
	p := plan.Diff(current, desired.State{}, plan.Scope{Inventory: inventory})
	assert.Contains(t, p.String(), `delete runner a: it could not be set up: "no space left"`)
	assert.Contains(t, p.String(), "defer scale set small of organization acme: draining 1 runner of small")
}

func TestRotate(t *testing.T) {
	current, _ := world(t, served)
	small := current.ScaleSets[0]
	small.Runners = []desired.Runner{runner("a", desired.Idle, 9), runner("b", desired.Busy, 1), runner("c", desired.Idle, 2), runner("d", desired.Moving, 2)}
	assert.Equal(t, "delete runner c: an operator wants it replaced\ndelete runner a: an operator wants it replaced\n", plan.Rotate("small", small).String())
}

// What changes a new runner tells since when the others are outdated.
func TestRenewingChanges(t *testing.T) {
	recipe := "known"
	renewed := func(have, want string) (ids []uint) {
		current, inventory := world(t, have)
		for id, owned := range inventory.ScaleSets {
			owned.Recipe = recipe
			inventory.ScaleSets[id] = owned
		}
		for _, c := range plan.Diff(current, wanted(t, want), plan.Scope{Inventory: inventory, Providers: set("cloud")}).Changes {
			ids = append(ids, c.Renews...)
		}
		return ids
	}
	assert.Equal(t, []uint{3}, renewed(served, served+" image=noble"))
	assert.Equal(t, []uint{3}, renewed(served, served+` specs={"disable_updates":true}`))
	assert.Empty(t, renewed(served, served+" idle=1 max=9 timeout=30 prefix=acme"))
	const templated = "\ntemplate t-small made-from=%\ncredential app\norganization acme credential=app\nscale-set small of=acme template=t-small"
	assert.Equal(t, []uint{4}, renewed(strings.ReplaceAll(templated, "%", "old"), strings.ReplaceAll(templated, "%", "new")))
	assert.Equal(t, []uint{4}, renewed(strings.ReplaceAll(templated, "%", "old"), served))
	assert.Equal(t, []uint{4}, renewed(strings.ReplaceAll(templated, "%", "old")+"\ntemplate t-other made-from=other", served+" template=t-other\ntemplate t-other made-from=other"), "another template")

	recipe = ""
	assert.Empty(t, renewed(served, served+" image=noble"), "of one that is taken over no runner is")
	assert.Empty(t, renewed(strings.ReplaceAll(templated, "%", "old"), strings.ReplaceAll(templated, "%", "new")))
}

// A template that only has another name, because another entity's scale set has come to have the same, makes no other runners.
func TestRenamedTemplateRenewsNothing(t *testing.T) {
	const templated = "credential app\norganization acme credential=app\ntemplate t-small\nscale-set small of=acme template=t-small"
	current, inventory := world(t, templated)
	for id, owned := range inventory.ScaleSets {
		owned.Recipe = "known"
		inventory.ScaleSets[id] = owned
	}
	want := wanted(t, templated)
	want.Templates[0].Name, want.ScaleSets[0].Template = "t-small/acme", "t-small/acme"
	p := plan.Diff(current, want, plan.Scope{Inventory: inventory, Providers: set("cloud"), Roll: true})
	assert.Equal(t, "create template t-small/acme: its scale set has runner options\n"+
		"update scale set small of organization acme: template t-small -> t-small/acme\n"+
		"delete template t-small: no scale set refers to it any more\n", p.String())
	for _, c := range p.Changes {
		assert.Empty(t, c.Renews, c.Name)
	}
	settings := current.ScaleSets[0].Settings
	before := desired.Recipe(settings, "content")
	settings.Template = "t-small/acme"
	assert.Equal(t, before, desired.Recipe(settings, "content"), "nor when the change is seen only later")
	assert.NotEqual(t, before, desired.Recipe(settings, "other"))
}

// A change whose answer was lost is seen by the recipe.
func TestSettleSeesAnotherRecipe(t *testing.T) {
	current, _ := world(t, served)
	have := &current.ScaleSets[0]
	have.Recipe, have.Changed = "new", at(7)
	settled := func(owned plan.Owned) plan.Owned {
		owned.Application, owned.Provider = "small", "cloud"
		return plan.Inventory{ScaleSets: map[uint]plan.Owned{have.ID: owned}}.Settle(current, wanted(t, served)).ScaleSets[have.ID]
	}
	assert.Equal(t, plan.Owned{Application: "small", Provider: "cloud", ScaleSet: "scale set small of organization acme", Recipe: "new", Since: at(7)}, settled(plan.Owned{Recipe: "old", Since: at(1)}))
	assert.Equal(t, at(1), settled(plan.Owned{Recipe: "new", Since: at(1)}).Since)
	assert.Equal(t, at(1), settled(plan.Owned{Since: at(1)}).Since, "the change itself was seen")
	assert.True(t, settled(plan.Owned{Recreate: true}).Recreate)
}

func TestRecreate(t *testing.T) {
	const relabelled = served + " labels=gpu"
	plans := func(have string) plan.Plan {
		current, inventory := world(t, have)
		inventory.ScaleSets[current.ScaleSets[0].ID] = plan.Owned{Application: "small", Provider: "cloud", Recreate: true}
		return plan.Diff(current, wanted(t, relabelled), plan.Scope{Inventory: inventory, Providers: set("cloud")})
	}
	assert.Equal(t, `drain scale set small of organization acme: it is to be made anew
defer scale set small of organization acme: draining 1 runner of small
`, plans(served+" runners=1").String())
	p := plans(served + " disabled max=0")
	assert.Equal(t, `delete scale set small of organization acme: it is to be made anew
create scale set small of organization acme: small declares it
`, p.String())
	require.Len(t, p.Changes, 2)
	assert.Contains(t, p.Changes[1].Needs, "scale set small of organization acme", "not while GitHub keeps the old one")
}

func TestDiffOfOverlooked(t *testing.T) {
	for _, row := range []diffRow{
		{
			summary: "GARM overlooks jobs",
			have: `
credential app
organization acme credential=app
scale-set small of=acme overlooked=2
scale-set large of=acme overlooked=1
scale-set by-hand of=acme overlooked=1 foreign`,
			want: `
credential app
organization acme credential=app
scale-set small of=acme
scale-set large of=acme max=4`,
			plan: `
update scale set large of organization acme: max runners 3 -> 4
update scale set small of organization acme: 2 runners needed, and GARM makes none`,
		},
		{
			summary: "GARM cannot work for the entity anyway",
			have: `
credential app
organization acme credential=app failure=401
scale-set small of=acme overlooked=1`,
			want: `
credential app
organization acme credential=app
scale-set small of=acme`,
		},
		{
			summary: "GitHub does not let GARM in",
			have: `
credential app unanswered
organization acme credential=app
scale-set small of=acme overlooked=1`,
			want: `
credential app
organization acme credential=app
scale-set small of=acme`,
		},
	} {
		t.Run(row.summary, row.run)
	}
}
