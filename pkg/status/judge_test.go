package status_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/configurator"
	"github.com/garm-charms/garm-charms/pkg/plan"
	"github.com/garm-charms/garm-charms/pkg/reconcile"
	"github.com/garm-charms/garm-charms/pkg/status"
)

// pass is one reconcile: what is declared and wanted, what GARM has, and the changes that fail, by verb and name.
type pass struct {
	declared  []configurator.Declared
	conflicts []desired.Conflict
	have      desired.State
	inventory plan.Inventory
	providers []string
	want      desired.State
	fails     map[string]string
}

func organization(name string) desired.EntityRef {
	return desired.NewEntityRef(desired.KindOrganization, name, "github.com")
}

// standing is a pass in which an application's scale set, with runner options, stands as declared.
func standing(change func(*pass)) pass {
	credential := desired.Credential{ID: 1, Name: "app-42-7", Description: desired.Mark("key")}
	entity := desired.Entity{EntityRef: organization("acme"), ID: "uuid", Credential: "app-42-7"}
	template := desired.Template{ID: 12, Name: "github_linux-small", Description: desired.Mark("options")}
	set := desired.ScaleSet{
		ScaleSetKey: desired.ScaleSetKey{Entity: organization("acme"), Name: "small"}, ID: 5, Application: "small", Provider: "cloud",
		Settings: desired.Settings{Max: 3, Enabled: true, Template: "github_linux-small"}, Runners: runners(2, 0),
	}
	p := pass{
		declared: []configurator.Declared{{Application: "small", RelationID: "garm-configurator:1"}},
		have: desired.State{
			Endpoints:   []desired.Endpoint{desired.DotCom()},
			Credentials: []desired.Credential{credential}, Entities: []desired.Entity{entity},
			Templates: []desired.Template{template}, ScaleSets: []desired.ScaleSet{set},
		},
		want: desired.State{
			Credentials: []desired.Credential{credential}, Entities: []desired.Entity{entity},
			Templates: []desired.Template{template}, ScaleSets: []desired.ScaleSet{set},
		},
		inventory: plan.Inventory{
			Entities: map[string]bool{"uuid": true}, ScaleSets: map[uint]plan.Owned{5: {Application: "small", Provider: "cloud"}},
		},
		providers: []string{"cloud"},
	}
	change(&p)
	return p
}

// findings are what becomes of the pass, with the plan that is really made.
func (p pass) findings() status.Findings {
	held, providers := map[string]bool{}, map[string]bool{}
	for _, d := range p.declared {
		held[d.Application] = !d.Valid()
	}
	for _, name := range p.providers {
		providers[name] = true
	}
	f := status.Findings{
		Declared: p.declared, Conflicts: p.conflicts, Want: p.want, Before: reconcile.Observation{State: p.have},
		Plan: plan.Diff(p.have, p.want, plan.Scope{Inventory: p.inventory, Held: held, Providers: providers, Roll: true}),
	}
	f.Report = p.report(f.Plan)
	return f
}

// report is what reconcile.Apply would say.
func (p pass) report(made plan.Plan) reconcile.Report {
	r := reconcile.Report{Inventory: p.inventory.Clone(), TemplateIDs: map[string]uint{"": 2}}
	for _, t := range p.have.Templates {
		r.TemplateIDs[t.Name] = t.ID
	}
	failed := map[string]bool{}
	for _, c := range made.Changes {
		o := reconcile.Outcome{Change: c}
		if i := slices.IndexFunc(c.Needs, func(name string) bool { return failed[name] }); i >= 0 {
			o.Err = &reconcile.SkippedError{Needed: c.Needs[i]}
		} else if why := p.fails[string(c.Verb)+" "+c.Name]; why != "" {
			o.Err = errors.New(why)
		}
		r.Outcomes = append(r.Outcomes, o)
		switch {
		case o.Err != nil:
			failed[c.Name] = true
		case c.ScaleSet != nil && c.Verb == plan.Create:
			r.Inventory.ScaleSets[77+uint(len(r.Inventory.ScaleSets))] = plan.Owned{Application: c.Application}
		case c.Template != nil && c.Verb == plan.Create:
			r.TemplateIDs[c.Template.Name] = 78
		}
	}
	return r
}

