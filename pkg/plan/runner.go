package plan

import (
	"fmt"
	"slices"

	"github.com/garm-charms/garm-charms/pkg/desired"
)

// RunnerName is Change.Name of the runner called name.
func RunnerName(name string) string { return "runner " + name }

// replaceRunners takes those runners away that GARM would keep: the failed ones, and of the outdated ones one at a time.
// GARM puts another in the place of each.
func (d *differ) replaceRunners() {
	for _, have := range d.current.ScaleSets {
		owned, isOurs := d.scope.Inventory.ScaleSets[have.ID]
		if !isOurs {
			continue
		}
		for _, r := range have.Runners {
			if r.Phase == desired.Failed {
				d.change(runnerChange(owned.Application, r, fmt.Sprintf("it could not be set up: %q", r.Said)))
			}
		}
		_, wanted := d.wanted.scaleSets[have.ScaleSetKey]
		if d.scope.Roll && wanted && !d.scope.Held[owned.Application] {
			d.roll(have, owned)
		}
	}
}

// roll replaces the oldest outdated runner when every other is up: if the new recipe makes none that work, the old ones stay.
func (d *differ) roll(have desired.ScaleSet, owned Owned) {
	outdated := have.Outdated(owned.Since)
	if len(outdated) == 0 || have.CountRunners(desired.Moving)+have.CountRunners(desired.Failed) > 0 {
		return
	}
	d.change(runnerChange(owned.Application, outdated[0], fmt.Sprintf("it is as %s was before it changed", have)))
}

func runnerChange(application string, r desired.Runner, why string) Change {
	return Change{Verb: Delete, Name: RunnerName(r.Name), Why: why, Application: application, Runner: &r}
}

// Rotate replaces every idle runner of a scale set at once.
func Rotate(application string, s desired.ScaleSet) (p Plan) {
	for _, r := range s.Runners {
		if r.Phase == desired.Idle {
			p.Changes = append(p.Changes, runnerChange(application, r, "an operator wants it replaced"))
		}
	}
	slices.SortFunc(p.Changes, func(a, b Change) int { return a.Runner.Created.Compare(b.Runner.Created) })
	return p
}
