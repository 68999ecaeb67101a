package state

import (
	"fmt"
	"time"

	"github.com/juju/charm/v12"
	"github.com/juju/errors"
	"github.com/juju/juju/core/life"
	"github.com/juju/juju/core/status"
	"github.com/juju/juju/rpc/params"
)

// Unit is one of an application's.
type Unit struct {
	Name   string
	Number int
	App    *Application
	Life   Life
	// Address is that of the unit's pod, empty without one.
	Address string
	// CharmURL is the charm that the unit's agent runs.
	CharmURL        string
	Agent           Status
	Workload        Status
	WorkloadVersion string
	Resolved        params.ResolvedMode
	State           params.UnitStateResult
	Ports           map[Port]bool
	Storages        map[string]*Storage // by id
}

// Port is a range that a unit has opened.
type Port struct {
	Endpoint, Protocol string
	From, To           int
}

// AddUnit adds the unit with the next free number (Kubernetes numbers its pods 0 to n-1).
func (a *Application) AddUnit() *Unit {
	n := 0
	for a.Units[n] != nil {
		n++
	}
	now := time.Now()
	u := &Unit{
		Name: fmt.Sprintf("%s/%d", a.Name, n), Number: n, App: a, Life: life.Alive,
		Agent:    Status{Status: string(status.Allocating), Since: now},
		Workload: Status{Status: string(status.Waiting), Message: status.MessageInstallingAgent, Since: now},
		Resolved: params.ResolvedNone,
		Ports:    map[Port]bool{},
		Storages: map[string]*Storage{},
	}
	a.Units[n] = u
	a.attachStorage(u)
	a.elect()
	return u
}

// IsLeader says whether the unit holds its application's lease.
func (u *Unit) IsLeader() bool { return u.App.Leader == u.Name }

// charm is the one that the unit runs, or is about to.
func (u *Unit) charm() *Charm {
	if c, ok := u.App.charms[u.CharmURL]; ok {
		return c
	}
	return u.App.Charm
}

// Settings is what config-get sees: until the unit's pod is replaced, what was set for its old charm.
func (u *Unit) Settings() charm.Settings { return u.App.settings(u.charm()) }

// ConfigHash changes with the options that were set for the unit's charm.
func (u *Unit) ConfigHash() string { return hash(u.charm().URL, u.App.config[u.charm().URL]) }

// ShownStatus is the workload's status in juju status: a failed hook shows in the place of what the charm said.
func (u *Unit) ShownStatus() Status {
	if u.Agent.Status == string(status.Error) {
		return u.Agent
	}
	return u.Workload
}

// Destroy makes the unit dying: others see it depart, its agent winds up.
func (u *Unit) Destroy() {
	if u.Life != life.Alive {
		return
	}
	u.Life = life.Dying
	for _, r := range u.App.Relations() {
		r.prepareLeave(u.Name)
	}
	for _, s := range u.Storages {
		s.Life = life.Dying
	}
}

// EnsureDead ends the unit's life; its agent has done all it had to do.
func (u *Unit) EnsureDead() error {
	if len(u.Storages) > 0 {
		return errors.Errorf("unit %q has attached storage", u.Name)
	}
	u.Life = life.Dead
	return nil
}

// Remove takes a unit out of the model, and its application with the last one when that is dying too.
func (u *Unit) Remove() {
	a := u.App
	for _, r := range a.Relations() {
		r.LeaveScope(u.Name)
	}
	a.model.forget("unit-" + dashed(u.Name))
	delete(a.Units, u.Number)
	if a.Leader == u.Name {
		a.Leader = ""
		a.elect()
	}
	a.removeIfDone()
}

// Destroy makes the application dying, with its relations and units.
func (a *Application) Destroy() {
	if a.Life != life.Alive {
		return
	}
	a.Life = life.Dying
	for _, r := range a.Relations() {
		if !r.IsPeer() {
			r.Destroy()
		}
	}
	for _, u := range a.SortedUnits() {
		u.Destroy()
	}
	a.removeIfDone()
}

func (a *Application) removeIfDone() {
	if a.Life == life.Alive || len(a.Units) > 0 {
		return
	}
	for _, r := range a.Relations() {
		if r.IsPeer() {
			r.remove()
		}
	}
	if len(a.Relations()) > 0 {
		return
	}
	a.model.forget("application-" + a.Name)
	delete(a.model.Applications, a.Name)
}

// SetPorts opens and closes ranges.
func (u *Unit) SetPorts(open, closed []Port) {
	for _, p := range open {
		u.Ports[p] = true
	}
	for _, p := range closed {
		delete(u.Ports, p)
	}
}
