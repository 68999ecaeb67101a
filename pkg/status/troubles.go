package status

import (
	"maps"
	"slices"
	"strings"

	"github.com/garm-charms/garm-charms/pkg/desired"
)

// trouble is why a scale set that stands as declared lacks runners; empty if it has them.
func (f Findings) trouble(want desired.ScaleSet) string {
	if why := f.Unheard[f.scaleSetID(want)]; why != "" {
		return Unheard(why)
	}
	if why := f.refusal(want.ScaleSetKey); why != "" {
		return CloudRefuses(why)
	}
	if failed := f.failedRunner(want); failed != nil {
		return FailedRunner(*failed)
	}
	return ""
}

// refusal is why a cloud does not make runners of a scale set, empty if it does, or if GARM's log does not tell whose they were to
// be: it has their names, which begin with the scale set's prefix.
func (f Findings) refusal(of desired.ScaleSetKey) string {
	for prefix, why := range f.Refused {
		if sets := f.named(prefix); len(sets) == 1 && sets[0].ScaleSetKey == of {
			return why
		}
	}
	return ""
}

// unclear are the reasons why clouds do not make runners of one of several scale sets.
func (f Findings) unclear() (reasons []string) {
	isWanted := func(have desired.ScaleSet) bool {
		return slices.ContainsFunc(f.Want.ScaleSets, func(want desired.ScaleSet) bool { return want.ScaleSetKey == have.ScaleSetKey })
	}
	for _, prefix := range slices.Sorted(maps.Keys(f.Refused)) {
		if sets := f.named(prefix); len(sets) > 1 && slices.ContainsFunc(sets, isWanted) {
			reasons = append(reasons, f.Refused[prefix])
		}
	}
	return reasons
}

// named are the scale sets that may make runners whose names begin with a prefix; GARM writes it small (GARM
// workers/scaleset/scaleset.go, handleScaleUp).
func (f Findings) named(prefix string) (sets []desired.ScaleSet) {
	for _, s := range f.Before.ScaleSets {
		if s.Enabled && strings.EqualFold(s.RunnerPrefix, prefix) {
			sets = append(sets, s)
		}
	}
	return sets
}

// failedRunner is one of the scale set's that could not be set up, nil if there is none.
func (f Findings) failedRunner(want desired.ScaleSet) *desired.Runner {
	for _, c := range f.Plan.Changes {
		if c.Runner != nil && c.Runner.Phase == desired.Failed && c.Application == want.Application {
			return c.Runner
		}
	}
	return nil
}
