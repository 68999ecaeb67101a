package status

import (
	"cmp"
	"fmt"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/plan"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
)

// GARMProblems says of the garm charm's own options what Problems says of garm-configurator's.
func GARMProblems(found []runnerconfig.Problem) hook.Status {
	return garmProblems.say(problemsIn(found))
}

// NoContainer says that Pebble in the workload container does not answer yet.
func NoContainer(container string) hook.Status {
	return noContainer.say(container)
}

// NoPeers says that the peer relation is not there yet.
func NoPeers() hook.Status { return noPeers.say() }

// NoSecrets says that the leader has not made GARM's secrets yet.
func NoSecrets() hook.Status { return noSecrets.say() }

// NoDatabase says that GARM has no place to keep its data where a new pod would find it again.
func NoDatabase(application string) hook.Status {
	return noDatabase.say(application, application)
}

// DatabaseWaits says what the integrated PostgreSQL has not given yet.
func DatabaseWaits(postgresql, missing string) hook.Status {
	return databaseWaits.say(postgresql, missing)
}

// DatabaseInUse says that the scale sets must go before the database can change.
func DatabaseInUse(application, postgresql string, scaleSets int) hook.Status {
	return databaseInUse.say(postgresql, plan.Count(scaleSets, "scale set"), application, postgresql)
}

// DatabaseGone says that the database that the scale sets are in is not to be had.
func DatabaseGone(application string, scaleSets int) hook.Status {
	return databaseGone.say(plan.Count(scaleSets, "scale set"), application)
}

// NoPostgreSQL says that the container's GARM is too old for the database.
func NoPostgreSQL(application, postgresql string) hook.Status {
	return noPostgreSQL.say(application, application, postgresql)
}

// TooManyUnits says that units cannot share a file.
func TooManyUnits(application string, units int) hook.Status {
	return tooManyUnits.say(units, application, application)
}

// OtherServes says that the unit that led before still runs GARM.
func OtherServes(unit string) hook.Status { return otherServes.say(unit) }

// NoWorkload says that the container's image has no GARM.
func NoWorkload(why error) hook.Status {
	return noWorkload.say(why)
}

// Starting says that GARM does not answer yet.
func Starting() hook.Status { return starting.say() }

// LoginRefused says that GARM has another admin than the charm's.
func LoginRefused() hook.Status {
	return loginRefused.say()
}

// Unreachable says that GARM failed to answer; it is tried again at every event.
func Unreachable(why error) hook.Status { return unreachable.say(why) }

// NoConfigurator says that GARM runs and nothing is declared.
func NoConfigurator() hook.Status { return noConfigurator.say() }

// Undeclared says that a configurator is integrated and has published nothing yet.
func Undeclared(application string) hook.Status {
	return undeclared.say(application)
}

// Held says that a configurator's configuration has become invalid; what it declared before goes on.
func Held(application, why string) hook.Status {
	return held.say(application, why)
}

// Refused says that a declaration cannot be followed; the other configurators' are.
func Refused(application, why string) hook.Status {
	return refused.say(application, why)
}

// Failed says that a change in GARM failed; it is tried again at every event.
func Failed(why string) hook.Status { return failed.say(why) }

// Pending says what a scale set waits for.
func Pending(what string) hook.Status { return pending.say(what) }

// Serving is the status of a GARM that has everything as declared.
func Serving(scaleSets, runners, most, outdated int) hook.Status {
	sets := plan.Count(scaleSets, "scale set")
	if outdated > 0 {
		return servingOutdated.say(sets, runners, most, outdated)
	}
	return serving.say(sets, runners, most)
}

// FailedRunner says that a runner could not be set up, in its own words; GARM makes another.
func FailedRunner(r desired.Runner) string {
	return fmt.Sprintf("runner %s could not be set up: %s", r.Name, cmp.Or(r.Said, "it does not say why"))
}

// Unanswered says that GitHub does not let GARM in with a credential, as far as GARM tells.
func Unanswered(credential string) string {
	return fmt.Sprintf("GitHub refuses credential %s, or does not answer GARM; check the App's ID, installation and key, or the token", credential)
}

// Unheard says why GARM does not hear of a scale set's jobs.
func Unheard(why string) string { return "GARM does not hear of jobs from GitHub: " + why }

// CloudRefuses says why a cloud does not make runners of a scale set.
func CloudRefuses(why string) string { return "the cloud refuses runners: " + why }

// SomeCloudRefuses says the same when that may be one of several.
func SomeCloudRefuses(why string) hook.Status { return someCloudRefuses.say(why) }
