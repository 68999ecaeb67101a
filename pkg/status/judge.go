package status

import (
	"errors"
	"slices"
	"strconv"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/configurator"
	"github.com/garm-charms/garm-charms/pkg/plan"
	"github.com/garm-charms/garm-charms/pkg/reconcile"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
)

// Findings are all that one reconcile of GARM has found out.
type Findings struct {
	Declared  []configurator.Declared
	Conflicts []desired.Conflict
	Want      desired.State
	Before    reconcile.Observation
	Plan      plan.Plan
	Report    reconcile.Report
}

// startingUp is what GARM says of every entity in its first seconds (GARM runner/pool, Start).
const startingUp = "pool manager is starting up"

// Judge says of every declaration, by relation ID, what became of it.
func (f Findings) Judge() map[string]configurator.Answer {
	answers := map[string]configurator.Answer{}
	for _, d := range f.Declared {
		answers[d.RelationID] = f.judge(d)
	}
	return answers
}

func (f Findings) judge(d configurator.Declared) configurator.Answer {
	refused := func(message string) configurator.Answer {
		return configurator.Answer{Status: runnerconfig.StatusRefused, Message: message}
	}
	switch {
	case d.Absent:
		return configurator.Answer{}
	case d.Hold != "":
		return configurator.Answer{Status: runnerconfig.StatusPending, Message: "GARM keeps what was declared before: " + d.Hold}
	case d.Invalid != nil:
		return refused(d.Invalid.Error())
	}
	for _, conflict := range f.Conflicts {
		if conflict.Application == d.Application {
			return refused(conflict.Reason)
		}
	}
	i := slices.IndexFunc(f.Want.ScaleSets, func(s desired.ScaleSet) bool { return s.Application == d.Application })
	if i < 0 {
		return refused("garm does not follow this declaration")
	}
	return f.judgeScaleSet(f.Want.ScaleSets[i])
}

func (f Findings) judgeScaleSet(want desired.ScaleSet) configurator.Answer {
	answer := configurator.Answer{
		Status:       runnerconfig.StatusReady,
		ProviderName: want.Provider,
		TemplateID:   strconv.FormatUint(uint64(f.Report.TemplateIDs[want.Template]), 10),
	}
	for id, owned := range f.Report.Inventory.ScaleSets {
		if owned.Application == want.Application && f.isCurrent(id, want) {
			answer.ScaleSetID = strconv.FormatUint(uint64(id), 10)
		}
	}
	if why := f.failure(want); why != "" {
		answer.Status, answer.Message = runnerconfig.StatusPending, why
	}
	for _, d := range f.Plan.Deferred {
		if d.Name != want.String() && d.Name != "template "+want.Template {
			continue
		}
		answer.Status, answer.Message = runnerconfig.StatusPending, d.Why
		if d.Stuck {
			answer.Status = runnerconfig.StatusRefused
			break
		}
	}
	return answer
}

// isCurrent tells whether the scale set with that ID is the wanted one, not one of the same application on its way out.
func (f Findings) isCurrent(id uint, want desired.ScaleSet) bool {
	i := slices.IndexFunc(f.Before.ScaleSets, func(s desired.ScaleSet) bool { return s.ID == id })
	return i < 0 || f.Before.ScaleSets[i].ScaleSetKey == want.ScaleSetKey
}

// failure is why a wanted scale set does not stand as declared; empty if it does.
func (f Findings) failure(want desired.ScaleSet) string {
	names := []string{want.Entity.String(), want.String(), "template " + want.Template}
	for _, e := range f.Want.Entities {
		if e.EntityRef == want.Entity {
			names = append(names, "credential "+e.Credential)
		}
	}
	var skipped *reconcile.SkippedError
	for _, o := range f.Report.Outcomes {
		if o.Err != nil && !errors.As(o.Err, &skipped) && slices.Contains(names, o.Name) {
			return o.Err.Error()
		}
	}
	for _, e := range f.Before.Entities {
		if e.EntityRef == want.Entity && e.Failure != "" && e.Failure != startingUp {
			return "GARM cannot work for " + e.String() + ": " + e.Failure
		}
	}
	return ""
}

// Summary is the status of GARM's unit after a reconcile.
func (f Findings) Summary(answers map[string]configurator.Answer) hook.Status {
	var statuses []hook.Status
	for _, d := range f.Declared {
		answer := answers[d.RelationID]
		switch {
		case d.Absent:
			statuses = append(statuses, Undeclared(d.Application))
		case d.Hold != "":
			statuses = append(statuses, Held(d.Application, d.Hold))
		case answer.Status == runnerconfig.StatusRefused:
			statuses = append(statuses, Refused(d.Application, answer.Message))
		case answer.Status == runnerconfig.StatusPending:
			statuses = append(statuses, Failed(d.Application+": "+answer.Message))
		}
	}
	statuses = append(statuses, f.leftovers()...)
	if len(statuses) > 0 {
		return Worst(statuses)
	}
	if len(f.Declared) == 0 {
		return NoConfigurator()
	}
	runners, most := 0, 0
	for _, want := range f.Want.ScaleSets {
		most += want.Max
		for _, have := range f.Before.ScaleSets {
			if have.ScaleSetKey == want.ScaleSetKey {
				runners += have.Runners
			}
		}
	}
	return Serving(len(f.Want.ScaleSets), runners, most)
}

// leftovers are what is still to be done about objects that nobody declares any more.
func (f Findings) leftovers() []hook.Status {
	var statuses []hook.Status
	for _, d := range f.Plan.Deferred {
		if !f.isWanted(d.Name) {
			statuses = append(statuses, Pending(d.Why))
		}
	}
	var skipped *reconcile.SkippedError
	for _, o := range f.Report.Outcomes {
		if o.Err != nil && !errors.As(o.Err, &skipped) && (o.Verb == plan.Delete || o.Verb == plan.Drain) {
			statuses = append(statuses, Failed(o.Err.Error()))
		}
	}
	return statuses
}

func (f Findings) isWanted(name string) bool {
	return slices.ContainsFunc(f.Want.ScaleSets, func(s desired.ScaleSet) bool { return s.String() == name || "template "+s.Template == name })
}
