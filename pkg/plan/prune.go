package plan

import (
	"fmt"
	"slices"

	"github.com/garm-charms/garm-charms/pkg/desired"
)

// pruneScaleSets drains the scale sets that nobody declares any more, and deletes those that have no runner left.
func (d *differ) pruneScaleSets() {
	for _, have := range d.current.ScaleSets {
		owner, owned := d.scope.Inventory.ScaleSets[have.ID]
		_, wanted := d.wanted.scaleSets[have.ScaleSetKey]
		if !owned || wanted || d.scope.Held[owner.Application] {
			continue
		}
		d.retire(have, owner.Application, "no configurator declares it any more")
	}
}

// retire drains a scale set, and deletes it if it has no runner left.
func (d *differ) retire(have desired.ScaleSet, application, why string) (deleted bool) {
	if have.Enabled || have.MinIdle > 0 || have.Max > 0 {
		d.change(Change{Verb: Drain, Name: have.String(), Why: why, Application: application, ScaleSet: &have})
	}
	if len(have.Runners) > 0 {
		d.deferTo(Deferral{Application: application, Name: have.String(), Why: drainText(have)})
		return false
	}
	d.change(Change{Verb: Delete, Name: have.String(), Why: why, Application: application, ScaleSet: &have, Needs: []string{have.String()}})
	return true
}

func drainText(s desired.ScaleSet) string {
	text := fmt.Sprintf("draining %s of %s", Count(len(s.Runners), "runner"), s.Name)
	if busy := s.CountRunners(desired.Busy); busy > 0 {
		text += fmt.Sprintf(", %d with a job", busy)
	}
	return text
}

// remaining are the scale sets that use after the plan what they use now. Those that it updates use what is wanted.
func (d *differ) remaining() (sets []desired.ScaleSet) {
	leaving := map[uint]bool{}
	for _, c := range d.plan.Changes {
		if c.ScaleSet != nil && (c.Verb == Delete || c.Verb == Update) {
			leaving[c.ScaleSet.ID] = true
		}
	}
	for _, have := range d.current.ScaleSets {
		if !leaving[have.ID] {
			sets = append(sets, have)
		}
	}
	return sets
}

func (d *differ) pruneTemplates() {
	used := map[string]bool{}
	for _, s := range d.remaining() {
		used[s.Template] = true
	}
	for _, have := range d.current.Templates {
		_, wanted := d.wanted.templates[have.Name]
		if wanted || used[have.Name] || !d.owns(have) {
			continue
		}
		d.change(Change{Verb: Delete, Name: TemplateName(have.Name), Why: "no scale set refers to it any more", Template: &have, Needs: d.users(func(s desired.ScaleSet) bool { return s.Template == have.Name })})
	}
}

// users names the scale sets that use something now, whose changes must go before its deletion.
func (d *differ) users(uses func(desired.ScaleSet) bool) (names []string) {
	for _, have := range d.current.ScaleSets {
		if uses(have) {
			names = append(names, have.String())
		}
	}
	return names
}

func (d *differ) pruneEntities() {
	used := map[desired.EntityRef]bool{}
	for _, s := range d.remaining() {
		used[s.Entity] = true
	}
	for _, have := range d.current.Entities {
		_, wanted := d.wanted.entities[have.EntityRef]
		if wanted || used[have.EntityRef] || !d.scope.Inventory.Entities[have.ID] {
			continue
		}
		d.change(Change{Verb: Delete, Name: have.String(), Why: "no configurator declares a scale set for it any more", Entity: &have, Needs: d.users(func(s desired.ScaleSet) bool { return s.Entity == have.EntityRef })})
	}
}

func (d *differ) pruneCredentials() {
	for _, have := range d.current.Credentials {
		_, wanted := d.wanted.credentials[have.Name]
		if wanted || !d.scope.Inventory.owns(have) {
			continue
		}
		users, used := d.entitiesUsing(have.Name)
		if used {
			continue
		}
		d.change(Change{Verb: Delete, Name: CredentialName(have.Name), Why: "no configurator uses it any more", Credential: &have, Needs: users})
	}
}

// entitiesUsing names the entities that use the credential now, and tells whether one of them still does after the plan.
func (d *differ) entitiesUsing(credential string) (names []string, used bool) {
	for _, have := range d.current.Entities {
		if have.Credential != credential {
			continue
		}
		names = append(names, have.String())
		released := slices.ContainsFunc(d.plan.Changes, func(c Change) bool {
			return c.Entity != nil && c.Entity.ID == have.ID && (c.Verb == Delete || c.Verb == Update)
		})
		used = used || !released
	}
	return names, used
}
