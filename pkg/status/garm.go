package status

import (
	"github.com/garm-charms/garm-charms/pkg/hook"
)

// NoContainer says that Pebble in the workload container does not answer yet.
func NoContainer(container string) hook.Status {
	return waiting("Waiting for the %s container", container)
}

// NoPeers says that the peer relation is not there yet.
func NoPeers() hook.Status { return waiting("Waiting for the peer relation") }

// NoSecrets says that the leader has not made GARM's secrets yet.
func NoSecrets() hook.Status { return waiting("Waiting for the leader to make GARM's secrets") }

// NoDatabase says that GARM has no place to keep its data where a new pod would find it again.
func NoDatabase(application string) hook.Status {
	return blocked("No database: run juju integrate %s postgresql, or remove %s and deploy it again with --storage data=1G", application, application)
}

// DatabaseWaits says what the integrated PostgreSQL has not given yet.
func DatabaseWaits(postgresql, missing string) hook.Status {
	return waiting("Waiting for %s to give %s", postgresql, missing)
}

// DatabaseInUse says that the scale sets must go before the database can change.
func DatabaseInUse(application, postgresql string, scaleSets int) hook.Status {
	return blocked("%s cannot take over %d scale sets: remove their integrations first, or run juju remove-relation %s %s", postgresql, scaleSets, application, postgresql)
}

// DatabaseGone says that the database that the scale sets are in is not to be had.
func DatabaseGone(application string, scaleSets int) hook.Status {
	return blocked("The database of %d scale sets is gone: run juju integrate %s with the PostgreSQL that it was", scaleSets, application)
}

// NoPostgreSQL says that the container's GARM is too old for the database.
func NoPostgreSQL(application, postgresql string) hook.Status {
	return blocked("This GARM has no PostgreSQL: run juju attach-resource %s app-image=IMAGE with one after v0.2.1, or juju remove-relation %s %s", application, application, postgresql)
}

// TooManyUnits says that units cannot share a file.
func TooManyUnits(application string, units int) hook.Status {
	return blocked("SQLite serves one unit, not %d: run juju scale-application %s 1, or juju integrate %s postgresql", units, application, application)
}

// OtherServes says that the unit that led before still runs GARM.
func OtherServes(unit string) hook.Status { return waiting("Waiting for %s to stop its GARM", unit) }

// NoWorkload says that the container's image has no GARM.
func NoWorkload(why error) hook.Status {
	return blocked("Attach a GARM image as resource app-image: %v", why)
}

// Starting says that GARM does not answer yet.
func Starting() hook.Status { return maintenance("GARM is starting") }

// LoginRefused says that GARM has another admin than the charm's.
func LoginRefused() hook.Status {
	return blocked("GARM refuses the charm's admin login; see the secret garm-admin-credentials")
}

// Unreachable says that GARM failed to answer; it is tried again at every event.
func Unreachable(why error) hook.Status { return maintenance("Retrying: %v", why) }

// NoConfigurator says that GARM runs and nothing is declared.
func NoConfigurator() hook.Status { return active("No configurator integrated") }

// Undeclared says that a configurator is integrated and has published nothing yet.
func Undeclared(application string) hook.Status {
	return waiting("Waiting for %s to publish its scale set", application)
}

// Held says that a configurator's configuration has become invalid; what it declared before goes on.
func Held(application, why string) hook.Status {
	return waiting("%s: %s; its scale set stays as it was", application, why)
}

// Refused says that a declaration cannot be followed; the other configurators' are.
func Refused(application, why string) hook.Status {
	return blocked("%s: %s", application, why)
}

// Failed says that a change in GARM failed; it is tried again at every event.
func Failed(why string) hook.Status { return waiting("%s", why) }

// Pending says what a scale set waits for.
func Pending(what string) hook.Status { return maintenance("%s", what) }

// Serving is the status of a GARM that has everything as declared.
func Serving(scaleSets, runners, most int) hook.Status {
	noun := "scale sets"
	if scaleSets == 1 {
		noun = "scale set"
	}
	return active("%d %s, %d/%d runners", scaleSets, noun, runners, most)
}
