package desired

import (
	"slices"
	"time"
)

// Runner is one runner of a scale set, as GARM has it.
type Runner struct {
	Name    string
	Phase   Phase
	Created time.Time // by GARM's clock
	// Said is the last message that it sent to GARM while it was set up.
	Said string
}

// Phase is what can be done with a runner.
type Phase string

// A runner that moves is on its way in or out. One that has failed stays as it is, in the place of another (GARM v0.2.1).
const (
	Idle   Phase = "idle"
	Busy   Phase = "busy"
	Failed Phase = "failed"
	Moving Phase = "moving"
)

// CountRunners is how many of the scale set's runners are in that phase.
func (s ScaleSet) CountRunners(phase Phase) int {
	count := 0
	for _, r := range s.Runners {
		if r.Phase == phase {
			count++
		}
	}
	return count
}

// Recipe is a digest of all that decides what a new runner is like; template is a digest of the template's content, whatever
// its name. GARM keeps a generation for the same end, but gives every runner generation 0 (GARM v0.2.1, runner/pool and workers/scaleset).
func Recipe(s Settings, template string) string {
	return digest(s.Image, s.Flavor, s.OSArch, s.RunnerGroup, s.ExtraSpecs, template)[:16]
}

// Outdated are the idle runners that were created before a time, the oldest first.
func (s ScaleSet) Outdated(before time.Time) []Runner {
	var outdated []Runner
	for _, r := range s.Runners {
		if r.Phase == Idle && r.Created.Before(before) {
			outdated = append(outdated, r)
		}
	}
	slices.SortFunc(outdated, func(a, b Runner) int { return a.Created.Compare(b.Created) })
	return outdated
}
