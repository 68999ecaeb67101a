// Package status holds every word that an operator reads in `juju status` of either charm. The rules: blocked says what
// to do and names the command, waiting and maintenance say what goes on by itself, active says something useful and is
// only used if it is true. One line, no full stop, at most the first problem and how many more there are.
//
// It calls nothing; the charms set what it returns.
package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
)

// line makes one line of a message: parts of it are GARM's and GitHub's, and `juju status` shows the first line only.
func line(level hook.StatusLevel, format string, args []any) hook.Status {
	return hook.Status{Level: level, Message: hook.Line(fmt.Sprintf(format, args...))}
}

// Worst is the first of the most serious statuses, with the number of the other serious ones. Without any it is zero.
func Worst(statuses []hook.Status) hook.Status {
	if len(statuses) == 0 {
		return hook.Status{}
	}
	worst := slices.MinFunc(statuses, func(a, b hook.Status) int { return cmp.Compare(rank(a), rank(b)) })
	more := -1
	for _, s := range statuses {
		if s.Level != hook.Active {
			more++
		}
	}
	if more > 0 {
		worst.Message += fmt.Sprintf(" (and %d more)", more)
	}
	return worst
}

// rank orders levels as Juju does when it derives an application's status from its units' (Juju core/status).
func rank(s hook.Status) int {
	return slices.Index([]hook.StatusLevel{hook.Blocked, hook.Waiting, hook.Maintenance, hook.Active}, s.Level)
}

// Standby is the status of a unit that leaves the work to the leader.
func Standby() hook.Status { return standby.say() }

// Problems says what is wrong with garm-configurator's options: which are missing, and what the first invalid one must be.
func Problems(found []runnerconfig.Problem) hook.Status {
	return problems.say(problemsIn(found))
}

// problemsIn is a configuration's problems in one line.
func problemsIn(found []runnerconfig.Problem) string {
	var missing, invalid []string
	for _, p := range found {
		if p.Missing {
			missing = append(missing, p.Option)
		} else {
			invalid = append(invalid, p.String())
		}
	}
	var parts []string
	if len(missing) > 0 {
		parts = append(parts, "Set "+strings.Join(missing, ", "))
	}
	if len(invalid) > 0 {
		parts = append(parts, invalid[0])
	}
	text := strings.Join(parts, "; ")
	if len(invalid) > 1 {
		text += fmt.Sprintf(" (and %d more)", len(invalid)-1)
	}
	return text
}

// NoImageBuilder says that nothing makes the image to boot runners from.
func NoImageBuilder(application string) hook.Status {
	return noImageBuilder.say(application)
}

// NoImage says that the image builder has no image yet.
func NoImage(builder string) hook.Status { return noImage.say(builder) }

// NoGARM says that nobody reads what the configurator publishes.
func NoGARM(application string) hook.Status {
	return noGARM.say(application)
}

// NotThere says that nobody has come yet to read what is to be published.
func NotThere(application string) hook.Status { return notThere.say(application) }

// Answered is the status of a configurator that has published its scale set, given garm's answer.
func Answered(scaleSet, answer, message string) hook.Status {
	switch answer {
	case runnerconfig.StatusReady:
		return ready.say(scaleSet)
	case runnerconfig.StatusRefused:
		return refusedByGARM.say(message)
	case runnerconfig.StatusPending:
		return notYet.say(message)
	}
	return published.say(scaleSet)
}
