package status_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/status"
)

func TestProblems(t *testing.T) {
	missing := func(option string) runnerconfig.Problem { return runnerconfig.Problem{Option: option, Missing: true} }
	invalid := func(option string) runnerconfig.Problem {
		return runnerconfig.Problem{Option: option, Text: "is wrong"}
	}
	for _, row := range []struct {
		problems []runnerconfig.Problem
		want     string
	}{
		{[]runnerconfig.Problem{missing("name")}, "Set name"},
		{[]runnerconfig.Problem{missing("name"), missing("flavor"), missing("org or repo")}, "Set name, flavor, org or repo"},
		{[]runnerconfig.Problem{invalid("os-arch")}, "os-arch is wrong"},
		{[]runnerconfig.Problem{invalid("os-arch"), invalid("labels"), invalid("org")}, "os-arch is wrong (and 2 more)"},
		{[]runnerconfig.Problem{invalid("os-arch"), missing("name"), invalid("labels")}, "Set name; os-arch is wrong (and 1 more)"},
		{[]runnerconfig.Problem{{Option: "pre-job-script", Text: "is\nof several lines"}}, "pre-job-script is of several lines"},
	} {
		assert.Equal(t, hook.Status{Level: hook.Blocked, Message: row.want}, status.Problems(row.problems))
	}
}

func TestWorst(t *testing.T) {
	a := func(level hook.StatusLevel, message string) hook.Status {
		return hook.Status{Level: level, Message: message}
	}
	for _, row := range []struct {
		summary  string
		statuses []hook.Status
		want     hook.Status
	}{
		{"none", nil, hook.Status{}},
		{"one", []hook.Status{a(hook.Waiting, "w")}, a(hook.Waiting, "w")},
		{"all is well", []hook.Status{a(hook.Active, "a"), a(hook.Active, "b")}, a(hook.Active, "a")},
		{"only one is not", []hook.Status{a(hook.Active, "a"), a(hook.Maintenance, "m")}, a(hook.Maintenance, "m")},
		{"waiting before maintenance", []hook.Status{a(hook.Maintenance, "m"), a(hook.Waiting, "w")}, a(hook.Waiting, "w (and 1 more)")},
		{"blocked before all", []hook.Status{a(hook.Waiting, "w"), a(hook.Active, "a"), a(hook.Blocked, "b"), a(hook.Blocked, "c")}, a(hook.Blocked, "b (and 2 more)")},
	} {
		assert.Equal(t, row.want, status.Worst(row.statuses), row.summary)
	}
}

func TestAnswered(t *testing.T) {
	for _, row := range []struct {
		answer, message string
		want            hook.Status
	}{
		{"ready", "", hook.Status{Level: hook.Active, Message: "small ready"}},
		{"", "", hook.Status{Level: hook.Active, Message: "small published"}},
		{"refused", "labels cannot be changed", hook.Status{Level: hook.Blocked, Message: "labels cannot be changed"}},
		{"pending", "GARM has not loaded provider small yet", hook.Status{Level: hook.Waiting, Message: "GARM has not loaded provider small yet"}},
		{"pending", "first line\nsecond line\r\n", hook.Status{Level: hook.Waiting, Message: "first line second line"}},
	} {
		assert.Equal(t, row.want, status.Answered("small", row.answer, row.message))
	}
}

// What somebody must do names the command; what goes on by itself does not ask for one.
func TestWords(t *testing.T) {
	for _, row := range []struct {
		got  hook.Status
		want string
	}{
		{status.Standby(), "active: Standby"},
		{status.NoImageBuilder("small"), "blocked: Integrate an image builder: juju integrate small:image APPLICATION"},
		{status.NoImage("builder"), "waiting: Waiting for an image from builder"},
		{status.NoGARM("small"), "blocked: Integrate garm: juju integrate small garm"},
		{status.NoContainer("app"), "waiting: Waiting for the app container"},
		{status.NoPeers(), "waiting: Waiting for the peer relation"},
		{status.NoSecrets(), "waiting: Waiting for the leader to make GARM's secrets"},
		{status.NoDatabase("garm"), "blocked: No database: run juju integrate garm postgresql, or remove garm and deploy it again with --storage data=1G"},
		{status.DatabaseInUse("garm", "db", 1), "blocked: db cannot take over 1 scale set: remove every integration with a configurator first, or run juju remove-relation garm db"},
		{status.DatabaseInUse("garm", "db", 2), "blocked: db cannot take over 2 scale sets: remove every integration with a configurator first, or run juju remove-relation garm db"},
		{status.DatabaseGone("garm", 1), "blocked: The database of 1 scale set is gone: run juju integrate garm with the PostgreSQL that it was"},
		{status.NoWorkload(errors.New("no /bin/garm")), "blocked: Attach a GARM image as resource app-image: no /bin/garm"},
		{status.Starting(), "maintenance: GARM is starting"},
		{status.LoginRefused(), "blocked: GARM refuses the charm's admin login; see the secret garm-admin-credentials"},
		{status.Unreachable(errors.New("cannot read\nproviders")), "maintenance: Retrying: cannot read providers"},
		{status.Serving(0, 0, 0, 0), "active: 0 scale sets, 0/0 runners"},
		{status.Serving(1, 2, 3, 0), "active: 1 scale set, 2/3 runners"},
		{status.Serving(2, 0, 5, 0), "active: 2 scale sets, 0/5 runners"},
		{status.Serving(2, 3, 5, 1), "active: 2 scale sets, 3/5 runners, 1 outdated"},
	} {
		assert.Equal(t, row.want, string(row.got.Level)+": "+row.got.Message)
	}
}
