package api

import (
	"time"

	"github.com/juju/errors"
	apiservererrors "github.com/juju/juju/apiserver/errors"
	"github.com/juju/juju/rpc/params"
	"github.com/juju/names/v5"

	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
)

// WatchActionNotifications names the actions that wait for the unit.
func (f *Uniter) WatchActionNotifications(args params.Entities) (params.StringsWatchResults, error) {
	now := func() map[string]string {
		pending := map[string]string{}
		for id, a := range f.s.model.Actions {
			if a.Unit == f.s.unit.Id() && a.Status == params.ActionPending {
				pending[id] = a.Status
			}
		}
		return pending
	}
	return f.watchStrings(args, func() params.StringsWatchResult { return newKeys(f.s, now) })
}

func (f *Uniter) action(tag string) (*state.Action, error) {
	t, err := names.ParseActionTag(tag)
	if err != nil {
		return nil, apiservererrors.ErrPerm
	}
	a, ok := f.s.model.Actions[t.Id()]
	if !ok {
		return nil, errors.NotFoundf("action %q", t.Id())
	}
	if a.Unit != f.s.unit.Id() {
		return nil, apiservererrors.ErrPerm
	}
	return a, nil
}

// Actions describes actions that are to run.
func (f *Uniter) Actions(args params.Entities) (params.ActionResults, error) {
	return params.ActionResults{Results: bulk(f.s, false, args.Entities, func(e params.Entity) params.ActionResult {
		a, err := f.action(e.Tag)
		if err == nil && a.Done() {
			err = apiservererrors.ErrActionNotAvailable
		}
		if err != nil {
			return params.ActionResult{Error: fault(err)}
		}
		return params.ActionResult{Action: &params.Action{
			Tag: e.Tag, Receiver: f.s.unit.String(), Name: a.Name, Parameters: a.Params,
			Parallel: &a.Parallel, ExecutionGroup: &a.Group,
		}}
	})}, nil
}

// ActionStatus gives the state of actions.
func (f *Uniter) ActionStatus(args params.Entities) (params.StringResults, error) {
	return params.StringResults{Results: bulk(f.s, false, args.Entities, func(e params.Entity) params.StringResult {
		a, err := f.action(e.Tag)
		if err != nil {
			return params.StringResult{Error: fault(err)}
		}
		return params.StringResult{Result: a.Status}
	})}, nil
}

// BeginActions marks actions as running.
func (f *Uniter) BeginActions(args params.Entities) (params.ErrorResults, error) {
	return changes(f.s, args.Entities, func(e params.Entity) error {
		a, err := f.action(e.Tag)
		if err == nil {
			a.Status = params.ActionRunning
		}
		return err
	}), nil
}

// FinishActions records how actions ended.
func (f *Uniter) FinishActions(args params.ActionExecutionResults) (params.ErrorResults, error) {
	return changes(f.s, args.Results, func(r params.ActionExecutionResult) error {
		a, err := f.action(r.ActionTag)
		if err != nil {
			return err
		}
		return a.Finish(r.Status, r.Message, r.Results)
	}), nil
}

// LogActionsMessages is action-log.
func (f *Uniter) LogActionsMessages(args params.ActionMessageParams) (params.ErrorResults, error) {
	return changes(f.s, args.Messages, func(m params.EntityString) error {
		a, err := f.action(m.Tag)
		if err == nil {
			a.Log = append(a.Log, state.LogLine{Time: time.Now(), Message: m.Value})
		}
		return err
	}), nil
}
