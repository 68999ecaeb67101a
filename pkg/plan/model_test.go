package plan_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/plan"
)

// TestDiffLeadsToWhatIsWanted makes arbitrary states and carries plans out in a model of GARM that refuses what GARM
// refuses: to delete what something refers to, to refer to what is not there, and to delete a scale set that may have
// runners.
func TestDiffLeadsToWhatIsWanted(t *testing.T) {
	for seed := range uint64(1000) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			s := arbitrary{rand.New(rand.NewPCG(seed, 1))}
			m := model{State: s.garm(), lastID: 1000}
			want := s.wanted()
			scope := plan.Scope{Inventory: s.inventory(m.State), Held: s.some("a0", "a1"), Providers: s.some("p0", "p1", "p2"), Roll: s.yes()}
			t.Logf("GARM has\n%s\nheld %v, providers %v", describe(m.State), scope.Held, scope.Providers)
			t.Logf("wanted\n%s", describe(want))

			scope.Inventory = scope.Inventory.Settle(m.State, want)
			foreign := m.untouchable(scope)
			first := plan.Diff(m.State, want, scope)
			t.Logf("plan\n%s", first)
			m.carryOut(t, first, &scope.Inventory)
			assertReached(t, m.State, want, first)

			m.rollOn(t, want, &scope, first)
			scope.Inventory = scope.Inventory.Settle(m.State, want)
			assert.Empty(t, plan.Diff(m.State, want, scope).Changes, "a look at what has become of it changes nothing")

			m.endRunners()
			second := plan.Diff(m.State, want, scope)
			m.carryOut(t, second, &scope.Inventory)
			m.rollOn(t, want, &scope, second)
			last := plan.Diff(m.State, want, scope)
			assert.Empty(t, last.Changes, "and neither does one after the last runner has gone")
			assert.Equal(t, foreign, m.untouchable(scope))
			assertNothingLeft(t, m.State, want, scope)
		})
	}
}

// rollOn follows plans for as long as they take runners away, after which there may be more to do.
func (m *model) rollOn(t *testing.T, want desired.State, scope *plan.Scope, p plan.Plan) {
	t.Helper()
	isRunner := func(c plan.Change) bool { return c.Runner != nil }
	for range 20 {
		if !slices.ContainsFunc(p.Changes, isRunner) {
			return
		}
		scope.Inventory = scope.Inventory.Settle(m.State, want)
		p = plan.Diff(m.State, want, *scope)
		m.carryOut(t, p, &scope.Inventory)
	}
	assert.Fail(t, "there is no end to it", p.String())
}

// model is as much of GARM as plans rely on.
type model struct {
	desired.State

	lastID uint
}

func (m *model) carryOut(t *testing.T, p plan.Plan, inventory *plan.Inventory) {
	t.Helper()
	*inventory = inventory.Clone()
	for i, c := range p.Changes {
		for _, needed := range c.Needs {
			late := slices.ContainsFunc(p.Changes[i+1:], func(other plan.Change) bool { return other.Name == needed })
			assert.False(t, late, "%s comes before a change to %s, which it needs", c, needed)
		}
		require.NoError(t, m.apply(c, inventory), c.String())
	}
	m.Sort()
}

func (m *model) apply(c plan.Change, inventory *plan.Inventory) error {
	switch {
	case c.Endpoint != nil:
		return m.endpoint(c.Verb, *c.Endpoint)
	case c.Credential != nil:
		return m.credential(c.Verb, *c.Credential)
	case c.Entity != nil:
		return m.entity(c.Verb, *c.Entity, inventory)
	case c.Template != nil:
		return m.template(c.Verb, *c.Template)
	case c.Runner != nil:
		return m.deleteRunner(*c.Runner)
	default:
		return m.scaleSet(c.Verb, *c.ScaleSet, inventory)
	}
}

// write creates, replaces or deletes the one element that is the same object.
func write[T any](list []T, verb plan.Verb, object T, same func(T) bool) ([]T, error) {
	i := slices.IndexFunc(list, same)
	switch {
	case verb == plan.Create && i < 0:
		return append(list, object), nil
	case verb == plan.Create:
		return nil, errors.New("already exists")
	case i < 0:
		return nil, errors.New("not found")
	case verb == plan.Delete:
		return slices.Delete(slices.Clone(list), i, i+1), nil
	}
	list = slices.Clone(list)
	list[i] = object
	return list, nil
}

