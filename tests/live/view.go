package live

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/juju/juju/api/client/action"
	"github.com/juju/juju/api/client/application"
	"github.com/juju/juju/api/client/client"
	"github.com/juju/juju/api/common"
	"github.com/juju/juju/rpc/params"
	"github.com/juju/loggo"
	"github.com/juju/names/v5"

	"github.com/garm-charms/garm-charms/tests/juju"
)

// Run is juju run: it runs an action on a unit, or on the leader ("application/leader"), and waits for its end.
func (m *Model) Run(ctx context.Context, unit, name string, args map[string]any) (juju.ActionResult, error) {
	receiver := unit
	if !strings.HasSuffix(unit, "/leader") {
		if !names.IsValidUnit(unit) {
			return juju.ActionResult{}, fmt.Errorf("cannot run %s on %s: it is no unit", name, unit)
		}
		receiver = names.NewUnitTag(unit).String()
	}
	actions := action.NewClient(m.conn)
	enqueued, err := actions.EnqueueOperation([]action.Action{{Receiver: receiver, Name: name, Parameters: args}})
	if err == nil {
		err = enqueued.Actions[0].Error
	}
	if err != nil {
		return juju.ActionResult{}, fmt.Errorf("cannot run %s on %s: %w", name, unit, err)
	}
	var result action.ActionResult
	err = poll(ctx, 500*time.Millisecond, func() (bool, error) {
		results, err := actions.Actions([]string{enqueued.Actions[0].Action.ID})
		if err != nil {
			return false, err
		}
		result = results[0]
		return result.Error != nil || result.Status != params.ActionPending && result.Status != params.ActionRunning, result.Error
	})
	if err != nil {
		return juju.ActionResult{}, fmt.Errorf("cannot run %s on %s: %w", name, unit, err)
	}
	out := juju.ActionResult{Status: result.Status, Message: result.Message, Results: result.Output}
	for _, line := range result.Log {
		out.Log = append(out.Log, line.Message)
	}
	return out, nil
}

func (m *Model) client() *client.Client { return client.NewClient(m.conn, loggo.GetLogger("live")) }

// Status is juju status.
func (m *Model) Status(context.Context) (juju.Status, error) {
	full, err := m.client().Status(nil)
	if err != nil {
		return juju.Status{}, fmt.Errorf("cannot read status of model %s: %w", m.name, err)
	}
	s := juju.Status{Model: m.name, Applications: map[string]juju.ApplicationStatus{}, Relations: []juju.RelationStatus{}}
	for name, a := range full.Applications {
		s.Applications[name] = applicationStatus(a)
	}
	for _, r := range full.Relations {
		s.Relations = append(s.Relations, juju.RelationStatus{ID: r.Id, Endpoints: strings.Fields(r.Key), Interface: r.Interface, Life: "alive"})
	}
	return s, nil
}

func applicationStatus(a params.ApplicationStatus) juju.ApplicationStatus {
	s := juju.ApplicationStatus{
		Charm: a.Charm, Life: lifeOf(string(a.Life)), Status: a.Status.Status, Message: a.Status.Info, Version: a.WorkloadVersion,
		Scale: len(a.Units), Units: map[string]juju.UnitStatus{},
	}
	for name, u := range a.Units {
		s.Units[name] = juju.UnitStatus{
			Life: lifeOf(string(u.WorkloadStatus.Life)), Status: u.WorkloadStatus.Status, Message: u.WorkloadStatus.Info,
			Agent: u.AgentStatus.Status, AgentMessage: u.AgentStatus.Info, Leader: u.Leader, Address: u.Address, Ports: u.OpenedPorts,
		}
	}
	return s
}

// lifeOf spells what Juju leaves out.
func lifeOf(life string) string {
	if life == "" {
		return "alive"
	}
	return life
}

// ShowUnit is juju show-unit.
func (m *Model) ShowUnit(_ context.Context, unit string) (juju.UnitInfo, error) {
	if !names.IsValidUnit(unit) {
		return juju.UnitInfo{}, fmt.Errorf("cannot show unit %s: it is none", unit)
	}
	found, err := m.applications().UnitsInfo([]names.UnitTag{names.NewUnitTag(unit)})
	if err == nil {
		err = found[0].Error
	}
	if err != nil {
		return juju.UnitInfo{}, fmt.Errorf("cannot show unit %s: %w", unit, err)
	}
	u := found[0]
	info := juju.UnitInfo{Unit: unit, Charm: u.Charm, Leader: u.Leader, Address: u.Address}
	for _, r := range u.RelationData {
		info.Relations = append(info.Relations, relationInfo(unit, r))
	}
	return info, nil
}

// relationInfo takes this unit's own databag from among those of the relation's units.
func relationInfo(unit string, r application.EndpointRelationData) juju.RelationInfo {
	info := juju.RelationInfo{
		ID: r.RelationId, Endpoint: r.Endpoint, RelatedEndpoint: r.RelatedEndpoint, Application: texts(r.ApplicationData),
		Units: map[string]map[string]string{},
	}
	for _, name := range slices.Sorted(maps.Keys(r.UnitRelationData)) {
		data := texts(r.UnitRelationData[name].UnitData)
		switch {
		case name == unit:
			info.Local = data
		case r.UnitRelationData[name].InScope:
			info.Units[name] = data
		}
	}
	return info
}

func texts(values map[string]any) map[string]string {
	out := map[string]string{}
	for key, value := range values {
		out[key] = fmt.Sprint(value)
	}
	return out
}

// DebugLog is juju debug-log --replay. What the controller would not give is its last line.
func (m *Model) DebugLog() []juju.LogLine {
	messages, err := m.client().WatchDebugLog(common.DebugLogParams{NoTail: true, Level: loggo.INFO})
	if err != nil {
		return []juju.LogLine{{Time: time.Now(), Level: "ERROR", Module: "live", Message: err.Error()}}
	}
	var lines []juju.LogLine
	for message := range messages {
		unit := message.Entity
		if tag, err := names.ParseTag(unit); err == nil {
			unit = tag.Id()
		}
		lines = append(lines, juju.LogLine{
			Time: message.Timestamp, Unit: unit, Level: message.Severity, Module: message.Module, Message: message.Message,
		})
	}
	return lines
}
