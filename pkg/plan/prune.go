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
		_, wanted := find(d.want.ScaleSets, have.ScaleSetKey, keyOfSet)
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
	text := fmt.Sprintf("draining %d runners of %s", len(s.Runners), s.Name)
	if busy := s.CountRunners(desired.Busy); busy > 0 {
		text += fmt.Sprintf(", %d of them with a job", busy)
	}
	return text
}

// remaining are the scale sets that use after the plan what they use now. Those that it updates use what is wanted.
func (d *differ) remaining() (sets []desired.ScaleSet) {
	for _, have := range d.current.ScaleSets {
		leaves := func(c Change) bool {
			return c.ScaleSet != nil && c.ScaleSet.ID == have.ID && (c.Verb == Delete || c.Verb == Update)
		}
		if !slices.ContainsFunc(d.plan.Changes, leaves) {
			sets = append(sets, have)
		}
	}
	return sets
}

func (d *differ) pruneTemplates() {
	remaining := d.remaining()
	for _, have := range d.current.Templates {
		_, wanted := find(d.want.Templates, have.Name, nameOfTemplate)
		used := slices.ContainsFunc(remaining, func(s desired.ScaleSet) bool { return s.Template == have.Name })
		if wanted || used || !d.owns(have) {
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
	remaining := d.remaining()
	for _, have := range d.current.Entities {
		_, wanted := find(d.want.Entities, have.EntityRef, refOfEntity)
		_, used := find(remaining, have.EntityRef, entityOfSet)
		if wanted || used || !d.scope.Inventory.Entities[have.ID] {
			continue
		}
		d.change(Change{Verb: Delete, Name: have.String(), Why: "no configurator declares a scale set for it any more", Entity: &have, Needs: d.users(func(s desired.ScaleSet) bool { return s.Entity == have.EntityRef })})
	}
}

func (d *differ) pruneCredentials() {
	for _, have := range d.current.Credentials {
		_, wanted := find(d.want.Credentials, have.Name, nameOfCredential)
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
