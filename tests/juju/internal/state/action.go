package state

import (
	"fmt"
	"time"

	"github.com/juju/errors"
	"github.com/juju/juju/core/life"
	"github.com/juju/juju/rpc/params"
)

// Action is one run of a charm's action on a unit.
type Action struct {
	ID      string
	Unit    string
	Name    string
	Params  map[string]any
	Status  string // pending, running, completed, failed
	Message string
	Results map[string]any
	Log     []LogLine
	// Parallel and Group are the charm's wish of how to run it.
	Parallel bool
	Group    string
}

// LogLine is a message at a time.
type LogLine struct {
	Time    time.Time
	Message string
}

// Enqueue checks an action against the charm's actions.yaml and queues it for the unit.
func (m *Model) Enqueue(unit, name string, given map[string]any) (*Action, error) {
	u, err := m.Unit(unit)
	if err != nil {
		return nil, err
	}
	if u.Life == life.Dead {
		return nil, errors.Errorf("unit %q is dead", unit)
	}
	actions := u.App.Charm.Archive.Actions()
	spec, ok := actions.ActionSpecs[name]
	if !ok {
		return nil, errors.Errorf("action %q not defined on unit %q", name, unit)
	}
	if err := spec.ValidateParams(given); err != nil {
		return nil, err
	}
	filled, err := spec.InsertDefaults(given)
	if err != nil {
		return nil, err
	}
	a := &Action{
		ID: fmt.Sprint(m.next("task", 1)), Unit: unit, Name: name, Params: filled,
		Status: params.ActionPending, Parallel: spec.Parallel, Group: spec.ExecutionGroup,
	}
	m.Actions[a.ID] = a
	return a, nil
}

// Finish records how an action ended.
func (a *Action) Finish(status, message string, results map[string]any) error {
	if a.Status == params.ActionCompleted || a.Status == params.ActionFailed {
		return errors.AlreadyExistsf("action %q: finished status", a.ID)
	}
	a.Status, a.Message, a.Results = status, message, results
	return nil
}

// Done says whether the action ended.
func (a *Action) Done() bool {
	return a.Status != params.ActionPending && a.Status != params.ActionRunning
}
