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
	"github.com/garm-charms/garm-charms/pkg/workload"
)

// Findings are all that one reconcile of GARM has found out.
type Findings struct {
	Declared  []configurator.Declared
	Conflicts []desired.Conflict
	Want      desired.State
	Before    reconcile.Observation
	Plan      plan.Plan
	Report    reconcile.Report
	workload.Troubles
}

// Judge says of every declaration, by relation ID, what became of it.
func (f Findings) Judge() map[string]configurator.Answer {
	answers := map[string]configurator.Answer{}
	for _, d := range f.Declared {
		answer := f.judge(d)
		answer.Message = hook.Line(answer.Message)
		answers[d.RelationID] = answer
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
		ScaleSetID:   number(f.scaleSetID(want)),
		TemplateID:   number(f.Report.TemplateIDs[want.Template]),
	}
	if why := f.failure(want); why != "" {
		answer.Status, answer.Message = runnerconfig.StatusPending, why
	}
	for _, d := range f.Plan.Deferred {
		if !isOf(d.Name, want) {
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

// isOf tells whether the object with that name is the scale set, its template or its server's endpoint.
func isOf(name string, want desired.ScaleSet) bool {
	return name == want.String() || name == plan.TemplateName(want.Template) || name == plan.EndpointName(want.Entity.Endpoint)
}

// number is an ID as text, empty for none.
func number(id uint) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(id), 10)
}

// scaleSetID is GARM's ID of the wanted scale set, 0 if it has none. The inventory may also have one of the same
// application that is on its way out.
func (f Findings) scaleSetID(want desired.ScaleSet) uint {
	for id, owned := range f.Report.Inventory.ScaleSets {
		isOther := func(s desired.ScaleSet) bool { return s.ID == id && s.ScaleSetKey != want.ScaleSetKey }
		if owned.Application == want.Application && !slices.ContainsFunc(f.Before.ScaleSets, isOther) {
			return id
		}
	}
	return 0
}

// failure is why a wanted scale set does not stand as declared; empty if it does. When GARM cannot work for its entity, the
// reason is there: GARM only answers 500 to what it cannot do at GitHub.
func (f Findings) failure(want desired.ScaleSet) string {
	if reason := f.idleEntity(want.Entity); reason != "" {
		return reason
	}
	credential := f.credentialOf(want.Entity)
	for _, o := range f.Report.Outcomes {
		if o.Err == nil {
			continue
		}
		if isOf(o.Name, want) || o.Name == want.Entity.String() || o.Name == plan.CredentialName(credential) {
			return o.Err.Error()
		}
	}
	if f.isUnanswered(credential) {
		return Unanswered(credential)
	}
	return f.trouble(want)
}

// idleEntity is why GARM does not work for an entity; empty if it does, or is about to.
func (f Findings) idleEntity(ref desired.EntityRef) string {
	for _, e := range f.Before.Entities {
		if e.EntityRef == ref && e.Failure != "" && !reconcile.IsStarting(e.Failure) {
			return "GARM cannot work for " + e.String() + ": " + e.Failure
		}
	}
	return ""
}

// isUnanswered tells whether GitHub does not let GARM in with a credential that this reconcile has not changed.
func (f Findings) isUnanswered(credential string) bool {
	isChanged := func(o reconcile.Outcome) bool { return o.Name == plan.CredentialName(credential) }
	return !slices.ContainsFunc(f.Report.Outcomes, isChanged) &&
		slices.ContainsFunc(f.Before.Credentials, func(c desired.Credential) bool { return c.Name == credential && c.Unanswered })
}

// credentialOf is the name of the credential that an entity is to have.
func (f Findings) credentialOf(entity desired.EntityRef) string {
	i := slices.IndexFunc(f.Want.Entities, func(e desired.Entity) bool { return e.EntityRef == entity })
	if i < 0 {
		return ""
	}
	return f.Want.Entities[i].Credential
}

func wasSkipped(o reconcile.Outcome) bool {
	var skipped *reconcile.SkippedError
	return errors.As(o.Err, &skipped)
}

// Summary is the status of GARM's unit after a reconcile.
func (f Findings) Summary(answers map[string]configurator.Answer) hook.Status {
	var statuses []hook.Status
	for _, d := range f.Declared {
		if s := troubleOf(d, answers[d.RelationID]); s.Level != "" {
			statuses = append(statuses, s)
		}
	}
	statuses = append(statuses, f.leftovers()...)
	for _, why := range f.unclear() {
		statuses = append(statuses, SomeCloudRefuses(why))
	}
	switch {
	case len(statuses) > 0:
		return Worst(statuses)
	case len(f.Declared) == 0:
		return NoConfigurator()
	}
	return f.serving()
}

// troubleOf is the status of a declaration that GARM has not brought about; zero if it has.
func troubleOf(d configurator.Declared, answer configurator.Answer) hook.Status {
	switch {
	case d.Absent:
		return Undeclared(d.Application)
	case d.Hold != "":
		return Held(d.Application, d.Hold)
	case answer.Status == runnerconfig.StatusRefused:
		return Refused(d.Application, answer.Message)
	case answer.Status == runnerconfig.StatusPending:
		return Failed(d.Application + ": " + answer.Message)
	}
	return hook.Status{}
}

func (f Findings) serving() hook.Status {
	runners, most, outdated := 0, 0, 0
	for _, want := range f.Want.ScaleSets {
		most += want.Max
		for _, have := range f.Before.ScaleSets {
			if have.ScaleSetKey == want.ScaleSetKey {
				runners += len(have.Runners)
				outdated += len(have.Outdated(f.Report.Inventory.ScaleSets[have.ID].Since))
			}
		}
	}
	return Serving(len(f.Want.ScaleSets), runners, most, outdated)
}

// leftovers are what is still to be done about objects that nobody declares any more.
func (f Findings) leftovers() []hook.Status {
	var statuses []hook.Status
	for _, d := range f.Plan.Deferred {
		isWanted := func(s desired.ScaleSet) bool { return isOf(d.Name, s) }
		if !slices.ContainsFunc(f.Want.ScaleSets, isWanted) {
			statuses = append(statuses, Pending(d.Why))
		}
	}
	for _, o := range f.Report.Outcomes {
		if o.Err != nil && o.Runner == nil && !wasSkipped(o) && (o.Verb == plan.Delete || o.Verb == plan.Drain) {
			statuses = append(statuses, Failed(o.Err.Error()))
		}
	}
	return statuses
}
