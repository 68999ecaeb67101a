package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/garm-charms/garm-charms/pkg/desired"
)

type differ struct {
	current, want desired.State
	have, wanted  lookup // of current and want
	scope         Scope
	plan          Plan
	deferred      map[string]bool // names of those in plan
}

func (d *differ) change(c Change) { d.plan.Changes = append(d.plan.Changes, c) }

func (d *differ) deferTo(later Deferral) {
	d.plan.Deferred = append(d.plan.Deferred, later)
	d.deferred[later.Name] = true
}

// CredentialName is Change.Name of the credential called name.
func CredentialName(name string) string { return "credential " + name }

// TemplateName is Change.Name of the template called name.
func TemplateName(name string) string { return "template " + name }

func (d *differ) wantCredentials() {
	for _, want := range d.want.Credentials {
		if d.isOutOfReach(want.Endpoint) {
			continue
		}
		have, exists := d.have.credentials[want.Name]
		c := Change{Name: CredentialName(want.Name), Credential: &want, Needs: []string{EndpointName(want.Endpoint)}}
		switch {
		case !exists:
			c.Verb, c.Why = Create, "a configurator uses it"
		case !d.scope.Inventory.owns(have) || have.Description == want.Description:
			continue
		default:
			want.ID = have.ID
			c.Verb, c.Why = Update, "its App, key or token has changed"
		}
		d.change(c)
	}
}

func (d *differ) wantEntities() {
	for _, want := range d.want.Entities {
		if d.isOutOfReach(want.Endpoint) {
			continue
		}
		have, exists := d.have.entities[want.EntityRef]
		c := Change{Name: want.String(), Entity: &want, Needs: []string{CredentialName(want.Credential)}}
		switch {
		case !exists:
			c.Verb, c.Why = Create, "a configurator declares a scale set for it"
		case have.Credential == want.Credential || !d.scope.Inventory.Entities[have.ID]:
			continue
		default:
			want.ID = have.ID
			c.Verb, c.Why = Update, fmt.Sprintf("credential %s -> %s", have.Credential, want.Credential)
		}
		d.change(c)
	}
}

func (d *differ) wantTemplates() {
	for _, want := range d.want.Templates {
		have, exists := d.have.templates[want.Name]
		c := Change{Name: TemplateName(want.Name), Template: &want}
		switch {
		case !exists:
			c.Verb, c.Why = Create, "its scale set has runner options"
		case have.Description == want.Description:
			continue
		case !d.owns(have):
			d.deferTo(Deferral{Name: c.Name, Stuck: true, Why: "GARM has another template of that name; rename or delete it there"})
			continue
		case d.heldUser(want.Name) != "":
			d.deferTo(Deferral{Name: c.Name, Why: "it is still that of " + d.heldUser(want.Name)})
			continue
		default:
			want.ID = have.ID
			c.Verb, c.Why = Update, "the runner options or GARM's system template have changed"
			c.Renews = d.renewedBy(want.Name)
		}
		d.change(c)
	}
}

// pythonsTemplate is the one from which the Python charm derived all others, and which the scale sets without one of their own used.
const pythonsTemplate = desired.SystemTemplate + "_charmed"

// owns tells whether a template is the charm's own: it has its mark, or its name is one that the Python charm gave. That marked
// none, and wrote over whatever had the name.
func (d *differ) owns(t desired.Template) bool {
	if desired.IsMarked(t.Description) {
		return true
	}
	hasName := func(s desired.ScaleSet) bool { return t.Name == desired.SystemTemplate+"-"+s.Name }
	return d.scope.Inventory.TakesOver && (t.Name == pythonsTemplate || slices.ContainsFunc(d.want.ScaleSets, hasName))
}

// renewedBy has the scale sets that have that template now.
func (d *differ) renewedBy(template string) (ids []uint) {
	for _, s := range d.current.ScaleSets {
		if s.Template == template {
			ids = append(ids, d.renewed(s.ID)...)
		}
	}
	return ids
}

// renewed is the scale set, unless it is only now taken over: what it has then stays, however it was made.
func (d *differ) renewed(id uint) []uint {
	if d.scope.Inventory.ScaleSets[id].Recipe == "" {
		return nil
	}
	return []uint{id}
}

// heldUser names a scale set with that template which has to stay as it is. It is not wanted, else it would not be held.
func (d *differ) heldUser(template string) string {
	i := slices.IndexFunc(d.current.ScaleSets, func(s desired.ScaleSet) bool {
		return s.Template == template && d.scope.Held[d.scope.Inventory.ScaleSets[s.ID].Application]
	})
	if i < 0 {
		return ""
	}
	return d.current.ScaleSets[i].String()
}

