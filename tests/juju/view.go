package juju

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
)

// UnitInfo is what juju show-unit shows.
type UnitInfo struct {
	Unit      string         `yaml:"-"`
	Charm     string         `yaml:"charm"`
	Leader    bool           `yaml:"leader"`
	Address   string         `yaml:"address"`
	Relations []RelationInfo `yaml:"relation-info"`
}

// RelationInfo is a relation with its databags, seen from one unit.
type RelationInfo struct {
	ID              int    `yaml:"relation-id"`
	Endpoint        string `yaml:"endpoint"`
	RelatedEndpoint string `yaml:"related-endpoint"`
	// Application is the application's databag at the other end, LocalApplication the own one's.
	Application      map[string]string `yaml:"application-data"`
	LocalApplication map[string]string `yaml:"local-application-data"`
	Local            map[string]string `yaml:"local-unit"`
	// Units are the databags of the units at the other end that are members now.
	Units map[string]map[string]string `yaml:"related-units"`
}

// ShowUnit is juju show-unit.
func (m *Model) ShowUnit(_ context.Context, unit string) (UnitInfo, error) {
	var info UnitInfo
	err := m.view(func() error {
		u, err := m.state.Unit(unit)
		if err != nil {
			return fmt.Errorf("cannot show unit: %w", err)
		}
		info = UnitInfo{Unit: unit, Charm: u.App.Charm.URL, Leader: u.IsLeader(), Address: u.Address}
		for _, r := range u.App.Relations() {
			i, err := relationInfo(r, u)
			if err != nil {
				return fmt.Errorf("cannot show unit %s: %w", unit, err)
			}
			info.Relations = append(info.Relations, i)
		}
		return nil
	})
	return info, err
}

func relationInfo(r *state.Relation, u *state.Unit) (RelationInfo, error) {
	own, other, err := r.Ends(u.App.Name)
	if err != nil {
		return RelationInfo{}, err
	}
	info := RelationInfo{ID: r.ID, Endpoint: own.Name, RelatedEndpoint: own.Name, Units: map[string]map[string]string{}}
	for _, e := range r.Endpoints {
		if e.Application == other {
			info.RelatedEndpoint = e.Name
		}
	}
	units, _ := r.Members(u)
	for name := range units {
		settings, err := r.UnitSettings(name)
		if err != nil {
			return info, err
		}
		info.Units[name] = settings.Values()
	}
	for application, to := range map[string]*map[string]string{other: &info.Application, own.Application: &info.LocalApplication} {
		settings, err := r.AppSettings(application)
		if err != nil {
			return info, err
		}
		*to = settings.Values()
	}
	if r.IsPeer() {
		info.Application = maps.Clone(info.LocalApplication)
	}
	if settings, err := r.UnitSettings(u.Name); err == nil {
		info.Local = settings.Values()
	}
	return info, nil
}

// ActionResult is how an action ended.
type ActionResult struct {
	Status  string // completed, failed
	Message string
	// Results holds what action-set has set, and the action's return-code, stdout and stderr.
	Results map[string]any
	Log     []string // of action-log
}

// Run is juju run: it runs an action on a unit, or on the leader ("application/leader"), and waits for its end.
func (m *Model) Run(ctx context.Context, unit, action string, args map[string]any) (ActionResult, error) {
	if args == nil {
		args = map[string]any{}
	}
	var a *state.Action
	err := m.state.Update(func() error {
		var err error
		if application, leader := strings.CutSuffix(unit, "/leader"); leader {
			app, err := m.state.Application(application)
			if err != nil {
				return err
			}
			unit = app.Leader
		}
		a, err = m.state.Enqueue(unit, action, args)
		return err
	})
	if err != nil {
		return ActionResult{}, fmt.Errorf("cannot run %s on %s: %w", action, unit, err)
	}
	for {
		var result ActionResult
		done := false
		changed := m.state.View(func() { result, done = actionResult(a), a.Done() })
		if done {
			return result, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return result, fmt.Errorf("cannot run %s on %s: %w", action, unit, ctx.Err())
		case <-m.ctx.Done():
			return result, fmt.Errorf("cannot run %s on %s: %w", action, unit, errGone)
		}
	}
}

func actionResult(a *state.Action) ActionResult {
	result := ActionResult{Status: a.Status, Message: a.Message, Results: maps.Clone(a.Results)}
	for _, l := range a.Log {
		result.Log = append(result.Log, l.Message)
	}
	return result
}