func (m *model) nextID() uint { m.lastID++; return m.lastID }

func (m *model) endpoint(verb plan.Verb, e desired.Endpoint) (err error) {
	if verb == plan.Delete && slices.ContainsFunc(m.Credentials, func(c desired.Credential) bool { return c.Endpoint == e.Name }) {
		return errors.New("in use")
	}
	if verb == plan.Update && slices.ContainsFunc(m.Credentials, func(c desired.Credential) bool { return c.Endpoint == e.Name }) &&
		slices.ContainsFunc(m.Endpoints, func(other desired.Endpoint) bool { return other.Name == e.Name && other.BaseURL != e.BaseURL }) {
		return errors.New("cannot update endpoint URLs with existing credentials")
	}
	m.Endpoints, err = write(m.Endpoints, verb, e, func(other desired.Endpoint) bool { return other.Name == e.Name })
	return err
}

func (m *model) credential(verb plan.Verb, c desired.Credential) (err error) {
	if verb == plan.Delete && slices.ContainsFunc(m.Entities, func(e desired.Entity) bool { return e.Credential == c.Name }) {
		return errors.New("in use")
	}
	if !slices.ContainsFunc(m.Endpoints, func(e desired.Endpoint) bool { return e.Name == c.Endpoint }) {
		return errors.New("no such endpoint")
	}
	same := func(other desired.Credential) bool { return other.ID == c.ID }
	if verb == plan.Create {
		same = func(other desired.Credential) bool { return other.Name == c.Name }
		c.ID = m.nextID()
	}
	m.Credentials, err = write(m.Credentials, verb, c, same)
	return err
}

func (m *model) template(verb plan.Verb, t desired.Template) (err error) {
	if verb == plan.Delete && slices.ContainsFunc(m.ScaleSets, func(s desired.ScaleSet) bool { return s.Template == t.Name }) {
		return errors.New("in use")
	}
	same := func(other desired.Template) bool { return other.ID == t.ID }
	if verb == plan.Create {
		same = func(other desired.Template) bool { return other.Name == t.Name }
		t.ID = m.nextID()
	}
	m.Templates, err = write(m.Templates, verb, t, same)
	return err
}

func (m *model) entity(verb plan.Verb, e desired.Entity, inventory *plan.Inventory) (err error) {
	if verb == plan.Delete && slices.ContainsFunc(m.ScaleSets, func(s desired.ScaleSet) bool { return s.Entity == e.EntityRef }) {
		return errors.New("has scale sets")
	}
	if !slices.ContainsFunc(m.Credentials, func(c desired.Credential) bool { return c.Name == e.Credential }) {
		return errors.New("credentials not defined")
	}
	same := func(other desired.Entity) bool { return other.ID == e.ID }
	if verb == plan.Create {
		same = func(other desired.Entity) bool { return other.EntityRef == e.EntityRef }
		e.ID = strconv.Itoa(int(m.nextID()))
		inventory.Entities[e.ID] = true
	}
	m.Entities, err = write(m.Entities, verb, e, same)
	return err
}

func (m *model) scaleSet(verb plan.Verb, s desired.ScaleSet, inventory *plan.Inventory) (err error) {
	template := func(t desired.Template) bool { return t.Name == s.Template }
	switch {
	case s.Template != "" && !slices.ContainsFunc(m.Templates, template):
		return errors.New("template not found")
	case !slices.ContainsFunc(m.Entities, func(e desired.Entity) bool { return e.EntityRef == s.Entity }):
		return errors.New("entity not found")
	case verb == plan.Create:
		s.ID = m.nextID()
		inventory.ScaleSets[s.ID] = plan.Owned{Application: s.Application, Provider: s.Provider}
		s.Application = ""
		m.ScaleSets, err = write(m.ScaleSets, verb, s, func(other desired.ScaleSet) bool { return other.ScaleSetKey == s.ScaleSetKey })
		return err
	}
	return m.changeScaleSet(verb, s, inventory)
}

