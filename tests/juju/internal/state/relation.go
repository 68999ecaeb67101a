package state

import (
	"fmt"
	"slices"
	"strings"

	"github.com/juju/charm/v12"
	"github.com/juju/errors"
	"github.com/juju/juju/core/life"
	"github.com/juju/names/v5"
)

// Endpoint is a charm's end of a relation in an application.
type Endpoint struct {
	Application string
	charm.Relation
}

// String is the endpoint as operators write it.
func (e Endpoint) String() string { return e.Application + ":" + e.Name }

// Relation ties two endpoints, or the units of one.
type Relation struct {
	ID int
	// Key names the relation, the requirer first: "app:endpoint other:endpoint".
	Key       string
	Endpoints []Endpoint
	Life      Life
	Status    string

	model *Model
	scope map[string]*membership // by unit
	units map[string]*Settings   // by unit, kept when it leaves
	apps  map[string]*Settings   // by application
}

type membership struct {
	departing bool
}

// relationKey orders the endpoints by role as Juju does (state/endpoint.go).
func relationKey(endpoints []Endpoint) string {
	order := map[charm.RelationRole]int{charm.RoleRequirer: 0, charm.RoleProvider: 1, charm.RolePeer: 2}
	sorted := slices.Clone(endpoints)
	slices.SortStableFunc(sorted, func(a, b Endpoint) int { return order[a.Role] - order[b.Role] })
	var keys []string
	for _, e := range sorted {
		keys = append(keys, e.String())
	}
	return strings.Join(keys, " ")
}

func (m *Model) addRelation(endpoints []Endpoint) *Relation {
	r := &Relation{
		ID: m.next("relation", 0), Key: relationKey(endpoints), Endpoints: endpoints, Life: life.Alive, Status: "joining",
		model: m, scope: map[string]*membership{}, units: map[string]*Settings{}, apps: map[string]*Settings{},
	}
	for _, e := range endpoints {
		r.apps[e.Application] = &Settings{}
	}
	m.Relations[r.ID] = r
	return r
}

// Tag is the relation's name in the API.
func (r *Relation) Tag() string { return names.NewRelationTag(r.Key).String() }

// Has says whether the application is part of the relation.
func (r *Relation) Has(application string) bool {
	return slices.ContainsFunc(r.Endpoints, func(e Endpoint) bool { return e.Application == application })
}

// IsPeer says whether the relation ties the units of one application.
func (r *Relation) IsPeer() bool { return r.Endpoints[0].Role == charm.RolePeer }

// endpoint is the application's own end; the application must be part of the relation.
func (r *Relation) endpoint(application string) Endpoint {
	i := slices.IndexFunc(r.Endpoints, func(e Endpoint) bool { return e.Application == application })
	return r.Endpoints[i]
}

// Ends are an application's own end and the application at the other one: in a peer relation both are its own.
func (r *Relation) Ends(application string) (own Endpoint, other string, err error) {
	if !r.Has(application) {
		return Endpoint{}, "", errors.NotFoundf("application %q in relation %q", application, r.Key)
	}
	own, other = r.endpoint(application), application
	for _, e := range r.Endpoints {
		if e.Application != application {
			other = e.Application
		}
	}
	return own, other, nil
}

// EnterScope makes a unit a member, with fresh settings. A member stays as it is.
func (r *Relation) EnterScope(u *Unit, settings map[string]string) error {
	if r.scope[u.Name] != nil {
		return nil
	}
	if r.Life != life.Alive {
		return errors.Errorf("cannot enter scope: unit %q in relation %q: relation is no longer alive", u.Name, r.Key)
	}
	if u.Life != life.Alive {
		return errors.Errorf("cannot enter scope: unit %q in relation %q: unit is no longer alive", u.Name, r.Key)
	}
	r.scope[u.Name] = &membership{}
	if r.units[u.Name] == nil {
		r.units[u.Name] = &Settings{}
	}
	r.units[u.Name].replace(settings)
	return nil
}

// InScope says whether the unit is a member.
func (r *Relation) InScope(unit string) bool { return r.scope[unit] != nil }

func (r *Relation) prepareLeave(unit string) {
	if s := r.scope[unit]; s != nil {
		s.departing = true
	}
}

// LeaveScope ends a unit's membership; the last member takes a dying relation with it.
func (r *Relation) LeaveScope(unit string) {
	if r.scope[unit] == nil {
		return
	}
	delete(r.scope, unit)
	if r.Life != life.Alive && len(r.scope) == 0 {
		r.remove()
	}
}

// Destroy makes the relation dying; without members it is gone at once.
func (r *Relation) Destroy() {
	r.Life = life.Dying
	if len(r.scope) == 0 {
		r.remove()
	}
}

func (r *Relation) remove() {
	r.Life = life.Dead
	delete(r.model.Relations, r.ID)
	for _, s := range r.model.Secrets {
		s.dropScope(r.Tag())
	}
	for _, e := range r.Endpoints {
		if a := r.model.Applications[e.Application]; a != nil {
			a.removeIfDone()
		}
	}
}