func TestJudge(t *testing.T) {
	ready := configurator.Answer{Status: "ready", ScaleSetID: "5", TemplateID: "12", ProviderName: "cloud"}
	refused := func(message string) configurator.Answer {
		return configurator.Answer{Status: "refused", Message: message}
	}
	not := func(status, message string) configurator.Answer {
		answer := ready
		answer.Status, answer.Message = status, message
		return answer
	}
	for _, row := range []struct {
		summary string
		change  func(*pass)
		answer  configurator.Answer
		unit    string
	}{
		{"all stands", func(*pass) {}, ready, "active: 1 scale set, 2/3 runners"},
		{
			"beside one that was made by hand", func(p *pass) {
				p.have.ScaleSets = append(p.have.ScaleSets, desired.ScaleSet{ScaleSetKey: desired.ScaleSetKey{Name: "by-hand"}, ID: 9, Runners: runners(4, 0)})
			}, ready, "active: 1 scale set, 2/3 runners",
		},
		{
			"all is new", func(p *pass) { p.have, p.inventory = desired.State{}, plan.Inventory{} },
			configurator.Answer{Status: "ready", ScaleSetID: "77", TemplateID: "78", ProviderName: "cloud"},
			"active: 1 scale set, 0/3 runners",
		},
		{
			"without runner options", func(p *pass) {
				p.have.ScaleSets, p.want.ScaleSets = slices.Clone(p.have.ScaleSets), slices.Clone(p.want.ScaleSets)
				p.have.ScaleSets[0].Template, p.want.ScaleSets[0].Template = "", ""
			},
			configurator.Answer{Status: "ready", ScaleSetID: "5", TemplateID: "2", ProviderName: "cloud"},
			"active: 1 scale set, 2/3 runners",
		},
		{"nothing is integrated", func(p *pass) { *p = pass{} }, configurator.Answer{}, "active: No configurator integrated"},

		// What a configurator says.
		{"published nothing", func(p *pass) { p.undeclare(func(d *configurator.Declared) { d.Absent = true }) }, configurator.Answer{}, "waiting: Waiting for small to publish its scale set"},
		{
			"on hold", func(p *pass) { p.undeclare(func(d *configurator.Declared) { d.Hold = "Set flavor" }) },
			configurator.Answer{Status: "pending", Message: "GARM keeps what was declared before: Set flavor"},
			"waiting: small: Set flavor; its scale set stays as it was",
		},
		{
			"invalid", func(p *pass) {
				p.undeclare(func(d *configurator.Declared) { d.Invalid = errors.New("flavor is required") })
			},
			refused("flavor is required"), "blocked: small: flavor is required",
		},
		{
			"conflict", func(p *pass) {
				p.want = desired.State{}
				p.inventory = plan.Inventory{}
				p.conflicts = []desired.Conflict{{Application: "other", Reason: "no"}, {Application: "small", Reason: "taken by other"}}
			}, refused("taken by other"), "blocked: small: taken by other",
		},
		{"not among what is wanted, for no reason", func(p *pass) { p.want, p.inventory = desired.State{}, plan.Inventory{} }, refused("garm does not follow this declaration"), "blocked: small: garm does not follow this declaration"},

		// What GARM cannot do now, or ever.
		{
			"provider is not loaded", func(p *pass) { p.have, p.inventory, p.providers = desired.State{}, plan.Inventory{}, nil },
			configurator.Answer{Status: "pending", Message: "GARM has not loaded provider cloud yet", TemplateID: "78", ProviderName: "cloud"},
			"waiting: small: GARM has not loaded provider cloud yet",
		},
		{
			"labels have changed", func(p *pass) { p.have.ScaleSets[0].Labels = "x64" },
			not("refused", "labels (x64 -> ) of an existing scale set cannot be changed; run garm's action recreate-scaleset, or give it another name"),
			"blocked: small: labels (x64 -> ) of an existing scale set cannot be changed; run garm's action recreate-scaleset, or give it another name",
		},
		{
			"template of somebody else's", func(p *pass) { p.have.Templates[0].Description = "by hand" },
			not("refused", "GARM has another template of that name; rename or delete it there"),
			"blocked: small: GARM has another template of that name; rename or delete it there",
		},
		{"entity does not work", func(p *pass) { p.have.Entities[0].Failure = "bad credentials" }, not("pending", "GARM cannot work for organization acme: bad credentials"), "waiting: small: GARM cannot work for organization acme: bad credentials"},
		{
			"the new name cannot be had because the entity does not work", func(p *pass) {
				p.want.ScaleSets = slices.Clone(p.want.ScaleSets)
				p.want.ScaleSets[0].Name = "new"
				p.have.Entities[0].Failure = "bad credentials"
				p.fails = map[string]string{"create scale set new of organization acme": "GARM answered 500"}
			},
			configurator.Answer{Status: "pending", Message: "GARM cannot work for organization acme: bad credentials", TemplateID: "12", ProviderName: "cloud"},
			"waiting: small: GARM cannot work for organization acme: bad credentials (and 1 more)",
		},
		{
			"GitHub does not let GARM in", func(p *pass) {
				p.have.Credentials = []desired.Credential{{ID: 1, Name: "app-42-7", Description: desired.Mark("key"), Unanswered: true}}
			},
			not("pending", "GitHub refuses credential app-42-7, or does not answer GARM; check the App's ID, installation and key, or the token"),
			"waiting: small: GitHub refuses credential app-42-7, or does not answer GARM; check the App's ID, installation and key, or the token",
		},
		{
			"GitHub lets GARM in with what is new", func(p *pass) {
				p.have.Credentials = []desired.Credential{{ID: 1, Name: "app-42-7", Description: desired.Mark("old"), Unanswered: true}}
			}, ready, "active: 1 scale set, 2/3 runners",
		},
		{
			"GitHub does not let GARM in for others", func(p *pass) {
				p.have.Credentials = append(slices.Clone(p.have.Credentials), desired.Credential{ID: 2, Name: "theirs", Unanswered: true})
			}, ready, "active: 1 scale set, 2/3 runners",
		},
		{"entity is starting", func(p *pass) { p.have.Entities[0].Failure = "pool manager is starting up" }, ready, "active: 1 scale set, 2/3 runners"},
		{"entity has started", func(p *pass) { p.have.Entities[0].Failure = "no cache found for entity uuid" }, ready, "active: 1 scale set, 2/3 runners"},
		{"entity renews", func(p *pass) { p.have.Entities[0].Failure = "cache expired for entity uuid" }, ready, "active: 1 scale set, 2/3 runners"},
		{
			"another entity does not work", func(p *pass) {
				p.have.Entities = append(p.have.Entities, desired.Entity{EntityRef: organization("theirs"), ID: "x", Failure: "bad credentials"})
			}, ready, "active: 1 scale set, 2/3 runners",
		},

		{
			"an outdated runner took a job before it was replaced", func(p *pass) {
				p.inventory.ScaleSets[5] = plan.Owned{Application: "small", Provider: "cloud", Since: time.Unix(1, 0)}
				p.fails = map[string]string{"delete runner r0": "Runner r0 is still running a job"}
			}, ready, "active: 1 scale set, 2/3 runners, 2 outdated",
		},
		{
			"an outdated runner took a job before it was replaced, and another change failed", func(p *pass) {
				p.inventory.ScaleSets[5] = plan.Owned{Application: "small", Provider: "cloud", Since: time.Unix(1, 0)}
				p.have.Templates[0].Description = desired.Mark("other")
				p.fails = map[string]string{"delete runner r0": "Runner r0 is still running a job", "update template github_linux-small": "it failed"}
			}, not("pending", "it failed"), "waiting: small: it failed",
		},

		// What is on its way out.
		{
			"the new name cannot be had, the former one drains", func(p *pass) {
				p.want.ScaleSets = slices.Clone(p.want.ScaleSets)
				p.want.ScaleSets[0].Name = "new"
				p.fails = map[string]string{"create scale set new of organization acme": "it failed"}
			}, configurator.Answer{Status: "pending", Message: "it failed", TemplateID: "12", ProviderName: "cloud"}, "waiting: small: it failed (and 1 more)",
		},
		{
			"one drains, another cannot be deleted", func(p *pass) {
				gone := desired.ScaleSet{ScaleSetKey: desired.ScaleSetKey{Entity: organization("acme"), Name: "gone"}, ID: 4}
				p.have.ScaleSets = append(p.have.ScaleSets, gone)
				p.inventory.ScaleSets[4] = plan.Owned{Application: "former"}
				*p = pass{have: p.have, inventory: p.inventory, fails: map[string]string{"delete scale set gone of organization acme": "GitHub refuses"}}
			}, configurator.Answer{}, "waiting: GitHub refuses (and 1 more)",
		},
		{
			"a former scale set drains", func(p *pass) {
				former := desired.ScaleSet{ScaleSetKey: desired.ScaleSetKey{Entity: organization("acme"), Name: "former"}, ID: 4, Runners: runners(1, 1)}
				p.have.ScaleSets = append(p.have.ScaleSets, former)
				p.inventory.ScaleSets[4] = plan.Owned{Application: "small"}
			}, ready, "maintenance: draining 1 runner of former, 1 with a job",
		},
		{
			"a former scale set of nobody's drains", func(p *pass) {
				*p = pass{have: p.have, inventory: p.inventory}
			}, configurator.Answer{}, "maintenance: draining 2 runners of small",
		},
		{
			"a former scale set cannot be deleted", func(p *pass) {
				p.have.ScaleSets[0].Runners = nil
				*p = pass{have: p.have, inventory: p.inventory, fails: map[string]string{"delete scale set small of organization acme": "GitHub refuses"}}
			}, configurator.Answer{}, "waiting: GitHub refuses",
		},
		{
			"a former scale set cannot be drained", func(p *pass) {
				*p = pass{have: p.have, inventory: p.inventory, fails: map[string]string{"drain scale set small of organization acme": "GARM refuses"}}
			}, configurator.Answer{}, "waiting: GARM refuses (and 1 more)",
		},
	} {
		t.Run(row.summary, func(t *testing.T) {
			f := standing(row.change).findings()
			answers := f.Judge()
			assert.Equal(t, row.answer, answers["garm-configurator:1"])
			unit := f.Summary(answers)
			assert.Equal(t, row.unit, string(unit.Level)+": "+unit.Message)
		})
	}
}

