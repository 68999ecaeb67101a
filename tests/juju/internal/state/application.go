package state

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/juju/charm/v12"
	"github.com/juju/errors"
	"github.com/juju/juju/core/assumes"
	"github.com/juju/juju/core/life"
	"github.com/juju/juju/core/secrets"
	"github.com/juju/juju/core/status"
	"github.com/juju/names/v5"
)

// Charm is one uploaded charm archive.
type Charm struct {
	URL     string
	Path    string // of the archive
	SHA256  string // of the archive, in hex
	Archive *charm.CharmArchive
}

// Application is a deployed charm.
type Application struct {
	Name string
	// Deployment tells it from others of that name, before and after it. Kubernetes gives each volumes of its own.
	Deployment int
	Life       Life
	Charm      *Charm
	// Version grows with each charm or resource; the pods are made for one version and replaced when it grows.
	Version int
	Trust   bool
	// StorageSizes says which storages were asked for, and how large.
	StorageSizes map[string]string
	Resources    map[string]string
	Units        map[int]*Unit
	// Leader is the name of the unit that holds the lease; empty when nobody does.
	Leader         string
	LeaderSettings Settings
	// Status is what the leader said of the application.
	Status Status

	model *Model
	// Each charm that the application has had keeps the options that were set for it: units that still run it see them.
	charms map[string]*Charm         // by URL
	config map[string]charm.Settings // what the operator has set, by URL
}

// SortedUnits lists the units by number.
func (a *Application) SortedUnits() []*Unit {
	var units []*Unit
	for _, n := range sortedKeys(a.Units) {
		units = append(units, a.Units[n])
	}
	return units
}

// Relations lists the application's relations by id.
func (a *Application) Relations() []*Relation {
	var relations []*Relation
	for _, id := range sortedKeys(a.model.Relations) {
		if r := a.model.Relations[id]; r.Has(a.Name) {
			relations = append(relations, r)
		}
	}
	return relations
}

// Settings are the options of the application's charm: its defaults and what was set.
func (a *Application) Settings() charm.Settings { return a.settings(a.Charm) }

func (a *Application) settings(c *Charm) charm.Settings {
	settings := c.Archive.Config().DefaultSettings()
	for name, value := range a.config[c.URL] {
		if value != nil {
			settings[name] = value
		}
	}
	return settings
}

// TrustHash changes with the trust given to the application.
func (a *Application) TrustHash() string { return hash(a.Name, map[string]bool{"trust": a.Trust}) }

func hash(name string, value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("cannot encode settings of %s: %v", name, err)) // options are strings, numbers and booleans
	}
	return fmt.Sprintf("%x", sha256.Sum256(append([]byte(name), text...)))
}

// SetConfig sets options, given as an operator types them, and resets others. It changes nothing on error.
func (a *Application) SetConfig(set map[string]string, reset []string) error {
	config := a.Charm.Archive.Config()
	settings, err := ParseConfig(config, set)
	if err != nil {
		return err
	}
	for _, name := range reset {
		if _, ok := config.Options[name]; !ok {
			return errors.Errorf("unknown option %q", name)
		}
		settings[name] = nil
	}
	for name, value := range settings {
		if value == nil {
			delete(a.config[a.Charm.URL], name)
		} else {
			a.config[a.Charm.URL][name] = value
		}
	}
	return nil
}

// ParseConfig turns what an operator typed into values of the options' types (apiserver/facades/client/application).
func ParseConfig(config *charm.Config, typed map[string]string) (charm.Settings, error) {
	settings, err := config.ParseSettingsStrings(typed) // never nil
	if err != nil {
		return nil, errors.Annotate(err, "parsing settings for application")
	}
	for name, value := range settings {
		text, ok := value.(string)
		if config.Options[name].Type != "secret" || !ok || text == "" {
			continue
		}
		if _, err := secrets.ParseURI(text); err != nil {
			return nil, errors.Annotatef(err, "invalid secret URI for option %q", name)
		}
	}
	return settings, nil
}

// Deployment is what juju deploy asks for.
type Deployment struct {
	Application string
	Charm       *Charm
	Units       int
	Config      map[string]string
	Storage     map[string]string
	Resources   map[string]string
	Trust       bool
}

// Deploy adds an application with its peer relations and units.
func (m *Model) Deploy(d Deployment) (*Application, error) {
	if err := m.checkDeployment(d); err != nil {
		return nil, err
	}
	config, err := ParseConfig(d.Charm.Archive.Config(), d.Config)
	if err != nil {
		return nil, err
	}
	a := &Application{
		Name: d.Application, Deployment: m.next("deployments", 0), Life: life.Alive, Charm: d.Charm, Trust: d.Trust,
		StorageSizes: d.Storage, Resources: d.Resources, Units: map[int]*Unit{}, model: m,
		charms: map[string]*Charm{d.Charm.URL: d.Charm}, config: map[string]charm.Settings{d.Charm.URL: config},
	}
	m.Applications[a.Name] = a
	for _, name := range sortedKeys(d.Charm.Archive.Meta().Peers) {
		m.addRelation([]Endpoint{{Application: a.Name, Relation: d.Charm.Archive.Meta().Peers[name]}})
	}
	for range d.Units {
		a.AddUnit()
	}
	return a, nil
}