// isDeferred tells whether a template that is wanted cannot be had.
func (d *differ) isDeferred(template string) bool { return d.deferred[TemplateName(template)] }

func (d *differ) wantScaleSets() {
	for _, want := range d.want.ScaleSets {
		if d.isDeferred(want.Template) || d.isOutOfReach(want.Entity.Endpoint) {
			continue
		}
		have, exists := d.have.scaleSets[want.ScaleSetKey]
		switch {
		case !exists:
			d.createScaleSet(want)
		case d.scope.Inventory.ScaleSets[have.ID].Recreate:
			d.recreateScaleSet(have, want)
		default:
			d.updateScaleSet(have, want)
		}
	}
}

// recreateScaleSet makes the scale set anew once its last runner has gone.
func (d *differ) recreateScaleSet(have, want desired.ScaleSet) {
	if d.retire(have, want.Application, "it is to be made anew") {
		d.createScaleSet(want, have.String())
	}
}

func (d *differ) createScaleSet(want desired.ScaleSet, needs ...string) {
	if !d.scope.Providers[want.Provider] {
		d.deferTo(Deferral{Application: want.Application, Name: want.String(), Why: "GARM has not loaded provider " + want.Provider + " yet"})
		return
	}
	c := scaleSetChange(Create, want, want.Application+" declares it")
	c.Needs = append(c.Needs, needs...)
	d.change(c)
}

func scaleSetChange(verb Verb, set desired.ScaleSet, why string) Change {
	c := Change{Verb: verb, Name: set.String(), Why: why, Application: set.Application, ScaleSet: &set, Needs: []string{set.Entity.String()}}
	if set.Template != "" {
		c.Needs = append(c.Needs, TemplateName(set.Template))
	}
	return c
}

func (d *differ) updateScaleSet(have, want desired.ScaleSet) {
	if fixed := fixedDifference(have, want); fixed != "" {
		d.deferTo(Deferral{
			Application: want.Application, Name: want.String(), Stuck: true,
			Why: fixed + " of an existing scale set cannot be changed; run garm's action recreate-scaleset, or give it another name",
		})
	}
	why := settingsDifference(have.Settings, want.Settings)
	if why == "" {
		why = d.overlooked(have)
		want.Overlooked = have.Overlooked
	}
	if why == "" {
		return
	}
	want.ID = have.ID
	c := scaleSetChange(Update, want, why)
	if d.have.recipe(have) != d.wanted.recipe(want) {
		c.Renews = d.renewed(have.ID)
	}
	d.change(c)
}

// overlooked is why GARM has to be told of a scale set again that is as it should be; empty if it has not, or if it can do
// nothing for the entity anyway.
func (d *differ) overlooked(have desired.ScaleSet) string {
	entity := d.have.entities[have.Entity]
	if have.Overlooked == 0 || entity.Failure != "" || d.have.credentials[entity.Credential].Unanswered {
		return ""
	}
	return Count(have.Overlooked, "runner") + " needed, and GARM makes none"
}

// fixedDifference names what differs though GARM cannot change it.
func fixedDifference(have, want desired.ScaleSet) string {
	var names []string
	if have.Provider != want.Provider {
		names = append(names, fmt.Sprintf("provider (%s -> %s)", have.Provider, want.Provider))
	}
	if !strings.EqualFold(have.Labels, want.Labels) {
		names = append(names, fmt.Sprintf("labels (%s -> %s)", have.Labels, want.Labels))
	}
	return strings.Join(names, " and ")
}

func settingsDifference(have, want desired.Settings) string {
	var parts []string
	add := func(name string, have, want any) {
		if have != want {
			parts = append(parts, fmt.Sprintf("%s %v -> %v", name, have, want))
		}
	}
	add("image", have.Image, want.Image)
	add("flavor", have.Flavor, want.Flavor)
	add("architecture", have.OSArch, want.OSArch)
	add("runner group", have.RunnerGroup, want.RunnerGroup)
	add("min idle runners", have.MinIdle, want.MinIdle)
	add("max runners", have.Max, want.Max)
	add("enabled", have.Enabled, want.Enabled)
	add("runner prefix", have.RunnerPrefix, want.RunnerPrefix)
	add("bootstrap timeout", have.BootstrapTimeout, want.BootstrapTimeout)
	add("template", cmp.Or(have.Template, "GARM's own"), cmp.Or(want.Template, "GARM's own"))
	if have.ExtraSpecs != want.ExtraSpecs {
		parts = append(parts, "pre-install scripts changed")
	}
	return strings.Join(parts, ", ")
}
