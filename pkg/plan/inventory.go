package plan

import (
	"cmp"
	"maps"
	"time"

	"github.com/garm-charms/garm-charms/pkg/desired"
)

// Inventory is what the charm made or took over, for the kinds of object that have no place for a mark. It is kept
// between hooks as JSON.
type Inventory struct {
	// Entities has the IDs of the entities.
	Entities map[string]bool `json:"entities,omitempty"`
	// ScaleSets has the scale sets by ID.
	ScaleSets map[uint]Owned `json:"scale-sets,omitempty"`
	// Certificates are those, in PEM and by the endpoint's name, that GARM needs as long as it has the endpoint.
	Certificates map[string]string `json:"certificates,omitempty"`
	// TakesOver says that GARM was the Python charm's, and that not all it left has been replaced or removed yet.
	TakesOver bool `json:"takes-over,omitempty"`
}

// Owned is what must be known of a scale set when nobody declares it any more.
type Owned struct {
	Application string `json:"application"` // that declared it
	Provider    string `json:"provider"`    // that has its runners, and must stay until they are gone
	// ScaleSet is desired.ScaleSetKey.String(); empty until the scale set is first looked at.
	ScaleSet string `json:"scale-set,omitempty"`
	// Recipe is what its new runners were like when it was last looked at; empty when that is not known. Runners created
	// before Since are of an earlier one. An earlier charm kept another digest, with the template's name in it, as "recipe".
	Recipe string    `json:"made-as,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	// Recreate says that an operator wants it made anew.
	Recreate bool `json:"recreate,omitempty"`
}

// cook takes the scale set's present recipe down.
func (o Owned) cook(have desired.ScaleSet) Owned {
	if o.Recipe != "" && o.Recipe != have.Recipe {
		o.Since = have.Changed
	}
	o.Recipe = have.Recipe
	return o
}

// Clone returns a copy with maps of its own, ready to be added to.
func (i Inventory) Clone() Inventory {
	clone := Inventory{Entities: map[string]bool{}, ScaleSets: map[uint]Owned{}, Certificates: maps.Clone(i.Certificates), TakesOver: i.TakesOver}
	maps.Copy(clone.Entities, i.Entities)
	maps.Copy(clone.ScaleSets, i.ScaleSets)
	return clone
}

// owns tells whether a credential is the charm's own.
func (i Inventory) owns(c desired.Credential) bool {
	return desired.IsMarked(c.Description) || i.isPythons(c)
}

func (i Inventory) isPythons(c desired.Credential) bool {
	return i.TakesOver && desired.IsPythons(c.Description)
}

// Kept are the entities in which applications on hold have scale sets, with a credential of the charm's own.
func (i Inventory) Kept(current desired.State, held map[string]bool) (kept []desired.Kept) {
	if len(held) == 0 {
		return nil
	}
	have := lookUp(current)
	users := map[desired.EntityRef]map[string]bool{}
	for _, s := range current.ScaleSets {
		if users[s.Entity] == nil {
			users[s.Entity] = map[string]bool{}
		}
		users[s.Entity][i.ScaleSets[s.ID].Application] = true
	}
	for _, s := range current.ScaleSets {
		application, entity := i.ScaleSets[s.ID].Application, have.entities[s.Entity]
		if held[application] && desired.IsMarked(have.credentials[entity.Credential].Description) {
			kept = append(kept, desired.Kept{Entity: entity, Application: application, Users: users[s.Entity]})
		}
	}
	return kept
}

// Settle returns the inventory as GARM bears it out: without what is no more, with the scale sets that exist and are
// wanted, and with the entities that are wanted and have a credential of the charm's own. An entity has no other trace of
// who made it when the request was given up and GARM carried it out later. The Python charm took every entity for its own
// that has a credential of its own, and deleted what others made there.
func (i Inventory) Settle(current, want desired.State) Inventory {
	settled := Inventory{Entities: map[string]bool{}, ScaleSets: map[uint]Owned{}, Certificates: i.settleCertificates(current, want), TakesOver: i.TakesOver}
	is, wants := lookUp(current), lookUp(want)
	for _, e := range current.Entities {
		_, wanted := wants.entities[e.EntityRef]
		credential := is.credentials[e.Credential]
		if i.Entities[e.ID] || i.isPythons(credential) || (wanted && i.owns(credential)) {
			settled.Entities[e.ID] = true
		}
	}
	for _, have := range current.ScaleSets {
		owned, known := i.ScaleSets[have.ID]
		if known {
			owned = owned.cook(have)
		}
		if wanted, found := wants.scaleSets[have.ScaleSetKey]; found {
			owned.Application, owned.Provider, known = wanted.Application, have.Provider, true
		}
		if known {
			owned.ScaleSet = have.ScaleSetKey.String()
			settled.ScaleSets[have.ID] = owned
		}
	}
	return settled
}

// settleCertificates keeps the text of a certificate as it was declared: GARM returns it without what else stood in it.
func (i Inventory) settleCertificates(current, want desired.State) map[string]string {
	certificates := map[string]string{}
	for _, e := range current.Endpoints {
		if e.CACertificate != "" && desired.IsMarked(e.Description) {
			certificates[e.Name] = cmp.Or(i.Certificates[e.Name], e.CACertificate)
		}
	}
	for _, e := range want.Endpoints {
		if e.CACertificate != "" {
			certificates[e.Name] = e.CACertificate
		}
	}
	return certificates
}