func (m *Model) checkDeployment(d Deployment) error {
	if !names.IsValidApplication(d.Application) {
		return errors.NotValidf("application name %q", d.Application)
	}
	if _, ok := m.Applications[d.Application]; ok {
		return errors.AlreadyExistsf("application %q", d.Application)
	}
	if err := m.CheckCharm(d.Charm); err != nil {
		return err
	}
	return checkStorage(d.Charm.Archive.Meta(), d.Storage)
}

// CheckCharm refuses a charm that this model cannot run.
func (m *Model) CheckCharm(c *Charm) error {
	tree := c.Archive.Meta().Assumes
	if tree == nil {
		return nil
	}
	var features assumes.FeatureSet
	features.Add(
		assumes.Feature{Name: "juju", Description: assumes.UserFriendlyFeatureDescriptions["juju"], Version: &m.Version},
		assumes.Feature{Name: "k8s-api", Description: assumes.UserFriendlyFeatureDescriptions["k8s-api"]},
	)
	return features.Satisfies(tree)
}

// Refresh puts another charm under the application.
func (a *Application) Refresh(c *Charm, resources map[string]string) error {
	if err := a.checkRefresh(c); err != nil {
		return err
	}
	a.config[c.URL] = c.Archive.Config().FilterSettings(a.config[a.Charm.URL])
	a.charms[c.URL] = c
	a.Charm, a.Version = c, a.Version+1
	maps.Copy(a.Resources, resources)
	peers := c.Archive.Meta().Peers
	for _, name := range sortedKeys(peers) {
		if !a.hasPeer(name) {
			a.model.addRelation([]Endpoint{{Application: a.Name, Relation: peers[name]}})
		}
	}
	return nil
}

// checkRefresh refuses a charm that does not fit what the application has (state/application.go, SetCharm).
func (a *Application) checkRefresh(c *Charm) error {
	if err := a.model.CheckCharm(c); err != nil {
		return err
	}
	for _, r := range a.Relations() {
		if !r.endpoint(a.Name).ImplementedBy(c.Archive) {
			return errors.Errorf("cannot upgrade application %q to charm %q: would break relation %q", a.Name, c.URL, r.Key)
		}
	}
	before, after := a.Charm.Archive.Meta().Storage, c.Archive.Meta().Storage
	if name := missing(before, after); name != "" {
		return errors.Errorf("cannot upgrade application %q to charm %q: required storage %q removed", a.Name, c.URL, name)
	}
	if name := missing(after, before); name != "" {
		return errors.Errorf("cannot upgrade application %q to charm %q: required storage %q added", a.Name, c.URL, name)
	}
	return nil
}

// missing names a storage that must be there and is not.
func missing(required, have map[string]charm.Storage) string {
	for _, name := range sortedKeys(required) {
		if _, ok := have[name]; !ok && required[name].CountMin > 0 {
			return name
		}
	}
	return ""
}

func (a *Application) hasPeer(name string) bool {
	for _, r := range a.Relations() {
		if r.IsPeer() && r.Endpoints[0].Name == name {
			return true
		}
	}
	return false
}

// SetLeader gives the lease to a unit of the application.
func (a *Application) SetLeader(unit string) error {
	u, err := a.model.Unit(unit)
	if err != nil {
		return err
	}
	if u.App != a || u.Life != life.Alive {
		return errors.Errorf("unit %q cannot lead %q", unit, a.Name)
	}
	a.Leader = unit
	return nil
}

// elect gives the lease to the first unit that lives, when nobody holds it.
func (a *Application) elect() {
	if a.Leader != "" {
		return
	}
	for _, u := range a.SortedUnits() {
		if u.Life == life.Alive {
			a.Leader = u.Name
			return
		}
	}
}

// DerivedStatus is the application's status in juju status: what the leader set, else the worst of the units'.
func (a *Application) DerivedStatus() Status {
	if a.Status.Status != "" {
		return a.Status
	}
	var units []status.StatusInfo
	for _, u := range a.SortedUnits() {
		s := u.ShownStatus()
		units = append(units, status.StatusInfo{
			Status: status.Status(s.Status), Message: s.Message, Data: s.Data, Since: &s.Since,
		})
	}
	worst := status.DeriveStatus(units)
	derived := Status{Status: string(worst.Status), Message: worst.Message, Data: worst.Data}
	if worst.Since != nil {
		derived.Since = *worst.Since
	}
	return derived
}
