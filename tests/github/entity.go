package github

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Entity names an organisation, a repository or an enterprise, by the beginning of its path in the REST API and in lower
// case, since GitHub's names are the same in any case: "orgs/acme", "repos/acme/widgets", "enterprises/acme".
type Entity string

// Organization names an organisation.
func Organization(name string) Entity { return Entity("orgs/" + strings.ToLower(name)) }

// Repository names a repository.
func Repository(owner, name string) Entity {
	return Entity("repos/" + strings.ToLower(owner) + "/" + strings.ToLower(name))
}

// Enterprise names an enterprise by its slug.
func Enterprise(slug string) Entity { return Entity("enterprises/" + strings.ToLower(slug)) }

// ParseEntity checks the form of an entity's name.
func ParseEntity(name string) (Entity, error) {
	parts := strings.Split(strings.ToLower(name), "/")
	want := map[string]int{"orgs": 2, "repos": 3, "enterprises": 2}[parts[0]]
	if len(parts) != want || slices.Contains(parts, "") {
		return "", fmt.Errorf("cannot use %q as an entity: want orgs/NAME, repos/OWNER/NAME or enterprises/SLUG", name)
	}
	return Entity(strings.Join(parts, "/")), nil
}

// entityAt reads the entity from a forge URL's path: /acme, /acme/widgets or /enterprises/acme.
func entityAt(path string) Entity {
	owner, name, isRepository := strings.Cut(strings.Trim(path, "/"), "/")
	switch {
	case owner == "enterprises":
		return Enterprise(name)
	case isRepository:
		return Repository(owner, name)
	default:
		return Organization(owner)
	}
}

// owner is the organisation that a repository belongs to, and "" for anything else.
func (e Entity) owner() Entity {
	parts := strings.Split(string(e), "/")
	if parts[0] != "repos" {
		return ""
	}
	return Organization(parts[1])
}

func (e Entity) isEnterprise() bool { return strings.HasPrefix(string(e), "enterprises/") }

// defaultGroup is the runner group that everything has.
const defaultGroup = "Default"

type entity struct {
	name   Entity
	tenant string   // its path in the Actions service
	groups []string // names of its runner groups; a group's id is its index + 1
}

func (e *entity) groupID(name string) (int64, bool) {
	index := slices.IndexFunc(e.groups, func(group string) bool { return strings.EqualFold(group, name) })
	return int64(index) + 1, index >= 0
}

func (e *entity) group(id int64) (string, bool) {
	if id < 1 || id > int64(len(e.groups)) {
		return "", false
	}
	return e.groups[id-1], true
}

// AddEntity makes an organisation, repository or enterprise exist, with the group Default and the runner groups named. A
// repository has no groups of its own. What exists keeps its scale sets and gets the groups it has not yet.
func (s *Server) AddEntity(name Entity, groups ...string) error {
	if _, err := ParseEntity(string(name)); err != nil {
		return err
	}
	if name.owner() != "" && len(groups) > 0 {
		return fmt.Errorf("cannot add runner groups to %s: a repository has none", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entities[name]
	if !ok {
		e = &entity{name: name, tenant: rand.Text(), groups: []string{defaultGroup}}
		s.entities[name] = e
	}
	for _, group := range groups {
		if _, ok := e.groupID(group); !ok {
			e.groups = append(e.groups, group)
		}
	}
	return nil
}

// entityOf returns the entity that the REST request's path names.
func (s *Server) entityOf(r *http.Request) (*entity, bool) {
	var name Entity
	switch {
	case r.PathValue("org") != "":
		name = Organization(r.PathValue("org"))
	case r.PathValue("enterprise") != "":
		name = Enterprise(r.PathValue("enterprise"))
	default:
		name = Repository(r.PathValue("owner"), r.PathValue("repo"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entities[name]
	return e, ok
}
