package status

import (
	"github.com/garm-charms/garm-charms/pkg/hook"
)

// The statuses that there are, in the order in which the reference has them. What each says is in the table below; the
// functions of their names return them.
const (
	problems word = iota
	noImageBuilder
	noImage
	noGARM
	notThere
	published
	notYet
	refusedByGARM
	ready

	garmProblems
	noContainer
	noPeers
	noSecrets
	noDatabase
	databaseWaits
	databaseInUse
	databaseGone
	noPostgreSQL
	tooManyUnits
	otherServes
	noWorkload
	starting
	loginRefused
	unreachable
	undeclared
	held
	refused
	someCloudRefuses
	failed
	pending
	noConfigurator
	serving
	servingOutdated

	standby
	words // how many there are
)

// word is one status.
type word int

// say returns the status with its values in it.
func (w word) say(values ...any) hook.Status {
	e := table()[w]
	return line(e.level, e.format, values)
}

// entry is what there is to say of a status: its words with the places of its values, who shows it, and what an operator
// is to make of it.
type entry struct {
	level   hook.StatusLevel
	format  string
	values  []any // an example
	by      charms
	meaning string
	do      string
}

// charms are those that show a status.
type charms int

const (
	theConfigurator charms = 1 << iota
	theGARM
)

const nothing = "nothing"