// Members are the versions of what a unit sees at the other end: of each unit and of the application.
func (r *Relation) Members(u *Unit) (units, applications map[string]int64) {
	units, applications = map[string]int64{}, map[string]int64{}
	_, other, err := r.Ends(u.App.Name)
	if err != nil {
		return units, applications
	}
	for name, s := range r.scope {
		application, _ := names.UnitApplication(name)
		if application == other && name != u.Name && !s.departing {
			units[name] = r.units[name].version
		}
	}
	applications[other] = r.apps[other].version
	return units, applications
}

// UnitSettings is a unit's databag; it outlives the unit's membership.
func (r *Relation) UnitSettings(unit string) (*Settings, error) {
	if s := r.units[unit]; s != nil {
		return s, nil
	}
	return nil, errors.NotFoundf("unit %q: settings", unit)
}

// AppSettings is an application's databag.
func (r *Relation) AppSettings(application string) (*Settings, error) {
	if s := r.apps[application]; s != nil {
		return s, nil
	}
	return nil, errors.NotFoundf("relation %q application %q", r.Key, application)
}

// RelationByKey finds a relation by its key.
func (m *Model) RelationByKey(key string) (*Relation, error) {
	for _, r := range m.Relations {
		if r.Key == key {
			return r, nil
		}
	}
	return nil, errors.NotFoundf("relation %q", key)
}

// Integrate relates two applications, given as "application[:endpoint]" (state/state.go, InferEndpoints and AddRelation).
func (m *Model) Integrate(a, b string) (*Relation, error) {
	endpoints, err := m.inferEndpoints(a, b)
	if err != nil {
		return nil, err
	}
	key := relationKey(endpoints)
	if r, err := m.RelationByKey(key); err == nil {
		if r.Life != life.Alive {
			return nil, errors.Errorf("cannot add relation %q: relation %s is dying, but not yet removed", key, key)
		}
		return nil, errors.Annotatef(errors.AlreadyExistsf("relation %s", key), "cannot add relation %q", key)
	}
	for _, e := range endpoints {
		if err := m.checkEnd(e); err != nil {
			return nil, errors.Annotatef(err, "cannot add relation %q", key)
		}
	}
	return m.addRelation(endpoints), nil
}

func (m *Model) checkEnd(e Endpoint) error {
	a, err := m.Application(e.Application)
	if err != nil {
		return err
	}
	if a.Life != life.Alive {
		return errors.Errorf("application %q is not alive", a.Name)
	}
	count := 1
	for _, r := range a.Relations() {
		if r.endpoint(a.Name).Name == e.Name {
			count++
		}
	}
	if e.Limit > 0 && count > e.Limit {
		return errors.QuotaLimitExceededf("establishing a new relation for %s would exceed its maximum relation limit of %d", e, e.Limit)
	}
	return nil
}

// RelationBetween finds the relation that "application[:endpoint]" and another one mean.
func (m *Model) RelationBetween(a, b string) (*Relation, error) {
	endpoints, err := m.inferEndpoints(a, b)
	if err != nil {
		return nil, err
	}
	return m.RelationByKey(relationKey(endpoints))
}

func (m *Model) inferEndpoints(a, b string) ([]Endpoint, error) {
	first, err := m.endpoints(a)
	if err != nil {
		return nil, err
	}
	second, err := m.endpoints(b)
	if err != nil {
		return nil, err
	}
	var candidates [][]Endpoint
	for _, x := range first {
		for _, y := range second {
			if relate(x, y) {
				candidates = append(candidates, []Endpoint{x, y})
			}
		}
	}
	switch len(candidates) {
	case 0:
		return nil, errors.New("no relations found")
	case 1:
		return candidates[0], nil
	}
	var keys []string
	for _, c := range candidates {
		keys = append(keys, fmt.Sprintf("%q", relationKey(c)))
	}
	slices.Sort(keys)
	return nil, errors.Errorf("ambiguous relation: %q could refer to %s", a+" "+b, strings.Join(keys, "; "))
}

func relate(x, y Endpoint) bool {
	return x.Application != y.Application && x.Interface == y.Interface && x.Role != y.Role &&
		x.Role != charm.RolePeer && y.Role != charm.RolePeer
}

func (m *Model) endpoints(name string) ([]Endpoint, error) {
	application, endpoint, named := strings.Cut(name, ":")
	if application == "" || named && endpoint == "" {
		return nil, errors.Errorf("invalid endpoint %q", name)
	}
	a, err := m.Application(application)
	if err != nil {
		return nil, err
	}
	relations := a.Charm.Archive.Meta().CombinedRelations()
	var found []Endpoint
	for _, n := range sortedKeys(relations) {
		if !named || n == endpoint {
			found = append(found, Endpoint{Application: application, Relation: relations[n]})
		}
	}
	if named && len(found) == 0 {
		return nil, errors.Errorf("application %q has no %q relation", application, endpoint)
	}
	return found, nil
}
