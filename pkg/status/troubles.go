package status

import (
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

// refusal is why a cloud does not make runners of a scale set, empty if it does or nothing proves that it does not: of what was
// refused GARM knows for 10 to 15 s more, and begins anew within 20.
func (f Findings) refusal(of desired.ScaleSetKey) string {
	if f.Refuses == "" {
		return ""
	}
	for _, have := range f.Before.ScaleSets {
		for _, r := range have.Runners {
			if why := f.Refused[r.Name]; why != "" && have.ScaleSetKey == of {
				return why
			}
		}
	}
	return ""
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
