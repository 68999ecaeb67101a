package juju

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
	"github.com/garm-charms/garm-charms/tests/juju/internal/wire"
)

// HookError says that a unit is stuck in a failed hook, which will not be run again by itself.
type HookError struct {
	Unit    string
	Message string // as in juju status: hook failed: "config-changed"
}

// Error implements error.
func (e *HookError) Error() string { return fmt.Sprintf("unit %s is in error: %s", e.Unit, e.Message) }

// Settle waits until nothing is left to do: every unit has its pod, every agent knows all that changed and is idle, no
// hook runs or waits, every started container has had its pebble-ready. It fails with a HookError when hooks are not
// retried and one has failed, and when ctx ends, saying what each unit was doing.
func (m *Model) Settle(ctx context.Context) error { return m.Wait(ctx) }

// Wait is Settle for some units, or all units of applications; for everything when none is named.
func (m *Model) Wait(ctx context.Context, unitsOrApplications ...string) error {
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	for {
		doing, err := m.busy(unitsOrApplications)
		if err != nil || len(doing) == 0 {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("cannot settle: %w\n%s", ctx.Err(), strings.Join(doing, "\n"))
		case <-m.ctx.Done():
			return fmt.Errorf("cannot settle: %w", errGone)
		}
	}
}

// Until waits until the model's status is as asked, and says in its error what was awaited.
func (m *Model) Until(ctx context.Context, what string, met func(Status) bool) error {
	for {
		var s Status
		changed := m.state.View(func() { s = m.status() })
		if met(s) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("cannot see %s: %w\n%s", what, ctx.Err(), s)
		case <-m.ctx.Done():
			return fmt.Errorf("cannot see %s: %w", what, errGone)
		}
	}
}

// busy lists what is still to be done, one line for each unit. What it finds holds for one moment: the model did not
// change between the first look and the last.
func (m *Model) busy(of []string) ([]string, error) {
	if err := m.log.firstFailure(); err != nil {
		return nil, err
	}
	units, doing, changed := m.look(of)
	if len(doing) > 0 {
		return doing, nil
	}
	var failed error
	for _, u := range units {
		what, stuck := m.unitBusy(u)
		if what != "" {
			doing = append(doing, u.name+": "+what)
		}
		if stuck != nil && failed == nil {
			failed = stuck
		}
	}
	if len(doing) > 0 {
		return doing, nil
	}
	if m.state.View(func() {}) != changed {
		return []string{"the model changes"}, nil
	}
	return nil, failed
}

type seen struct {
	name  string
	agent state.Status
	retry bool
}

// look reads from the model what must be done, without asking agents.
func (m *Model) look(of []string) (units []seen, doing []string, changed <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	changed = m.state.View(func() {
		for _, u := range m.state.AllUnits() {
			if len(of) > 0 && !slices.Contains(of, u.Name) && !slices.Contains(of, u.App.Name) {
				continue
			}
			units = append(units, seen{name: u.Name, agent: u.Agent, retry: m.state.Config.AutomaticallyRetryHooks()})
			if m.rolling[u.App.Name] > 0 {
				doing = append(doing, u.Name+": its application is being refreshed")
				continue
			}
			if what := m.undone(u); what != "" {
				doing = append(doing, u.Name+": "+what)
			}
		}
		if len(of) == 0 && len(units) < len(m.keepers) {
			doing = append(doing, "pods of removed units end")
		}
	})
	return units, doing, changed
}

// undone is what the model knows to be left to do for a unit.
func (m *Model) undone(u *state.Unit) string {
	k := m.keepers[u.Name]
	switch {
	case k == nil || k.pod == nil:
		return "has no pod yet"
	case u.Life != "alive" && u.Agent.Status != "error":
		return "is " + string(u.Life)
	case k.pod.lastAgent().session.Undelivered():
		return "has not been told of a change"
	case u.Agent.Status != "idle" && u.Agent.Status != "error":
		return strings.TrimSpace(u.Agent.Status + " " + u.Agent.Message)
	}
	return ""
}

// unitBusy asks the unit's agent. stuck is its error when it waits for an operator.
func (m *Model) unitBusy(u seen) (doing string, stuck error) {
	m.mu.Lock()
	k := m.keepers[u.name]
	var p *pod
	if k != nil {
		p = k.pod
	}
	m.mu.Unlock()
	if p == nil {
		return "has no pod", nil
	}
	session := p.lastAgent().session
	var rest wire.Rest
	if err := session.Call("Rest", nil, &rest); err != nil {
		return "its agent does not answer: " + err.Error(), nil
	}
	switch {
	case !rest.Idle:
		return strings.TrimSpace("works " + rest.Doing), nil
	case rest.LongPolls != session.Parked():
		return "has a call under way", nil
	case u.agent.Status == "error" && u.retry:
		return u.agent.Message, nil
	case u.agent.Status == "error":
		return "", &HookError{Unit: u.name, Message: u.agent.Message}
	}
	return p.unready(), nil
}

// unready names a container whose start the charm has not dealt with.
func (p *pod) unready() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, c := range p.containers {
		if p.boots[name] != c.boot {
			return "waits for " + name + "-pebble-ready"
		}
	}
	return ""
}
