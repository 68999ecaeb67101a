package api

import (
	"github.com/juju/errors"
	apiservererrors "github.com/juju/juju/apiserver/errors"
	"github.com/juju/juju/core/network"
	"github.com/juju/juju/rpc/params"
	"github.com/juju/names/v5"

	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
)

// relation finds a relation by tag; an unknown one looks like a forbidden one.
func (f *Uniter) relation(tag string) (*state.Relation, error) {
	t, err := names.ParseRelationTag(tag)
	if err != nil {
		return nil, apiservererrors.ErrPerm
	}
	r, err := f.s.model.RelationByKey(t.Id())
	if err != nil {
		return nil, apiservererrors.ErrPerm
	}
	return r, nil
}

// relationUnit finds a relation and the session's own unit, whose application must be part of it.
func (f *Uniter) relationUnit(relation, unit string) (*state.Relation, *state.Unit, error) {
	r, err := f.relation(relation)
	if err != nil {
		return nil, nil, err
	}
	u, err := f.s.own(unit)
	if err != nil {
		return nil, nil, err
	}
	_, _, err = r.Ends(u.App.Name)
	return r, u, err
}

func (f *Uniter) relationResult(r *state.Relation, err error) params.RelationResult {
	if err != nil {
		return params.RelationResult{Error: fault(err)}
	}
	own, other, err := r.Ends(f.appName())
	if err != nil {
		return params.RelationResult{Error: fault(apiservererrors.ErrPerm)}
	}
	result := params.RelationResult{
		Id: r.ID, Key: r.Key, Life: r.Life,
		Endpoint: params.Endpoint{ApplicationName: own.Application, Relation: params.NewCharmRelation(own.Relation)},
	}
	// A peer relation's other application is the unit's own (state/relation.go, RelatedEndpoints).
	result.OtherApplication = other
	return result
}

// Relation describes relations by tag.
func (f *Uniter) Relation(args params.RelationUnits) (params.RelationResults, error) {
	return params.RelationResults{Results: bulk(f.s, false, args.RelationUnits, func(a params.RelationUnit) params.RelationResult {
		r, _, err := f.relationUnit(a.Relation, a.Unit)
		return f.relationResult(r, err)
	})}, nil
}

// RelationById describes relations by id.
func (f *Uniter) RelationById(args params.RelationIds) (params.RelationResults, error) { //nolint:revive,staticcheck // the API's name
	return params.RelationResults{Results: bulk(f.s, false, args.RelationIds, func(id int) params.RelationResult {
		r, ok := f.s.model.Relations[id]
		if !ok {
			return params.RelationResult{Error: fault(apiservererrors.ErrPerm)}
		}
		return f.relationResult(r, nil)
	})}, nil
}

// RelationsStatus tells which relations the unit is a member of.
func (f *Uniter) RelationsStatus(args params.Entities) (params.RelationUnitStatusResults, error) {
	return params.RelationUnitStatusResults{Results: units(f.s, args, func(u *state.Unit) params.RelationUnitStatusResult {
		var result params.RelationUnitStatusResult
		for _, r := range u.App.Relations() {
			result.RelationResults = append(result.RelationResults,
				params.RelationUnitStatus{RelationTag: r.Tag(), InScope: r.InScope(u.Name)})
		}
		return result
	}, func(e *params.Error) params.RelationUnitStatusResult {
		return params.RelationUnitStatusResult{Error: e}
	})}, nil
}

// WatchUnitRelations watches the lives of the unit's relations.
func (f *Uniter) WatchUnitRelations(args params.Entities) (params.StringsWatchResults, error) {
	now := func() map[string]string {
		lives := map[string]string{}
		if a, err := f.s.model.Application(f.appName()); err == nil {
			for _, r := range a.Relations() {
				lives[r.Key] = string(r.Life)
			}
		}
		return lives
	}
	return f.watchStrings(args, func() params.StringsWatchResult { return keys(f.s, now) })
}

// WatchRelationUnits watches the units and the application at the other end.
func (f *Uniter) WatchRelationUnits(args params.RelationUnits) (params.RelationUnitsWatchResults, error) {
	return params.RelationUnitsWatchResults{Results: bulk(f.s, false, args.RelationUnits,
		func(a params.RelationUnit) params.RelationUnitsWatchResult {
			r, u, err := f.relationUnit(a.Relation, a.Unit)
			if err != nil {
				return params.RelationUnitsWatchResult{Error: fault(err)}
			}
			now := func() members {
				var m members
				m.units, m.apps = r.Members(u)
				return m
			}
			all, _ := diffMembers(members{}, now())
			id := f.s.register(newWatch(now, diffMembers))
			return params.RelationUnitsWatchResult{RelationUnitsWatcherId: id, Changes: all.(params.RelationUnitsChange)}
		})}, nil
}

type members struct {
	units, apps map[string]int64
}

func diffMembers(told, is members) (any, bool) {
	change := params.RelationUnitsChange{Changed: map[string]params.UnitSettings{}, AppChanged: map[string]int64{}}
	for _, u := range changedKeys(told.units, is.units) {
		change.Changed[u] = params.UnitSettings{Version: is.units[u]}
	}
	for _, a := range changedKeys(told.apps, is.apps) {
		change.AppChanged[a] = is.apps[a]
	}
	for _, u := range sorted(told.units) {
		if _, ok := is.units[u]; !ok {
			change.Departed = append(change.Departed, u)
		}
	}
	return change, len(change.Changed)+len(change.AppChanged)+len(change.Departed) > 0
}