func (m *model) changeScaleSet(verb plan.Verb, s desired.ScaleSet, inventory *plan.Inventory) error {
	i := slices.IndexFunc(m.ScaleSets, func(other desired.ScaleSet) bool { return other.ID == s.ID })
	switch {
	case i < 0:
		return errors.New("not found")
	case verb == plan.Delete && (m.ScaleSets[i].Enabled || len(m.ScaleSets[i].Runners) > 0):
		return errors.New("enabled, or has runners")
	case verb == plan.Delete:
		delete(inventory.ScaleSets, s.ID)
		m.ScaleSets = slices.Delete(m.ScaleSets, i, i+1)
	case verb == plan.Drain:
		m.ScaleSets[i].Enabled, m.ScaleSets[i].MinIdle, m.ScaleSets[i].Max = false, 0, 0
	default:
		m.ScaleSets[i].Settings = s.Settings // and nothing else, as GARM
	}
	return nil
}

// deleteRunner takes one away. GARM makes another in its place where there are to be any.
func (m *model) deleteRunner(r desired.Runner) error {
	for i := range m.ScaleSets {
		set := &m.ScaleSets[i]
		j := slices.IndexFunc(set.Runners, func(other desired.Runner) bool { return other.Name == r.Name })
		switch {
		case j < 0:
			continue
		case set.Runners[j].Phase == desired.Busy || set.Runners[j].Phase == desired.Moving:
			return errors.New("has a job, or is on its way")
		}
		set.Runners = slices.Delete(slices.Clone(set.Runners), j, j+1)
		if set.Enabled {
			set.Runners = append(set.Runners, desired.Runner{Name: fmt.Sprintf("new-%d", m.nextID()), Phase: desired.Idle, Created: time.Unix(100, 0)})
		}
		return nil
	}
	return errors.New("not found")
}

// endRunners is time: where no new runner comes, the last one goes.
func (m *model) endRunners() {
	for i := range m.ScaleSets {
		if s := &m.ScaleSets[i]; !s.Enabled && s.Max == 0 {
			s.Runners = nil
		}
	}
}

// untouchable is what is neither the charm's own nor to be taken over, and what a held application declared.
func (m *model) untouchable(scope plan.Scope) desired.State {
	held := only(m.ScaleSets, func(s desired.ScaleSet) bool { return scope.Held[scope.Inventory.ScaleSets[s.ID].Application] })
	s := desired.State{
		Endpoints:   only(m.Endpoints, func(e desired.Endpoint) bool { return !desired.IsMarked(e.Description) && e != desired.DotCom() }),
		Credentials: only(m.Credentials, func(c desired.Credential) bool { return !desired.IsMarked(c.Description) }),
		Entities:    only(m.Entities, func(e desired.Entity) bool { return !scope.Inventory.Entities[e.ID] }),
		Templates: only(m.Templates, func(t desired.Template) bool {
			return !desired.IsMarked(t.Description) || slices.ContainsFunc(held, func(s desired.ScaleSet) bool { return s.Template == t.Name })
		}),
		ScaleSets: only(m.ScaleSets, func(s desired.ScaleSet) bool {
			_, owned := scope.Inventory.ScaleSets[s.ID]
			return !owned || slices.ContainsFunc(held, func(other desired.ScaleSet) bool { return other.ID == s.ID })
		}),
	}
	for i := range s.ScaleSets {
		s.ScaleSets[i].Runners = nil
	}
	return s
}

func only[T any](list []T, keep func(T) bool) (kept []T) {
	for _, element := range list {
		if keep(element) {
			kept = append(kept, element)
		}
	}
	return kept
}

// assertReached asserts that all that is wanted is there, but what the plan says it is not.
func assertReached(t *testing.T, have, want desired.State, p plan.Plan) {
	t.Helper()
	deferred := func(name string) bool {
		return slices.ContainsFunc(p.Deferred, func(d plan.Deferral) bool { return d.Name == name })
	}
	for _, template := range want.Templates {
		i := slices.IndexFunc(have.Templates, func(other desired.Template) bool { return other.Name == template.Name })
		if !deferred("template " + template.Name) {
			require.GreaterOrEqual(t, i, 0)
			assert.Equal(t, template.Description, have.Templates[i].Description)
		}
	}
	assertForgeReached(t, have, want, deferred)
	for _, set := range want.ScaleSets {
		i := slices.IndexFunc(have.ScaleSets, func(other desired.ScaleSet) bool { return other.ScaleSetKey == set.ScaleSetKey })
		switch {
		case deferred("template " + set.Template), deferred("endpoint " + set.Entity.Endpoint):
		case i >= 0:
			assert.Equal(t, set.Settings, have.ScaleSets[i].Settings)
			assert.Equal(t, set.Provider != have.ScaleSets[i].Provider || set.Labels != have.ScaleSets[i].Labels, deferred(set.String()))
		default:
			assert.True(t, deferred(set.String()), "%s is neither there nor deferred", set)
		}
	}
}

