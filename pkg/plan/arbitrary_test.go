package plan_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/plan"
)

// arbitrary makes small states in which names meet.
type arbitrary struct{ *rand.Rand }

func (a arbitrary) yes() bool { return a.IntN(2) == 0 }

func pick[T any](a arbitrary, from []T) T { return from[a.IntN(len(from))] }

func (a arbitrary) some(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, name := range names {
		if a.IntN(3) > 0 {
			m[name] = true
		}
	}
	if a.IntN(3) > 0 {
		delete(m, names[0])
	}
	return m
}

func (a arbitrary) description(name string) string {
	if a.IntN(4) == 0 {
		return "made by hand"
	}
	return desired.Mark(name, strconv.Itoa(a.IntN(2)))
}

func (a arbitrary) settings(templates ...string) desired.Settings {
	return desired.Settings{
		Image: pick(a, []string{"i0", "i1"}), Flavor: "m1", OSArch: "amd64", RunnerGroup: "Default", ExtraSpecs: "{}",
		MinIdle: a.IntN(2), Max: 1 + a.IntN(2), Enabled: true, Template: pick(a, templates),
	}
}

// endpointOf is a credential's: it never changes.
func endpointOf(credential string) string {
	return map[string]string{"c0": desired.GitHubCom, "c1": "e1", "c2": "e2", "c3": "e3"}[credential]
}

func (a arbitrary) endpoint(name string) desired.Endpoint {
	return desired.Endpoint{Name: name, BaseURL: pick(a, []string{"https://u0", "https://u1"}), CACertificate: pick(a, []string{"", "", "", "ca"})}
}

func (a arbitrary) organization(name string, credentials []desired.Credential) desired.Entity {
	credential := pick(a, credentials)
	return desired.Entity{EntityRef: desired.NewEntityRef(desired.KindOrganization, name, credential.Endpoint), Credential: credential.Name}
}

// garm is a state that GARM can be in: what is referred to is there.
func (a arbitrary) garm() desired.State {
	var s desired.State
	id := uint(0)
	next := func() uint { id++; return id }
	a.forge(&s, next)
	templates := []string{""}
	for _, name := range []string{"t-s0", "t-s1", "t-s2"} {
		if a.yes() {
			s.Templates = append(s.Templates, desired.Template{ID: next(), Name: name, Description: a.description(name)})
			templates = append(templates, name)
		}
	}
	for _, name := range []string{"o0", "o1", "o2"} {
		if !a.yes() {
			continue
		}
		e := a.organization(name, s.Credentials)
		e.ID = strconv.Itoa(int(next()))
		s.Entities = append(s.Entities, e)
		for _, name := range []string{"s0", "s1", "s2"} {
			if a.yes() {
				s.ScaleSets = append(s.ScaleSets, a.scaleSetInGARM(next(), e.EntityRef, name, templates))
			}
		}
	}
	s.Sort()
	return s
}

// forge makes the credentials, one at least, and the endpoints that they are of. GARM's own may have been deleted.
func (a arbitrary) forge(s *desired.State, next func() uint) {
	isDeleted := a.IntN(4) == 0
	always := "c0"
	if isDeleted {
		always = "c1"
	} else {
		s.Endpoints = []desired.Endpoint{{Name: desired.GitHubCom, Description: "GARM's own"}}
	}
	for _, name := range []string{"c0", "c1", "c2"} {
		if (!a.yes() && name != always) || (isDeleted && name == "c0") {
			continue
		}
		s.Credentials = append(s.Credentials, desired.Credential{ID: next(), Name: name, Description: a.description(name), Endpoint: endpointOf(name)})
		if name != "c0" {
			e := a.endpoint(endpointOf(name))
			e.Description = a.description(e.Name)
			s.Endpoints = append(s.Endpoints, e)
		}
	}
}

