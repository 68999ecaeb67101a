// Package state is a Juju model in memory: applications, units, relations, secrets, storage and actions, with the rules
// that Juju's own state package and API server lay on them (github.com/juju/juju, state and apiserver/facades).
//
// It knows nothing of processes, connections or files.
package state

import (
	"sync"
	"time"

	"github.com/juju/errors"
	"github.com/juju/juju/core/life"
	"github.com/juju/juju/environs/config"
	"github.com/juju/names/v5"
	"github.com/juju/version/v2"
)

// Model is the whole of it. Its fields and all that hangs on them may only be touched within View or Update.
type Model struct {
	Name    string
	UUID    string
	Version version.Number // Juju's, as the agents report it

	Config       *config.Config
	Applications map[string]*Application
	Relations    map[int]*Relation
	Secrets      map[string]*Secret // by the id of their URI
	Actions      map[string]*Action

	mu      sync.Mutex
	changed chan struct{}
	serial  map[string]int
}

// New is an empty model of the given name.
func New(name, uuid string, juju version.Number, attributes *config.Config) *Model {
	return &Model{
		Name:         name,
		UUID:         uuid,
		Version:      juju,
		Config:       attributes,
		Applications: map[string]*Application{},
		Relations:    map[int]*Relation{},
		Secrets:      map[string]*Secret{},
		Actions:      map[string]*Action{},
		changed:      make(chan struct{}),
		serial:       map[string]int{},
	}
}

// Update runs f with the model to itself and wakes everybody who waits for a change.
func (m *Model) Update(f func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer func() {
		close(m.changed)
		m.changed = make(chan struct{})
	}()
	return f()
}

// View runs f with the model to itself; f must change nothing. The channel is closed at the next Update.
func (m *Model) View(f func()) (changed <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
	return m.changed
}

// next counts things of one kind, from first.
func (m *Model) next(kind string, first int) int {
	n, ok := m.serial[kind]
	if !ok {
		n = first
	}
	m.serial[kind] = n + 1
	return n
}

// Application finds an application by name.
func (m *Model) Application(name string) (*Application, error) {
	if a, ok := m.Applications[name]; ok {
		return a, nil
	}
	return nil, errors.NotFoundf("application %q", name)
}

// Unit finds a unit by name.
func (m *Model) Unit(name string) (*Unit, error) {
	if application, err := names.UnitApplication(name); err == nil {
		if a, ok := m.Applications[application]; ok {
			if u, ok := a.Units[names.NewUnitTag(name).Number()]; ok {
				return u, nil
			}
		}
	}
	return nil, errors.NotFoundf("unit %q", name)
}

// AllUnits lists the units of all applications, by application and number.
func (m *Model) AllUnits() []*Unit {
	var all []*Unit
	for _, name := range sortedKeys(m.Applications) {
		all = append(all, m.Applications[name].SortedUnits()...)
	}
	return all
}

// Status is what juju status tells of one thing.
type Status struct {
	Status  string
	Message string
	Data    map[string]any
	Since   time.Time
}

// Life is alive, dying or dead.
type Life = life.Value
