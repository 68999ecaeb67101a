package api

import (
	"time"

	"github.com/juju/errors"
	apiservererrors "github.com/juju/juju/apiserver/errors"
	"github.com/juju/juju/core/leadership"
	"github.com/juju/juju/core/life"
	"github.com/juju/juju/rpc/params"

	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
)

// SetUnitStatus is status-set.
func (f *Uniter) SetUnitStatus(args params.SetStatus) (params.ErrorResults, error) {
	return f.setStatus(args, func(u *state.Unit, s state.Status) error {
		u.Workload = s
		return nil
	})
}

// SetAgentStatus is the agent's own: executing, idle, error.
func (f *Uniter) SetAgentStatus(args params.SetStatus) (params.ErrorResults, error) {
	return f.setStatus(args, func(u *state.Unit, s state.Status) error {
		u.Agent = s
		return nil
	})
}

// SetApplicationStatus is status-set --application, which is the leader's.
func (f *Uniter) SetApplicationStatus(args params.SetStatus) (params.ErrorResults, error) {
	return f.setStatus(args, func(u *state.Unit, s state.Status) error {
		if !u.IsLeader() {
			return notLeader(u)
		}
		u.App.Status = s
		return nil
	})
}

func notLeader(u *state.Unit) error {
	return leadership.NewNotLeaderError(u.Name, u.App.Name)
}

func (f *Uniter) setStatus(args params.SetStatus, set func(*state.Unit, state.Status) error) (params.ErrorResults, error) {
	return changes(f.s, args.Entities, func(e params.EntityStatusArgs) error {
		u, err := f.s.own(e.Tag)
		if err != nil {
			return err
		}
		return set(u, state.Status{Status: e.Status, Message: e.Info, Data: e.Data, Since: time.Now()})
	}), nil
}

// UnitStatus is status-get.
func (f *Uniter) UnitStatus(args params.Entities) (params.StatusResults, error) {
	return params.StatusResults{Results: units(f.s, args, func(u *state.Unit) params.StatusResult {
		return statusResult(u.Name, u.Life, u.Workload)
	}, func(e *params.Error) params.StatusResult { return params.StatusResult{Error: e} })}, nil
}

func statusResult(id string, of state.Life, s state.Status) params.StatusResult {
	return params.StatusResult{Id: id, Life: of, Status: s.Status, Info: s.Message, Data: s.Data, Since: &s.Since}
}

// GoalStates tells of the application's units; what is related to it is left out.
func (f *Uniter) GoalStates(args params.Entities) (params.GoalStateResults, error) {
	return params.GoalStateResults{Results: units(f.s, args, func(u *state.Unit) params.GoalStateResult {
		goal := params.GoalState{Units: params.UnitsGoalState{}}
		for _, other := range u.App.SortedUnits() {
			if other.Life == life.Dead {
				continue
			}
			status := string(other.Workload.Status)
			if other.Life == life.Dying {
				status = string(other.Life)
			}
			goal.Units[other.Name] = params.GoalStateStatus{Status: status, Since: &other.Workload.Since}
		}
		return params.GoalStateResult{Result: &goal}
	}, func(e *params.Error) params.GoalStateResult { return params.GoalStateResult{Error: e} })}, nil
}

// ApplicationStatus is status-get --application, which is the leader's.
func (f *Uniter) ApplicationStatus(args params.Entities) (params.ApplicationStatusResults, error) {
	return params.ApplicationStatusResults{Results: units(f.s, args, func(u *state.Unit) params.ApplicationStatusResult {
		if !u.IsLeader() {
			return params.ApplicationStatusResult{Error: fault(apiservererrors.ErrPerm)}
		}
		result := params.ApplicationStatusResult{
			Application: statusResult(u.App.Name, u.App.Life, u.App.DerivedStatus()),
			Units:       map[string]params.StatusResult{},
		}
		for _, other := range u.App.SortedUnits() {
			result.Units[other.Name] = statusResult(other.Name, other.Life, other.Workload)
		}
		return result
	}, func(e *params.Error) params.ApplicationStatusResult { return params.ApplicationStatusResult{Error: e} })}, nil
}

// WorkloadVersion is what application-version-set has set.
func (f *Uniter) WorkloadVersion(args params.Entities) (params.StringResults, error) {
	return params.StringResults{Results: units(f.s, args, func(u *state.Unit) params.StringResult {
		return params.StringResult{Result: u.WorkloadVersion}
	}, func(e *params.Error) params.StringResult { return params.StringResult{Error: e} })}, nil
}

// SetWorkloadVersion is application-version-set.
func (f *Uniter) SetWorkloadVersion(args params.EntityWorkloadVersions) (params.ErrorResults, error) {
	return changes(f.s, args.Entities, func(e params.EntityWorkloadVersion) error {
		u, err := f.s.own(e.Tag)
		if err == nil {
			u.WorkloadVersion = e.WorkloadVersion
		}
		return err
	}), nil
}

// State is what the agent and, with state-set, the charm have stored.
func (f *Uniter) State(args params.Entities) (params.UnitStateResults, error) {
	return params.UnitStateResults{Results: units(f.s, args, func(u *state.Unit) params.UnitStateResult {
		return u.State
	}, func(e *params.Error) params.UnitStateResult { return params.UnitStateResult{Error: e} })}, nil
}

// SetState stores for the agent.
func (f *Uniter) SetState(args params.SetUnitStateArgs) (params.ErrorResults, error) {
	return changes(f.s, args.Args, func(a params.SetUnitStateArg) error {
		u, err := f.s.own(a.Tag)
		if err != nil {
			return err
		}
		return setState(u, a)
	}), nil
}

// Juju's limits of what a charm may store (core/quota/fixed_limits.go and controller/config.go, in bytes).
const (
	maxStateKey   = 256
	maxStateValue = 65536
	maxState      = 2 * 1024 * 1024
)

func checkState(values map[string]string) error {
	total := 0
	for k, v := range values {
		if len(k) > maxStateKey {
			return errors.QuotaLimitExceededf("max allowed key length (%d) exceeded", maxStateKey)
		}
		if len(v) > maxStateValue {
			return errors.QuotaLimitExceededf("max allowed value length (%d) exceeded", maxStateValue)
		}
		total += len(k) + len(v)
	}
	if total > maxState {
		return errors.QuotaLimitExceededf("max allowed size (%d) exceeded", maxState)
	}
	return nil
}

func setState(u *state.Unit, a params.SetUnitStateArg) error {
	if a.CharmState != nil {
		if err := checkState(*a.CharmState); err != nil {
			return errors.Annotatef(err, "persisting charm state")
		}
		u.State.CharmState = *a.CharmState
	}
	if a.RelationState != nil {
		u.State.RelationState = *a.RelationState
	}
	for _, f := range []struct{ to, from *string }{
		{&u.State.UniterState, a.UniterState},
		{&u.State.StorageState, a.StorageState},
		{&u.State.SecretState, a.SecretState},
		{&u.State.MeterStatusState, a.MeterStatusState},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	return nil
}
