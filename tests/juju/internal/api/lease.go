package api

import (
	"context"
	"time"

	apiservererrors "github.com/juju/juju/apiserver/errors"
	"github.com/juju/juju/core/leadership"
	"github.com/juju/juju/core/life"
	"github.com/juju/juju/rpc/params"
	"github.com/juju/names/v5"

	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
)

// Leadership is the facade by which units claim to lead (LeadershipService, version 2).
type Leadership struct {
	s *Session
}

// ClaimLeadership grants the lease to whom the model has chosen.
func (f *Leadership) ClaimLeadership(args params.ClaimLeadershipBulkParams) (params.ClaimLeadershipBulkResults, error) {
	return params.ClaimLeadershipBulkResults(changes(f.s, args.Params, func(p params.ClaimLeadershipParams) error {
		u, err := f.s.own(p.UnitTag)
		if err != nil {
			return err
		}
		leads := u.IsLeader()
		f.s.mu.Lock()
		f.s.leading = &leads
		f.s.mu.Unlock()
		if !leads {
			return leadership.ErrClaimDenied
		}
		return nil
	})), nil
}

// BlockUntilLeadershipReleased waits until the unit may lead.
func (f *Leadership) BlockUntilLeadershipReleased(ctx context.Context, tag names.ApplicationTag) (params.ErrorResult, error) {
	f.s.park(1)
	defer f.s.park(-1)
	for {
		var free bool
		changed := f.s.model.View(func() {
			u, err := f.s.model.Unit(f.s.unit.Id())
			free = err == nil && u.IsLeader()
		})
		if free {
			return params.ErrorResult{}, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return params.ErrorResult{Error: fault(leadership.ErrBlockCancelled)}, nil
		case <-f.s.done:
			return params.ErrorResult{Error: fault(leadership.ErrBlockCancelled)}, nil
		}
	}
}

// Merge is leader-set.
func (f *Uniter) Merge(args params.MergeLeadershipSettingsBulkParams) (params.ErrorResults, error) {
	return changes(f.s, args.Params, func(p params.MergeLeadershipSettingsParam) error {
		u, err := f.s.own(f.s.unit.String())
		if err != nil {
			return err
		}
		if !u.IsLeader() || p.ApplicationTag != f.app() {
			return apiservererrors.ErrPerm
		}
		u.App.LeaderSettings.Update(p.Settings)
		return nil
	}), nil
}

// Read is leader-get.
func (f *Uniter) Read(args params.Entities) (params.GetLeadershipSettingsBulkResults, error) {
	return params.GetLeadershipSettingsBulkResults{Results: bulk(f.s, false, args.Entities,
		func(e params.Entity) params.GetLeadershipSettingsResult {
			a, err := f.ownApp(e.Tag)
			if err != nil {
				return params.GetLeadershipSettingsResult{Error: fault(err)}
			}
			return params.GetLeadershipSettingsResult{Settings: a.LeaderSettings.Values()}
		})}, nil
}

// WatchLeadershipSettings watches what leader-set sets.
func (f *Uniter) WatchLeadershipSettings(args params.Entities) (params.NotifyWatchResults, error) {
	return params.NotifyWatchResults{Results: bulk(f.s, false, args.Entities, func(e params.Entity) params.NotifyWatchResult {
		a, err := f.ownApp(e.Tag)
		if err != nil {
			return params.NotifyWatchResult{Error: fault(err)}
		}
		return notify(f.s, func() int64 { return a.LeaderSettings.Version() })
	})}, nil
}

// RetryStrategy is the facade that says how failed hooks are retried (version 1).
type RetryStrategy struct {
	s        *Session
	strategy params.RetryStrategy
}

// RetryStrategy gives the strategy.
func (f *RetryStrategy) RetryStrategy(args params.Entities) (params.RetryStrategyResults, error) {
	return params.RetryStrategyResults{Results: units(f.s, args, func(*state.Unit) params.RetryStrategyResult {
		strategy := f.strategy
		strategy.ShouldRetry = f.s.model.Config.AutomaticallyRetryHooks()
		return params.RetryStrategyResult{Result: &strategy}
	}, func(e *params.Error) params.RetryStrategyResult { return params.RetryStrategyResult{Error: e} })}, nil
}

// WatchRetryStrategy watches the model option automatically-retry-hooks.
func (f *RetryStrategy) WatchRetryStrategy(args params.Entities) (params.NotifyWatchResults, error) {
	return params.NotifyWatchResults{Results: units(f.s, args, func(*state.Unit) params.NotifyWatchResult {
		return notify(f.s, func() bool { return f.s.model.Config.AutomaticallyRetryHooks() })
	}, func(e *params.Error) params.NotifyWatchResult { return params.NotifyWatchResult{Error: e} })}, nil
}

// JujuRetry is how Juju retries hooks (apiserver/facades/agent/retrystrategy).
func JujuRetry() params.RetryStrategy {
	return params.RetryStrategy{
		MinRetryTime: 5 * time.Second, MaxRetryTime: 5 * time.Minute, JitterRetryTime: true, RetryTimeFactor: 2,
	}
}

// CAASApplication is the facade of pods (version 1).
type CAASApplication struct {
	s *Session
}

// UnitTerminating answers a pod that was told to end: whether another one comes in its place.
func (f *CAASApplication) UnitTerminating(arg params.Entity) (params.CAASUnitTerminationResult, error) {
	var result params.CAASUnitTerminationResult
	f.s.model.View(func() {
		u, err := f.s.own(arg.Tag)
		result.WillRestart = err == nil && u.Life == life.Alive
		result.Error = fault(err)
	})
	return result, nil
}