// EnterScope makes the unit a member of a relation, with its address in its databag.
func (f *Uniter) EnterScope(args params.RelationUnits) (params.ErrorResults, error) {
	return changes(f.s, args.RelationUnits, func(a params.RelationUnit) error {
		r, u, err := f.relationUnit(a.Relation, a.Unit)
		if err != nil {
			return err
		}
		err = r.EnterScope(u, addresses(u))
		if err != nil {
			return &params.Error{Message: err.Error(), Code: params.CodeCannotEnterScope}
		}
		return nil
	}), nil
}

func addresses(u *state.Unit) map[string]string {
	settings := map[string]string{}
	if u.Address != "" {
		settings["private-address"] = u.Address
		settings["ingress-address"] = u.Address
		settings["egress-subnets"] = network.SubnetsForAddresses([]string{u.Address})[0]
	}
	return settings
}

// LeaveScope ends the unit's membership.
func (f *Uniter) LeaveScope(args params.RelationUnits) (params.ErrorResults, error) {
	return changes(f.s, args.RelationUnits, func(a params.RelationUnit) error {
		r, u, err := f.relationUnit(a.Relation, a.Unit)
		if err == nil {
			r.LeaveScope(u.Name)
		}
		return err
	}), nil
}

// SetRelationStatus is told by leaders.
func (f *Uniter) SetRelationStatus(args params.RelationStatusArgs) (params.ErrorResults, error) {
	return changes(f.s, args.Args, func(a params.RelationStatusArg) error {
		u, err := f.s.own(a.UnitTag)
		if err != nil {
			return err
		}
		if !u.IsLeader() {
			return notLeader(u)
		}
		r, ok := f.s.model.Relations[a.RelationId]
		if !ok || !r.Has(u.App.Name) {
			return apiservererrors.ErrPerm
		}
		r.Status = string(a.Status)
		return nil
	}), nil
}

// ReadSettings reads the unit's own databag.
func (f *Uniter) ReadSettings(args params.RelationUnits) (params.SettingsResults, error) {
	return params.SettingsResults{Results: bulk(f.s, false, args.RelationUnits, func(a params.RelationUnit) params.SettingsResult {
		if a.Unit == f.app() {
			settings, err := f.readOwnApp(a.Relation)
			return params.SettingsResult{Settings: settings, Error: fault(err)}
		}
		r, u, err := f.relationUnit(a.Relation, a.Unit)
		if err != nil {
			return params.SettingsResult{Error: fault(err)}
		}
		return settingsResult(r.UnitSettings(u.Name))
	})}, nil
}

func settingsResult(s *state.Settings, err error) params.SettingsResult {
	if err != nil {
		return params.SettingsResult{Error: fault(err)}
	}
	return params.SettingsResult{Settings: s.Values()}
}

// ReadLocalApplicationSettings reads the own application's databag, which only the leader may, but for peers.
func (f *Uniter) ReadLocalApplicationSettings(arg params.RelationUnit) (params.SettingsResult, error) {
	var result params.SettingsResult
	var err error
	f.s.model.View(func() {
		if _, err = f.s.own(arg.Unit); err == nil {
			result.Settings, err = f.readOwnApp(arg.Relation)
		}
	})
	return result, err
}

func (f *Uniter) readOwnApp(relation string) (params.Settings, error) {
	r, u, err := f.relationUnit(relation, f.s.unit.String())
	if err != nil {
		return nil, err
	}
	if !r.IsPeer() && !u.IsLeader() {
		return nil, apiservererrors.ErrPerm
	}
	settings, err := r.AppSettings(u.App.Name)
	if err != nil {
		return nil, err
	}
	return settings.Values(), nil
}

// ReadRemoteSettings reads a databag of the other end.
func (f *Uniter) ReadRemoteSettings(args params.RelationUnitPairs) (params.SettingsResults, error) {
	return params.SettingsResults{Results: bulk(f.s, false, args.RelationUnitPairs,
		func(a params.RelationUnitPair) params.SettingsResult {
			r, u, err := f.relationUnit(a.Relation, a.LocalUnit)
			if err != nil {
				return params.SettingsResult{Error: fault(err)}
			}
			return settingsResult(readRemote(r, u, a.RemoteUnit))
		})}, nil
}

func readRemote(r *state.Relation, u *state.Unit, remote string) (*state.Settings, error) {
	_, other, err := r.Ends(u.App.Name)
	if err != nil {
		return nil, apiservererrors.ErrPerm
	}
	tag, err := names.ParseTag(remote)
	if err != nil {
		return nil, apiservererrors.ErrPerm
	}
	switch t := tag.(type) {
	case names.ApplicationTag:
		if t.Id() == other {
			return r.AppSettings(other)
		}
	case names.UnitTag:
		// Whether the unit still exists does not matter: its databag stays until the relation goes.
		if application, _ := names.UnitApplication(t.Id()); application == other && t.Id() != u.Name {
			return r.UnitSettings(t.Id())
		}
	}
	return nil, apiservererrors.ErrPerm
}

// relationChanges checks relation-set's changes and gives what applies them.
func (f *Uniter) relationChanges(u *state.Unit, changed []params.RelationUnitSettings) ([]func(), error) {
	var apply []func()
	for _, c := range changed {
		r, _, err := f.relationUnit(c.Relation, c.Unit)
		if err != nil {
			return nil, errors.Trace(err)
		}
		if len(c.ApplicationSettings) > 0 {
			if !u.IsLeader() {
				return nil, errors.Annotate(notLeader(u), "prerequisites failed")
			}
			settings, err := r.AppSettings(u.App.Name)
			if err != nil {
				return nil, err
			}
			apply = append(apply, func() { settings.Update(c.ApplicationSettings) })
		}
		if len(c.Settings) > 0 {
			settings, err := r.UnitSettings(u.Name)
			if err != nil {
				return nil, err
			}
			apply = append(apply, func() { settings.Update(c.Settings) })
		}
	}
	return apply, nil
}
