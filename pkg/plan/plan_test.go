package plan_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/garm-charms/garm-charms/pkg/plan"
)

// one is the smallest world with everything in it.
const one = `
credential app
organization acme credential=app
template t-small
scale-set small of=acme template=t-small`

// diffRow is what GARM has and what is wanted, in the language of world, and the plan that leads there.
type diffRow struct {
	summary    string
	have, want string
	held       []string
	providers  []string // cloud when nil
	plan       string
}

func (row diffRow) run(t *testing.T) {
	current, inventory := world(t, row.have)
	providers := set("cloud")
	if row.providers != nil {
		providers = set(row.providers...)
	}
	p := plan.Diff(current, wanted(t, row.want), plan.Scope{Inventory: inventory, Held: set(row.held...), Providers: providers})
	assert.Equal(t, strings.TrimSpace(row.plan), strings.TrimSpace(p.String()))
	assert.Equal(t, strings.Count("\n"+p.String(), "\ndefer ") == strings.Count(p.String(), "\n"), p.Empty())
}

func TestDiff(t *testing.T) {
	for _, row := range []diffRow{
		{summary: "nothing at all"},
		{
			summary: "all is new", want: one,
			plan: `
create credential app: a configurator uses it
create organization acme: a configurator declares a scale set for it
create template t-small: its scale set has runner options
create scale set small of organization acme: small declares it`,
		},
		{summary: "all is there", have: one, want: one},
		{
			summary: "all is unwanted", have: one,
			plan: `
drain scale set small of organization acme: no configurator declares it any more
delete scale set small of organization acme: no configurator declares it any more
delete template t-small: no scale set refers to it any more
delete organization acme: no configurator declares a scale set for it any more
delete credential app: no configurator uses it any more`,
		},

		// Credentials.
		{
			summary: "key is rotated",
			have:    `credential app made-from=old`, want: `credential app made-from=new`,
			plan: `update credential app: its App, key or token has changed`,
		},
		{summary: "foreign credential of that name", have: `credential app foreign`, want: `credential app made-from=new`},
		{summary: "foreign credential that nobody wants", have: `credential by-hand foreign`},
		{
			summary: "credential that a foreign organization uses",
			have: `
credential app
organization theirs credential=app foreign`,
		},

		// Entities.
		{
			summary: "entity gets another credential, the old one goes last",
			have: `
credential old
organization acme credential=old`,
			want: `
credential new
organization acme credential=new`,
			plan: `
create credential new: a configurator uses it
update organization acme: credential old -> new
delete credential old: no configurator uses it any more`,
		},
		{
			summary: "foreign entity keeps its credential",
			have: `
credential theirs foreign
organization acme credential=theirs foreign`,
			want: `
credential app
organization acme credential=app`,
			plan: `create credential app: a configurator uses it`,
		},
		{
			summary: "entity with a foreign scale set stays, and so does its credential",
			have: `
credential app
organization acme credential=app
scale-set by-hand of=acme foreign`,
		},

		// Templates.
		{
			summary: "runner options changed",
			have:    `template t-small made-from=old`, want: `template t-small made-from=new`,
			plan: `update template t-small: the runner options or GARM's system template have changed`,
		},
		{
			summary: "foreign template of that name is not used either",
			have: `
credential app
organization acme credential=app
template t-small foreign
scale-set small of=acme`,
			want: one,
			plan: `defer template t-small: GARM has another template of that name; rename or delete it there`,
		},
		{
			summary: "options are cleared: first the scale set, then the template",
			have:    one,
			want: `
credential app
organization acme credential=app
scale-set small of=acme`,
			plan: `
update scale set small of organization acme: template t-small -> GARM's own
delete template t-small: no scale set refers to it any more`,
		},
		{
			summary: "template that a foreign scale set uses stays",
			have: `
credential app
organization acme credential=app
template t-small
scale-set by-hand of=acme template=t-small foreign`,
			want: `
credential app
organization acme credential=app`,
		},
		{summary: "foreign template that nobody wants", have: `template by-hand foreign`},

		// Scale sets.
		{
			summary: "scale set that was made by hand is taken over",
			have: `
credential app
organization acme credential=app
scale-set small of=acme image=theirs foreign`,
			want: `
credential app
organization acme credential=app
scale-set small of=acme`,
			plan: `update scale set small of organization acme: image theirs -> ubuntu`,
		},
		{
			summary: "every setting",
			have: `
credential app
organization acme credential=app
scale-set small of=acme image=i flavor=f arch=arm64 group=g idle=1 max=2 disabled specs={"a":1}`,
			want: `
credential app
organization acme credential=app
template t-small
scale-set small of=acme idle=2 max=4 template=t-small`,
			plan: `
create template t-small: its scale set has runner options
update scale set small of organization acme: image i -> ubuntu, flavor f -> m1, architecture arm64 -> amd64, runner group g -> Default, ` +
				`min idle runners 1 -> 2, max runners 2 -> 4, enabled false -> true, template GARM's own -> t-small, pre-install scripts changed`,
		},
		{
			summary: "what is fixed cannot change, the rest does",
			have: `
credential app
organization acme credential=app
scale-set small of=acme provider=other labels=x64`,
			want: `
credential app
organization acme credential=app
scale-set small of=acme labels=arm64,x64 max=4`,
			plan: `
update scale set small of organization acme: max runners 3 -> 4
defer scale set small of organization acme: provider (other -> cloud) and labels (x64 -> arm64,x64) of an existing scale set cannot be changed; run garm's action recreate-scaleset, or give it another name`,
		},
		{
			summary: "labels in another case are the same",
			have: `
credential app
organization acme credential=app
scale-set small of=acme labels=GPU,x64`,
			want: `
credential app
organization acme credential=app
scale-set small of=acme labels=gpu,X64`,
		},
		{
			summary: "provider is not loaded", want: one, providers: []string{"other"},
			plan: `
create credential app: a configurator uses it
create organization acme: a configurator declares a scale set for it
create template t-small: its scale set has runner options
defer scale set small of organization acme: GARM has not loaded provider cloud yet`,
		},
		{
			summary: "what waits for its provider keeps its entity and credential",
			have: `
credential app
organization acme credential=app`,
			want: `
credential app
organization acme credential=app
scale-set small of=acme`,
			providers: []string{"other"},
			plan:      `defer scale set small of organization acme: GARM has not loaded provider cloud yet`,
		},
		{
			summary: "wanted credential of a foreign entity's",
			have: `
credential app
credential theirs foreign
organization acme credential=theirs foreign`,
			want: `
credential app
organization acme credential=app`,
		},
		{
			summary: "foreign scale set of the same name in another entity",
			have: `
credential app
organization acme credential=app
organization other credential=app foreign
scale-set small of=acme
scale-set small of=other image=theirs foreign`,
			want: `
credential app
organization acme credential=app
scale-set small of=acme`,
		},
		{
			summary: "renamed: the new one comes before the old one goes",
			have: `
credential app
organization acme credential=app
template t-old
scale-set old of=acme template=t-old disabled max=0 app=small`,
			want: `
credential app
organization acme credential=app
template t-new
scale-set new of=acme template=t-new app=small`,
			plan: `
create template t-new: its scale set has runner options
create scale set new of organization acme: small declares it
delete scale set old of organization acme: no configurator declares it any more
delete template t-old: no scale set refers to it any more`,
		},

		// Draining.
		{
			summary: "runners first, with all that they need",
			have: `
credential app
organization acme credential=app
template t-small
scale-set small of=acme template=t-small runners=3 busy=1`,
			plan: `
drain scale set small of organization acme: no configurator declares it any more
defer scale set small of organization acme: draining 3 runners of small, 1 with a job`,
		},
		{
			summary: "draining goes on",
			have: `
credential app
organization acme credential=app
scale-set small of=acme disabled max=0 runners=2`,
			plan: `defer scale set small of organization acme: draining 2 runners of small`,
		},
		{
			summary: "drained",
			have: `
credential app
organization acme credential=app
scale-set small of=acme disabled max=0`,
			plan: `
delete scale set small of organization acme: no configurator declares it any more
delete organization acme: no configurator declares a scale set for it any more
delete credential app: no configurator uses it any more`,
		},
		{
			summary: "half drained counts as not drained",
			have: `
credential app
organization acme credential=app
scale-set small of=acme disabled runners=1
scale-set other of=acme max=0 runners=1
scale-set third of=acme disabled max=0 idle=1 runners=1`,
			plan: `
drain scale set other of organization acme: no configurator declares it any more
drain scale set small of organization acme: no configurator declares it any more
drain scale set third of organization acme: no configurator declares it any more
defer scale set other of organization acme: draining 1 runner of other
defer scale set small of organization acme: draining 1 runner of small
defer scale set third of organization acme: draining 1 runner of third`,
		},
		{
			summary: "wanted again while it drains",
			have: `
credential app
organization acme credential=app
scale-set small of=acme disabled max=0 runners=1 busy=1`,
			want: `
credential app
organization acme credential=app
scale-set small of=acme`,
			plan: `update scale set small of organization acme: max runners 0 -> 3, enabled false -> true`,
		},

		// Held applications.
		{summary: "what a held application declared stays, and all that it uses", have: one, held: []string{"small"}},
		{
			summary: "the others go on, and what only they used goes",
			have: `
credential app
organization acme credential=app
template t-small
template t-large
template t-other
scale-set small of=acme template=t-small
scale-set other of=acme template=t-other
scale-set large of=acme template=t-large`,
			want: `
credential app
organization acme credential=app
template t-other made-from=new
scale-set other of=acme template=t-other`,
			held: []string{"small"},
			plan: `
update template t-other: the runner options or GARM's system template have changed
drain scale set large of organization acme: no configurator declares it any more
delete scale set large of organization acme: no configurator declares it any more
delete template t-large: no scale set refers to it any more`,
		},
		{
			summary: "a held scale set keeps its template, though another wants one of that name",
			have: `
credential app
organization acme credential=app
template t-small
scale-set small of=acme template=t-small app=first`,
			want: `
credential app
organization other credential=app
template t-small made-from=other
scale-set small of=other template=t-small app=second`,
			held: []string{"first"},
			plan: `
create organization other: a configurator declares a scale set for it
defer template t-small: it is still that of scale set small of organization acme`,
		},
	} {
		t.Run(row.summary, row.run)
	}
}