func assertForgeReached(t *testing.T, have, want desired.State, deferred func(name string) bool) {
	t.Helper()
	for _, endpoint := range want.Endpoints {
		i := slices.IndexFunc(have.Endpoints, func(other desired.Endpoint) bool { return other.Name == endpoint.Name })
		require.GreaterOrEqual(t, i, 0)
		if !deferred("endpoint " + endpoint.Name) {
			assert.Equal(t, endpoint.BaseURL, have.Endpoints[i].BaseURL)
		}
	}
	for _, credential := range want.Credentials {
		assert.True(t, slices.ContainsFunc(have.Endpoints, func(e desired.Endpoint) bool { return e.Name == credential.Endpoint }))
	}
	for _, entity := range want.Entities {
		if deferred("endpoint " + entity.Endpoint) {
			continue
		}
		assert.True(t, slices.ContainsFunc(have.Entities, func(e desired.Entity) bool { return e.EntityRef == entity.EntityRef }))
	}
}

// assertNothingLeft asserts that what is the charm's own and not wanted has gone, but what a held application declared and
// what something that stays refers to.
func assertNothingLeft(t *testing.T, have, want desired.State, scope plan.Scope) {
	t.Helper()
	stays := map[string]bool{}
	for _, s := range []desired.State{have, want} {
		for _, set := range s.ScaleSets {
			stays["template "+set.Template], stays[set.Entity.String()] = true, true
		}
		for _, e := range s.Entities {
			stays["credential "+e.Credential] = true
		}
		for _, c := range s.Credentials {
			stays["endpoint "+c.Endpoint] = true
		}
	}
	for _, set := range want.ScaleSets {
		stays[set.String()] = true
	}
	for _, set := range have.ScaleSets {
		owner, owned := scope.Inventory.ScaleSets[set.ID]
		assert.True(t, stays[set.String()] || !owned || scope.Held[owner.Application], "%s is left", set)
	}
	for _, own := range ownNames(have, scope.Inventory) {
		assert.True(t, stays[own], "%s is left", own)
	}
}

// ownNames are those of the charm's own objects, but for scale sets.
func ownNames(have desired.State, inventory plan.Inventory) (names []string) {
	for _, e := range have.Entities {
		if inventory.Entities[e.ID] {
			names = append(names, e.String())
		}
	}
	for _, template := range have.Templates {
		if desired.IsMarked(template.Description) {
			names = append(names, "template "+template.Name)
		}
	}
	for _, endpoint := range have.Endpoints {
		if desired.IsMarked(endpoint.Description) {
			names = append(names, "endpoint "+endpoint.Name)
		}
	}
	for _, credential := range have.Credentials {
		if desired.IsMarked(credential.Description) {
			names = append(names, "credential "+credential.Name)
		}
	}
	return names
}

func describe(s desired.State) string {
	text := ""
	for _, e := range s.Endpoints {
		text += fmt.Sprintf("endpoint %s %s %q %s\n", e.Name, e.BaseURL, e.CACertificate, e.Description)
	}
	for _, c := range s.Credentials {
		text += fmt.Sprintf("%d credential %s %s\n", c.ID, c.Name, c.Description)
	}
	for _, e := range s.Entities {
		text += fmt.Sprintf("%s %s with %s\n", e.ID, e, e.Credential)
	}
	for _, template := range s.Templates {
		text += fmt.Sprintf("%d template %s %s\n", template.ID, template.Name, template.Description)
	}
	for _, set := range s.ScaleSets {
		text += fmt.Sprintf("%d %s %+v %s, %d runners\n", set.ID, set, set.Settings, set.Provider, len(set.Runners))
	}
	return text
}
