package configurator

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/plan"
)

// Contest refuses, with Invalid, every declaration that asks for what is another application's, and puts those first that
// declare what they had before. A provider is of the applications whose scale sets the inventory has on it, else of the first
// that declares it. A scale set is of the application that the inventory has it of, as long as that is integrated and has not
// declared another one instead.
func Contest(declared []Declared, inventory plan.Inventory) []Declared {
	var c contest
	for _, id := range slices.Sorted(maps.Keys(inventory.ScaleSets)) {
		c.owned = append(c.owned, inventory.ScaleSets[id])
	}
	var others []Declared
	for _, d := range declared {
		if c.declaresWhatItHad(d) {
			c.declared = append(c.declared, d)
		} else {
			others = append(others, d)
		}
	}
	c.declared = append(c.declared, others...)
	for c.refuse() { // who is refused keeps what it had, which another may have been given meanwhile
	}
	return c.declared
}

type contest struct {
	declared []Declared
	owned    []plan.Owned // of the inventory, by ID
}

func (c contest) declaresWhatItHad(d Declared) bool {
	name := desired.KeyOf(d.ScaleSet).String()
	had := func(o plan.Owned) bool {
		return o.Application == d.Application && o.Provider == d.ScaleSet.ProviderName && (o.ScaleSet == "" || o.ScaleSet == name)
	}
	return d.Valid() && slices.ContainsFunc(c.owned, had)
}

// refuse tells whether it has refused any that was not refused before.
func (c contest) refuse() (any bool) {
	for i, d := range c.declared {
		if !d.Valid() {
			continue
		}
		if err := cmp.Or(c.takenScaleSet(d), c.takenProvider(i)); err != nil {
			c.declared[i].Invalid, any = err, true
		}
	}
	return any
}

func (c contest) takenScaleSet(d Declared) error {
	key := desired.KeyOf(d.ScaleSet)
	name := key.String()
	for _, o := range c.owned {
		if o.ScaleSet == name && o.Application != d.Application && c.keeps(o.Application, key) {
			return desired.TakenScaleSetError(key, o.Application)
		}
	}
	return nil
}

// keeps tells whether an application is integrated and does not declare another scale set instead.
func (c contest) keeps(application string, key desired.ScaleSetKey) bool {
	i := slices.IndexFunc(c.declared, func(d Declared) bool { return d.Application == application })
	return i >= 0 && (!c.declared[i].Valid() || desired.KeyOf(c.declared[i].ScaleSet) == key)
}

func (c contest) takenProvider(i int) error {
	d := c.declared[i]
	name := d.ScaleSet.ProviderName
	uses := func(o plan.Owned) bool { return o.Provider == name }
	switch first := slices.IndexFunc(c.owned, uses); {
	case first < 0:
		first = slices.IndexFunc(c.declared, func(d Declared) bool { return d.Valid() && d.ScaleSet.ProviderName == name })
		if first < i {
			return desired.TakenProviderError(name, c.declared[first].Application)
		}
		return nil
	case slices.ContainsFunc(c.owned, func(o plan.Owned) bool { return uses(o) && o.Application == d.Application }):
		return nil
	default:
		return fmt.Errorf("provider %s has a scale set of %s; deploy %s under another application name, or wait until that scale set is gone", name, c.owned[first].Application, d.Application)
	}
}
