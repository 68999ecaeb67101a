package apiserver

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	apiservererrors "github.com/juju/juju/apiserver/errors"
	"github.com/juju/juju/core/life"
	"github.com/juju/juju/rpc/params"
	"github.com/juju/names/v5"

	"github.com/garm-charms/garm-charms/tests/juju"
)

// Client is the facade of juju status.
type Client struct{ s *Server }

// FullStatus is the whole model's status.
func (c *Client) FullStatus(ctx context.Context, _ params.StatusParams) (params.FullStatus, error) {
	status, err := c.s.model.Status(ctx)
	if err != nil {
		return params.FullStatus{}, err
	}
	full := params.FullStatus{Model: params.ModelStatusInfo{Name: status.Model, Type: "caas", Version: juju.Version}, Applications: map[string]params.ApplicationStatus{}}
	for name, a := range status.Applications {
		shown := params.ApplicationStatus{
			Charm: a.Charm, Life: lifeOf(a.Life), Status: params.DetailedStatus{Status: a.Status, Info: a.Message}, WorkloadVersion: a.Version,
			Scale: a.Scale, Units: map[string]params.UnitStatus{},
		}
		for unit, u := range a.Units {
			shown.Units[unit] = params.UnitStatus{
				AgentStatus:    params.DetailedStatus{Status: u.Agent, Info: u.AgentMessage},
				WorkloadStatus: params.DetailedStatus{Status: u.Status, Info: u.Message, Life: lifeOf(u.Life)},
				OpenedPorts:    u.Ports, Leader: u.Leader, Address: u.Address,
			}
		}
		full.Applications[name] = shown
	}
	for _, r := range status.Relations {
		full.Relations = append(full.Relations, params.RelationStatus{Id: r.ID, Key: strings.Join(r.Endpoints, " "), Interface: r.Interface})
	}
	return full, nil
}

// lifeOf leaves out what Juju leaves out.
func lifeOf(text string) life.Value {
	if text == "alive" {
		return ""
	}
	return life.Value(text)
}

// ModelConfig is the facade of the model's options.
type ModelConfig struct{ s *Server }

// ModelSet sets options of the model.
func (m *ModelConfig) ModelSet(ctx context.Context, args params.ModelSet) error {
	return m.s.configure(ctx, args.Config)
}

func (s *Server) configure(ctx context.Context, options map[string]any) error {
	set := map[string]string{}
	for key, value := range options {
		set[key] = fmt.Sprint(value)
	}
	return s.model.SetModelConfig(ctx, set)
}

// Resources is the facade that announces uploads.
type Resources struct{ s *Server }

// AddPendingResources gives out IDs for what is going to be uploaded.
func (r *Resources) AddPendingResources(args params.AddPendingResourcesArgsV2) (params.AddPendingResourcesResult, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	var result params.AddPendingResourcesResult
	for range args.Resources {
		r.s.serial++
		result.PendingIDs = append(result.PendingIDs, "pending-"+strconv.Itoa(r.s.serial))
	}
	return result, nil
}

// Action is the facade of actions.
type Action struct{ s *Server }

// EnqueueOperation begins actions, which go on after it has answered.
func (a *Action) EnqueueOperation(args params.Actions) (params.EnqueuedActions, error) {
	enqueued := params.EnqueuedActions{OperationTag: names.NewOperationTag("1").String()}
	for _, action := range args.Actions {
		unit := action.Receiver
		if tag, err := names.ParseUnitTag(action.Receiver); err == nil {
			unit = tag.Id()
		}
		a.s.mu.Lock()
		a.s.serial++
		action.Tag = names.NewActionTag(strconv.Itoa(a.s.serial)).String()
		begun := params.ActionResult{Action: &action, Status: params.ActionRunning}
		a.s.actions[action.Tag] = begun
		a.s.mu.Unlock()
		go a.run(unit, action)
		enqueued.Actions = append(enqueued.Actions, begun)
	}
	return enqueued, nil
}

func (a *Action) run(unit string, action params.Action) {
	result, err := a.s.model.Run(context.Background(), unit, action.Name, action.Parameters)
	ended := params.ActionResult{Action: &action, Status: result.Status, Message: result.Message, Output: result.Results, Error: apiservererrors.ServerError(err)}
	for _, line := range result.Log {
		ended.Log = append(ended.Log, params.ActionMessage{Message: line})
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.s.actions[action.Tag] = ended
}

// Actions tells how actions are.
func (a *Action) Actions(args params.Entities) (params.ActionResults, error) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	var results params.ActionResults
	for _, e := range args.Entities {
		result, known := a.s.actions[e.Tag]
		if !known {
			result.Error = apiservererrors.ServerError(errors.New("action not found"))
		}
		results.Results = append(results.Results, result)
	}
	return results, nil
}