func table() [words]entry {
	return [words]entry{
		problems: {
			hook.Blocked, "%s",
			[]any{"Set flavor, name; max-runner must be at least 1 (and 2 more)"},
			theConfigurator,
			"options are missing, all of which are named, or cannot be used, of which the first is",
			"set or correct the options named; what is wrong with a secret has the command that mends it in it. The action `show-problems` lists all, and so does the log at warning",
		},
		noImageBuilder: {
			hook.Blocked, "Integrate an image builder: juju integrate %s:image APPLICATION",
			[]any{"small"},
			theConfigurator,
			"nothing makes the image to boot runners from", "run that command",
		},
		noImage: {
			hook.Waiting, "Waiting for an image from %s",
			[]any{"builder"},
			theConfigurator,
			"the image builder has no image yet", nothing + ", the builder is at work; if it stays, look at the builder's status",
		},
		noGARM: {
			hook.Blocked, "Integrate garm: juju integrate %s garm",
			[]any{"small"},
			theConfigurator,
			"nobody reads what is published", "run that command",
		},
		notThere: {
			hook.Waiting, "Waiting for a unit of %s",
			[]any{"garm"},
			theConfigurator,
			"that application is integrated, and no unit of it has come to read what is to be published", nothing + "; if it stays, look at garm's status",
		},
		published: {
			hook.Active, "%s published",
			[]any{"small"},
			theConfigurator,
			"all is declared, and garm has not answered yet", nothing + "; a garm before this one never answers",
		},
		notYet: {
			hook.Waiting, "%s",
			[]any{"GARM has not loaded provider small yet"},
			theConfigurator,
			"garm's reason why the scale set does not stand as declared yet", "what it names, if that is an option or the cloud; else nothing, unless it stays: look at garm's status",
		},
		refusedByGARM: {
			hook.Blocked, "%s",
			[]any{"scale set small of organization acme is already declared by other; give one of them another name"},
			theConfigurator,
			"garm's reason why it does not follow the declaration", "what it says",
		},
		ready: {
			hook.Active, "%s ready",
			[]any{"small"},
			theConfigurator,
			"GARM has the scale set as it is declared", nothing,
		},

		garmProblems: {
			hook.Blocked, "%s",
			[]any{"external-url must be a URL like https://garm.example.com, without query (and 1 more)"},
			theGARM,
			"options cannot be used, the first of which is named; GARM stays as it is meanwhile", "correct that option",
		},
		noContainer: {
			hook.Waiting, "Waiting for the %s container",
			[]any{"app"},
			theGARM,
			"Pebble in the workload container does not answer yet", nothing + "; if it stays, the pod does not start: `kubectl describe pod`",
		},
		noPeers: {
			hook.Waiting, "Waiting for the peer relation", nil, theGARM,
			"Juju has not made the peer relation yet", nothing,
		},
		noSecrets: {
			hook.Waiting, "Waiting for the leader to make GARM's secrets", nil, theGARM,
			"the leader's unit has not started yet", nothing + "; if it stays, look at the leader's status",
		},
		noDatabase: {
			hook.Blocked, "No database: run juju integrate %s postgresql, or remove %s and deploy it again with --storage data=1G",
			[]any{"garm", "garm"},
			theGARM,
			"GARM has no place for its data that outlives its pod", "run one of the commands; Kubernetes cannot add a storage to a deployed application",
		},
		databaseWaits: {
			hook.Waiting, "Waiting for %s to give %s",
			[]any{"db", "a password"},
			theGARM,
			"the integrated PostgreSQL has not given all that it takes to use it", nothing + "; if it stays, look at that application's status",
		},
		databaseInUse: {
			hook.Blocked, "%s cannot take over %s: remove every integration with a configurator first, or run juju remove-relation %s %s",
			[]any{"db", "3 scale sets", "garm", "db"},
			theGARM,
			"PostgreSQL was integrated while GARM had scale sets in SQLite, with which it goes on", "one of the two; the database changes once the scale sets are gone",
		},
		databaseGone: {
			hook.Blocked, "The database of %s is gone: run juju integrate %s with the PostgreSQL that it was",
			[]any{"3 scale sets", "garm"},
			theGARM,
			"the database that the scale sets are in is not to be had", "integrate it again",
		},
		noPostgreSQL: {
			hook.Blocked, "This GARM has no PostgreSQL: run juju attach-resource %s app-image=IMAGE with one after v0.2.1, or juju remove-relation %s %s",
			[]any{"garm", "garm", "db"},
			theGARM,
			"the image's GARM is too old for the database", "run one of the commands",
		},
		tooManyUnits: {
			hook.Blocked, "SQLite serves one unit, not %d: run juju scale-application %s 1, or juju integrate %s postgresql",
			[]any{2, "garm", "garm"},
			theGARM,
			"units cannot share a file; GARM runs on where it runs, and is not started where it does not", "run one of the commands",
		},
		otherServes: {
			hook.Waiting, "Waiting for %s to stop its GARM",
			[]any{"garm/0"},
			theGARM,
			"the unit that led before still runs GARM, and two on one database would fight", nothing,
		},
		noWorkload: {
			hook.Blocked, "Attach a GARM image as resource app-image: %v",
			[]any{"no GARM at /usr/local/bin/garm, /bin/garm"},
			theGARM,
			"the container's image has no GARM in it", "`juju attach-resource garm app-image=IMAGE`",
		},
		starting: {
			hook.Maintenance, "GARM is starting", nil, theGARM,
			"GARM does not answer yet", nothing + "; it is looked at again at the next event",
		},
		loginRefused: {
			hook.Blocked, "GARM refuses the charm's admin login; see the secret garm-admin-credentials", nil, theGARM,
			"the administrator's password in GARM is not the charm's", "give the administrator in GARM the password of that secret again",
		},
		unreachable: {
			hook.Maintenance, "Retrying: %v",
			[]any{"cannot list providers: GARM does not listen yet"},
			theGARM,
			"GARM or Pebble did not answer as it should; every event tries again", nothing + ", unless it stays: the reason is GARM's or Pebble's",
		},
		undeclared: {
			hook.Waiting, "Waiting for %s to publish its scale set",
			[]any{"small"},
			theGARM,
			"that application is integrated and has declared nothing yet", "look at that application's status",
		},
		held: {
			hook.Waiting, "%s: %s; its scale set stays as it was",
			[]any{"small", "Set flavor"},
			theGARM,
			"that application's configuration cannot be used at present", "look at that application's status",
		},
		refused: {
			hook.Blocked, "%s: %s",
			[]any{"small", "labels (x64 -> large) of an existing scale set cannot be changed; give it another name"},
			theGARM,
			"that application's declaration cannot be followed; those of the others are", "what it says",
		},
		someCloudRefuses: {
			hook.Waiting, "A cloud refuses runners: %s",
			[]any{"flavor m1.smal not found"},
			theGARM,
			"GARM has asked a cloud for runners again and again for half a minute; of which scale set they were to be its log does not tell, since several have the same `runner-prefix`",
			"correct what the cloud's words name: an option of a garm-configurator, or the project's quota",
		},
		failed: {
			hook.Waiting, "%s",
			[]any{"small: cannot create scale set \"small\": failed to fetch runner registration token: 403 Forbidden (500)"},
			theGARM,
			"a change in GARM failed; every event tries again",
			nothing + "; if it stays, look at what it names: GitHub answers 401 or 404 to an App ID, installation and key that do " +
				"not fit together, and 403 to an App that lacks a permission",
		},
		pending: {
			hook.Maintenance, "%s",
			[]any{"draining 3 runners of small, 1 with a job"},
			theGARM,
			"what nobody declares any more is on its way out", nothing + "; it is removed once its runners are gone",
		},
		noConfigurator: {
			hook.Active, "No configurator integrated", nil, theGARM,
			"GARM runs and nothing is declared", "integrate a garm-configurator",
		},
		serving: {
			hook.Active, "%s, %d/%d runners",
			[]any{"2 scale sets", 12, 40},
			theGARM,
			"GARM has everything as it is declared: so many runners of at most so many", nothing,
		},
		servingOutdated: {
			hook.Active, "%s, %d/%d runners, %d outdated",
			[]any{"2 scale sets", 12, 40, 3},
			theGARM,
			"the same, and so many idle runners are as their scale sets were before they changed",
			"nothing if roll-idle-runners is true: they are replaced one after another; else `juju run garm/leader rotate-runners scale-set=NAME`",
		},

		standby: {
			hook.Active, "Standby", nil, theConfigurator | theGARM,
			"this unit leaves the work to the leader's", nothing,
		},
	}
}

// Described is a status in the reference of those that a charm shows.
type Described struct {
	hook.Status // with example values

	Meaning string
	Do      string
}

// Of returns the statuses that a charm shows, by its name.
func Of(charm string) (shown []Described) {
	by := map[string]charms{"garm-configurator": theConfigurator, "garm": theGARM}[charm]
	for w, e := range table() {
		if e.by&by != 0 {
			shown = append(shown, Described{Status: word(w).say(e.values...), Meaning: e.meaning, Do: e.do})
		}
	}
	return shown
}