func (a arbitrary) scaleSetInGARM(id uint, entity desired.EntityRef, name string, templates []string) desired.ScaleSet {
	set := desired.ScaleSet{
		ScaleSetKey: desired.ScaleSetKey{Entity: entity, Name: name}, ID: id,
		Settings: a.settings(templates...), Provider: pick(a, []string{"p0", "p1"}), Labels: pick(a, []string{"", "x"}),
	}
	set.Enabled = a.yes()
	for i := range a.IntN(3) {
		set.Runners = append(set.Runners, desired.Runner{
			Name: fmt.Sprintf("r%d-%d", id, i), Phase: pick(a, []desired.Phase{desired.Idle, desired.Idle, desired.Busy, desired.Moving, desired.Failed}),
			Created: time.Unix(int64(a.IntN(4)), 0),
		})
	}
	set.Recipe, set.Changed = pick(a, []string{"", "new"}), time.Unix(2, 0)
	if !set.Enabled && a.yes() {
		set.MinIdle, set.Max = 0, 0
	}
	return set
}

// wanted is what declarations can ask for: one application has one scale set, and one template has one user.
func (a arbitrary) wanted() desired.State {
	var s desired.State
	for _, name := range []string{"c0", "c1", "c3"} {
		s.Credentials = append(s.Credentials, desired.Credential{Name: name, Description: desired.Mark(name, strconv.Itoa(a.IntN(2))), Endpoint: endpointOf(name)})
	}
	used := map[string]bool{}
	application := 2 // a0 and a1 may be held, and declare nothing then
	for _, name := range []string{"o0", "o1", "o3"} {
		e := a.organization(name, s.Credentials)
		for _, name := range []string{"s0", "s1", "s3"} {
			if a.IntN(3) > 0 {
				continue
			}
			application++
			set := desired.ScaleSet{
				ScaleSetKey: desired.ScaleSetKey{Entity: e.EntityRef, Name: name}, Application: fmt.Sprintf("a%d", application),
				Settings: a.settings("", "t-"+name), Provider: pick(a, []string{"p0", "p1", "p2"}),
			}
			if used[set.Template] {
				set.Template = ""
			}
			used[set.Template] = true
			s.ScaleSets = append(s.ScaleSets, set)
		}
		if slices.ContainsFunc(s.ScaleSets, func(set desired.ScaleSet) bool { return set.Entity == e.EntityRef }) {
			s.Entities = append(s.Entities, e)
		}
	}
	s.Credentials = slices.DeleteFunc(s.Credentials, func(c desired.Credential) bool {
		return !slices.ContainsFunc(s.Entities, func(e desired.Entity) bool { return e.Credential == c.Name })
	})
	for _, c := range s.Credentials {
		if c.Endpoint != desired.GitHubCom {
			e := a.endpoint(c.Endpoint)
			e.Description = desired.Mark(e.Name, e.BaseURL, e.CACertificate)
			s.Endpoints = append(s.Endpoints, e)
		}
	}
	delete(used, "")
	for _, name := range slices.Sorted(maps.Keys(used)) {
		s.Templates = append(s.Templates, desired.Template{Name: name, Description: desired.Mark(name, strconv.Itoa(a.IntN(2)))})
	}
	s.Sort()
	return s
}

func (a arbitrary) inventory(s desired.State) plan.Inventory {
	inventory := plan.Inventory{Entities: map[string]bool{}, ScaleSets: map[uint]plan.Owned{}}
	for _, e := range s.Entities {
		if a.IntN(3) > 0 {
			inventory.Entities[e.ID] = true
		}
	}
	for _, set := range s.ScaleSets {
		if a.IntN(3) > 0 {
			inventory.ScaleSets[set.ID] = plan.Owned{
				Application: pick(a, []string{"a0", "a1", "a9"}), Provider: set.Provider, Recipe: pick(a, []string{"", "old", "new"}), Since: time.Unix(int64(a.IntN(3)), 0),
			}
		}
	}
	return inventory
}
