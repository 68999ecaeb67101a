package plan_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/plan"
)

func TestChangesCarryWhatGARMNeeds(t *testing.T) {
	current, inventory := world(t, `
credential app made-from=old
credential gone
organization acme credential=gone
template t-small made-from=old
scale-set small of=acme image=old template=t-small
scale-set unwanted of=acme app=former runners=1`)
	p := plan.Diff(current, wanted(t, one), plan.Scope{Inventory: inventory, Providers: set("cloud")})
	ids := map[string]any{}
	for _, c := range p.Changes {
		switch {
		case c.Credential != nil:
			ids[string(c.Verb)+" "+c.Name] = c.Credential.ID
		case c.Entity != nil:
			ids[string(c.Verb)+" "+c.Name] = c.Entity.ID
		case c.Template != nil:
			ids[string(c.Verb)+" "+c.Name] = c.Template.ID
		case c.ScaleSet != nil:
			ids[string(c.Verb)+" "+c.Name] = c.ScaleSet.ID
		}
	}
	assert.Equal(t, map[string]any{
		"update credential app":                         uint(1),
		"delete credential gone":                        uint(2),
		"update organization acme":                      "3",
		"update template t-small":                       uint(4),
		"update scale set small of organization acme":   uint(5),
		"drain scale set unwanted of organization acme": uint(6),
	}, ids)
	require.Len(t, p.Deferred, 1)
	assert.Equal(t, "former", p.Deferred[0].Application, "the one that declared it")
	assert.False(t, p.Deferred[0].Stuck)
}

// A change that another needs is named by its object, so that a failure reaches all that depend on it and nothing else.
func TestNeeds(t *testing.T) {
	const want = one + `
organization other credential=app
scale-set large of=other`
	needs := func(have, want string) map[string][]string {
		current, inventory := world(t, have)
		named := map[string][]string{}
		for _, c := range plan.Diff(current, wanted(t, want), plan.Scope{Inventory: inventory, Providers: set("cloud")}).Changes {
			named[string(c.Verb)+" "+c.Name] = c.Needs
		}
		return named
	}
	assert.Equal(t, map[string][]string{
		"create credential app":                        {"endpoint github.com"},
		"create organization acme":                     {"credential app"},
		"create organization other":                    {"credential app"},
		"create template t-small":                      nil,
		"create scale set small of organization acme":  {"organization acme", "template t-small"},
		"create scale set large of organization other": {"organization other"},
	}, needs("", want))
	assert.Equal(t, map[string][]string{
		"drain scale set small of organization acme":   nil,
		"delete scale set small of organization acme":  {"scale set small of organization acme"},
		"drain scale set large of organization other":  nil,
		"delete scale set large of organization other": {"scale set large of organization other"},
		"delete template t-small":                      {"scale set small of organization acme"},
		"delete organization acme":                     {"scale set small of organization acme"},
		"delete organization other":                    {"scale set large of organization other"},
		"delete credential app":                        {"organization acme", "organization other"},
	}, needs(want, ""))
}

// What a person must act on is told from what passes by itself.
func TestStuck(t *testing.T) {
	current, inventory := world(t, `
credential app
organization acme credential=app
template t-foreign foreign
scale-set fixed of=acme labels=x64
scale-set draining of=acme runners=1`)
	p := plan.Diff(current, wanted(t, `
credential app
organization acme credential=app
template t-foreign
scale-set fixed of=acme
scale-set foreign of=acme template=t-foreign
scale-set waiting of=acme provider=late`), plan.Scope{Inventory: inventory, Providers: set("cloud")})
	stuck := map[string]bool{}
	for _, d := range p.Deferred {
		stuck[d.Name+" of "+d.Application] = d.Stuck
	}
	assert.Equal(t, map[string]bool{
		"template t-foreign of ":                              true,
		"scale set fixed of organization acme of fixed":       true,
		"scale set waiting of organization acme of waiting":   false,
		"scale set draining of organization acme of draining": false,
	}, stuck)
}