// undeclare makes the one declaration one that cannot be followed.
func (p *pass) undeclare(change func(*configurator.Declared)) {
	change(&p.declared[0])
	p.want = desired.State{}
}

// Whatever single change fails, neither the unit's status nor the answer of a configurator that it concerns says that all
// is well.
func TestNothingIsActiveWhenAChangeFailed(t *testing.T) {
	for situation, change := range map[string]func(*pass){
		"create": func(p *pass) { p.have, p.inventory = desired.State{}, plan.Inventory{} },
		"update": func(p *pass) {
			p.have.Credentials[0].Description, p.have.Templates[0].Description = desired.Mark("other"), desired.Mark("other")
			p.have.Credentials = append(p.have.Credentials, desired.Credential{ID: 3, Name: "former", Description: desired.Mark()})
			p.have.Entities[0].Credential, p.have.ScaleSets[0].Max = "former", 1
		},
		"remove": func(p *pass) {
			p.have.ScaleSets[0].Runners = nil
			*p = pass{have: p.have, inventory: p.inventory}
		},
	} {
		all := standing(change).findings().Plan.Changes
		require.NotEmpty(t, all)
		for _, c := range all {
			failing := string(c.Verb) + " " + c.Name
			t.Run(situation+"/"+failing, func(t *testing.T) {
				p := standing(change)
				p.fails = map[string]string{failing: "it failed"}
				f := p.findings()
				answers := f.Judge()
				unit := f.Summary(answers)
				assert.NotEqual(t, hook.Active, unit.Level, unit.Message)
				assert.Contains(t, unit.Message, "it failed")
				if c.Verb == plan.Create || c.Verb == plan.Update {
					assert.Equal(t, "pending", answers["garm-configurator:1"].Status)
					assert.Equal(t, "it failed", answers["garm-configurator:1"].Message)
				}
			})
		}
	}
}

