// Package plan decides what to change in GARM so that it has what is wanted: an ordered list of changes, each with its
// reason. It alone decides what may be changed or deleted at all.
//
// It is pure: no context, no request, no log, no clock.
package plan

import (
	"strconv"
	"strings"

	"github.com/garm-charms/garm-charms/pkg/desired"
)

// Verb is what is done to an object.
type Verb string

// Drain takes the runners of a scale set away, but those that have a job, and keeps new ones from coming.
const (
	Create Verb = "create"
	Update Verb = "update"
	Drain  Verb = "drain"
	Delete Verb = "delete"
)

// Change is one change to one object: exactly one of Endpoint, Credential, Entity, Template, ScaleSet and Runner is set, to what is wanted
// for Create and Update and to what GARM has for Drain and Delete. An object that exists has GARM's ID in either case.
type Change struct {
	Verb Verb
	// Name is the object's kind and name, unique among objects.
	Name string
	// Why is the reason, for an operator.
	Why string
	// Application is the Juju application that declares, or declared, the scale set; empty for other objects.
	Application string
	// Needs names the objects whose changes, if there are any in the plan, must have been made before this one.
	Needs []string

	Endpoint   *desired.Endpoint
	Credential *desired.Credential
	Entity     *desired.Entity
	Template   *desired.Template
	ScaleSet   *desired.ScaleSet
	Runner     *desired.Runner

	// Renews has the scale sets, by ID, whose runners are outdated once the change is made.
	Renews []uint
}

// String is the change as a line for a person: what and why.
func (c Change) String() string { return string(c.Verb) + " " + c.Name + ": " + c.Why }

// Count is a number of things for a person, the thing being given in the singular: "1 runner", "2 runners".
func Count(number int, thing string) string {
	if number != 1 {
		thing += "s"
	}
	return strconv.Itoa(number) + " " + thing
}

// Deferral is a wanted thing that no change can bring about now.
type Deferral struct {
	Application string // empty if it concerns more than one
	Name        string // like Change.Name
	Why         string
	// Stuck says that it stays so until somebody acts; otherwise a later reconcile goes on by itself.
	Stuck bool
}

// Plan is what to do, in order, and what cannot be done now.
type Plan struct {
	Changes  []Change
	Deferred []Deferral
}

// Empty tells whether GARM has what is wanted, as far as it can be.
func (p Plan) Empty() bool { return len(p.Changes) == 0 }

// String has one line for each change and each deferral.
func (p Plan) String() string {
	var text strings.Builder
	for _, c := range p.Changes {
		text.WriteString(c.String() + "\n")
	}
	for _, d := range p.Deferred {
		text.WriteString("defer " + d.Name + ": " + d.Why + "\n")
	}
	return text.String()
}

// Scope limits what a plan may do.
type Scope struct {
	Inventory Inventory
	// Held are the applications whose present declaration is not known: what they declared before stays as it is.
	Held map[string]bool
	// Providers are those that GARM has loaded. GARM accepts a scale set of another one, and never boots a runner for it.
	Providers map[string]bool
	// Roll says that idle runners which are outdated are to be replaced, one after another.
	Roll bool
}

// Diff returns the changes that lead from current to want. Objects that are not the charm's own are neither changed nor
// deleted; a scale set that is wanted and exists already is taken over.
func Diff(current, want desired.State, scope Scope) Plan {
	d := differ{current: current, want: want, have: lookUp(current), wanted: lookUp(want), scope: scope, deferred: map[string]bool{}}
	d.wantEndpoints()
	d.wantCredentials()
	d.wantEntities()
	d.wantTemplates()
	d.wantScaleSets()
	d.pruneScaleSets()
	d.replaceRunners()
	d.pruneTemplates()
	d.pruneEntities()
	d.pruneCredentials()
	d.pruneEndpoints()
	return d.plan
}