// After GARM has hung, no change is tried any more; what was not tried does not count as done.
func TestWhatWasNotTriedIsNotReady(t *testing.T) {
	f := standing(func(p *pass) { p.have.ScaleSets[0].Max = 1 }).findings()
	require.Len(t, f.Report.Outcomes, 1)
	f.Report.Outcomes[0].Err = fmt.Errorf("wrapped: %w", &reconcile.SkippedError{Needed: "an answer from GARM"})
	answers := f.Judge()
	assert.Equal(t, "pending", answers["garm-configurator:1"].Status)
	assert.Equal(t, hook.Waiting, f.Summary(answers).Level)
}

func TestFailureOfOneConfiguratorIsNotTheOthers(t *testing.T) {
	for _, failing := range []string{"create scale set other of organization other", "create organization other", "create credential app-43-7"} {
		p := standing(func(p *pass) {
			other := desired.Entity{EntityRef: organization("other"), Credential: "app-43-7"}
			set := p.want.ScaleSets[0]
			set.Name, set.Entity, set.Application, set.Template = "other", other.EntityRef, "other", ""
			p.want.Credentials = append(p.want.Credentials, desired.Credential{Name: other.Credential})
			p.want.Entities = append(p.want.Entities, other)
			p.want.ScaleSets = append(p.want.ScaleSets, set)
			p.declared = append(p.declared, configurator.Declared{Application: "other", RelationID: "garm-configurator:2"})
			p.fails = map[string]string{failing: "it failed"}
		})
		answers := p.findings().Judge()
		assert.Equal(t, "ready", answers["garm-configurator:1"].Status, failing)
		assert.Equal(t, configurator.Answer{Status: "pending", Message: "it failed", TemplateID: "2", ProviderName: "cloud"}, answers["garm-configurator:2"])
		assert.Equal(t, hook.Status{Level: hook.Waiting, Message: "other: it failed"}, p.findings().Summary(answers))
	}
}

func TestEachConfiguratorGetsItsOwnID(t *testing.T) {
	p := standing(func(p *pass) {
		p.have, p.inventory = desired.State{}, plan.Inventory{}
		other := p.want.ScaleSets[0]
		other.Name, other.Application, other.Template = "other", "other", ""
		p.want.ScaleSets = append(p.want.ScaleSets, other)
		p.declared = append(p.declared, configurator.Declared{Application: "other", RelationID: "garm-configurator:2"})
	})
	for range 20 { // whatever the order of the inventory
		answers := p.findings().Judge()
		assert.Equal(t, "77", answers["garm-configurator:1"].ScaleSetID)
		assert.Equal(t, "78", answers["garm-configurator:2"].ScaleSetID)
	}
}

// runners are so many, of which some have a job.
func runners(number, busy int) (list []desired.Runner) {
	for i := range number {
		r := desired.Runner{Name: fmt.Sprint("r", i), Phase: desired.Idle}
		if i < busy {
			r.Phase = desired.Busy
		}
		list = append(list, r)
	}
	return list
}
