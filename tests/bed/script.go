package bed

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/garm-charms/garm-charms/tests/juju"
	"github.com/garm-charms/garm-charms/tests/runner"
)

// Script is a bed in a scenario, with what its commands remember.
type Script struct {
	*Bed

	ctx    context.Context
	booted map[string]*runner.Machine // the last one of each scale set
	page   page                       // the one that is followed
	prom   *Prometheus
	lokis  map[string]*Loki // by name
	ticked int              // how many hook tools had been called before the last tick
	logged int              // how many log lines there were before the last tick
}

type scriptKey struct{}

// waitLimit is how long a scenario waits for a status.
const waitLimit = 90 * time.Second

// Params are the parameters to run the scenarios in dir with: each gets a bed of its own. built is what Build returned.
func Params(dir string, built Built) testscript.Params {
	var beds atomic.Int32
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			return setup(env, int(beds.Add(1)), built)
		},
		Condition: func(name string) (bool, error) {
			if name == "garm-postgresql" {
				return garmHasPostgreSQL(context.Background())
			}
			return false, fmt.Errorf("unknown condition %s", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"juju":              command((*Script).juju),
			"setup":             command((*Script).setup),
			"another":           command((*Script).another),
			"write":             command((*Script).write),
			"page":              command((*Script).open),
			"follow":            command((*Script).follow),
			"untyped":           command((*Script).untyped),
			"finish":            command(func(s *Script, args []string) (string, error) { return "", s.finish(args) }),
			"wait-for":          command((*Script).waitFor),
			"gone":              command((*Script).gone),
			"wait-runners":      command((*Script).waitRunners),
			"tick":              command((*Script).tick),
			"as":                as,
			"github":            command(func(s *Script, args []string) (string, error) { return s.forge(s.GitHub, args) }),
			"ghes":              command(func(s *Script, args []string) (string, error) { return s.forge(s.Enterprise, args) }),
			"garm":              command((*Script).garm),
			"boot":              command((*Script).boot),
			"runner":            command((*Script).runner),
			"pebble":            command((*Script).pebble),
			"kill-garm":         command((*Script).killGARM),
			"restart-container": command((*Script).restartContainer),
			"restart-pod":       command((*Script).restartPod),
			"calls":             command((*Script).calls),
			"postgresql":        command((*Script).postgresql),
			"lead":              command((*Script).lead),
			"secret":            command((*Script).secret),
			"cloud":             command((*Script).cloud),
			"wipe-database":     command((*Script).wipeDatabase),
			"garm-env":          command((*Script).garmEnv),
			"hooks-within":      command((*Script).hooksWithin),
			"in-service":        command((*Script).inService),
			"no-leaks":          command((*Script).noLeaks),
			"prometheus":        command((*Script).prometheus),
			"loki":              command((*Script).loki),
			"break-runner":      command((*Script).breakRunner),
		},
	}
}

func setup(env *testscript.Env, number int, built Built) error {
	// Sockets stand below the directory, and testscript's own is too long for them.
	dir, err := os.MkdirTemp("", "bed")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	env.Defer(func() { cancel(); os.RemoveAll(dir) })
	b, err := New(ctx, Config{Dir: dir, Number: number, Built: built})
	if err != nil {
		return err
	}
	s := &Script{Bed: b, ctx: ctx, booted: map[string]*runner.Machine{}, lokis: map[string]*Loki{}}
	env.Values[scriptKey{}] = s
	env.Defer(func() {
		if err := b.Close(); err != nil {
			env.T().Log(err)
		}
	})
	if err := b.serveJuju(ctx); err != nil {
		return err
	}
	// The operator's directory is the scenario's, with the bed's parts in it.
	return s.adopt(env.WorkDir)
}

// adopt makes the scenario's directory the one in which the operator types.
func (s *Script) adopt(dir string) error {
	entries, err := os.ReadDir(s.config.Dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := os.Symlink(filepath.Join(s.config.Dir, entry.Name()), filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	s.operatorDir = dir
	return nil
}

// command adapts a method that returns what it prints. A command with "!" before it must fail; what it says is on stderr.
func command(run func(*Script, []string) (string, error)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		s, _ := ts.Value(scriptKey{}).(*Script)
		out, err := run(s, args)
		fmt.Fprint(ts.Stdout(), out)
		if err != nil {
			fmt.Fprintln(ts.Stderr(), err)
		}
		switch {
		case err != nil && !neg:
			ts.Fatalf("%v\n%s", err, s.situation())
		case err == nil && neg:
			ts.Fatalf("the command should have failed")
		}
	}
}

// as VARIABLE: what the last command printed is $VARIABLE from then on.
func as(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// situation is what a person wants to see when a scenario fails.
func (s *Script) situation() string {
	status, err := s.Model.Status(s.ctx)
	if err != nil {
		return err.Error()
	}
	log := s.Model.DebugLog()
	var text strings.Builder
	fmt.Fprintln(&text, status)
	for _, line := range log[max(0, len(log)-60):] {
		fmt.Fprintln(&text, line)
	}
	return text.String()
}

func (s *Script) juju(args []string) (string, error) {
	var out strings.Builder
	err := s.Juju(&out).Run(s.ctx, args...)
	return out.String(), err
}

// setup NAME: a scale set of that name, without runner options, in the organisation acme.
func (s *Script) setup(args []string) (string, error) {
	var said strings.Builder
	err := s.Setup(s.ctx, args[0], func(line string) { fmt.Fprintln(&said, line) })
	return said.String(), err
}

// write FILE TEXT
func (s *Script) write(args []string) (string, error) {
	return "", os.WriteFile(filepath.Join(s.operatorDir, args[0]), []byte(args[1]), 0o600)
}

// wait-for TARGET STATUS [MESSAGE]: until a unit's or an application's status is STATUS and its message matches.
func (s *Script) waitFor(args []string) (string, error) {
	ctx, cancel := context.WithTimeout(s.ctx, waitLimit)
	defer cancel()
	return "", s.WaitStatus(ctx, args[0], args[1], strings.Join(args[2:], " "), nil)
}

// gone APPLICATION: until an application has been removed.
func (s *Script) gone(args []string) (string, error) {
	ctx, cancel := context.WithTimeout(s.ctx, waitLimit)
	defer cancel()
	return "", Until(ctx, func() error {
		status, err := s.Model.Status(ctx)
		if err != nil {
			return err
		}
		if _, there := status.Applications[args[0]]; there {
			return fmt.Errorf("%s is still there", args[0])
		}
		return nil
	})
}

// waitRunners COUNT: until the GARM of garm/0 has that many runners, all of which the cloud runs.
func (s *Script) waitRunners(args []string) (string, error) {
	ctx, cancel := context.WithTimeout(s.ctx, waitLimit)
	defer cancel()
	api, err := s.GARM(ctx, "garm/0")
	if err != nil {
		return "", err
	}
	return "", Until(ctx, func() error {
		list, err := api.Runners(ctx)
		if err != nil {
			return err
		}
		if running := strings.Count(list, " running "); strconv.Itoa(running) != args[0] || running != strings.Count(list, "\n") {
			return fmt.Errorf("the runners are not %s that run: %q", args[0], list)
		}
		return nil
	})
}

// tick [[-within DURATION] -until TARGET STATUS MESSAGE] UNIT: update-status, once or until a status is reached.
func (s *Script) tick(args []string) (string, error) {
	limit := waitLimit
	if args[0] == "-within" {
		var err error
		if limit, err = time.ParseDuration(args[1]); err != nil {
			return "", err
		}
		args = args[2:]
	}
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	unit := args[len(args)-1]
	fire := func() error {
		if err := s.Model.FireUpdateStatus(ctx, unit); err != nil {
			return err
		}
		return s.Model.Settle(ctx)
	}
	s.ticked, s.logged = len(s.Model.Calls()), len(s.Model.DebugLog())
	if args[0] != "-until" {
		return "", fire()
	}
	return "", s.WaitStatus(ctx, args[1], args[2], args[3], fire)
}

// WaitStatus waits until the status and message of a unit or an application match and nothing is left to do in the model,
// so that they last; between two looks it calls nudge, if there is one.
func (b *Bed) WaitStatus(ctx context.Context, target, level, message string, nudge func() error) error {
	pattern, err := regexp.Compile(message)
	if err != nil {
		return err
	}
	return Until(ctx, func() error {
		status, err := b.Model.Status(ctx)
		if err != nil {
			return err
		}
		have, message, err := statusOf(status, target)
		if err != nil {
			return err
		}
		if have == level && pattern.MatchString(message) {
			return b.settled(ctx)
		}
		if nudge != nil {
			if err := nudge(); err != nil {
				return err
			}
		}
		return fmt.Errorf("%s is %s %q, not %s %q", target, have, message, level, pattern)
	})
}

// settled tells whether every agent is idle right now.
func (b *Bed) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	return b.Model.Settle(ctx)
}

// statusOf is the status and message of a unit or of an application.
func statusOf(s juju.Status, target string) (level, message string, err error) {
	application, _, isUnit := strings.Cut(target, "/")
	a, deployed := s.Applications[application]
	if !deployed {
		return "", "", fmt.Errorf("application %s is not deployed", application)
	}
	if !isUnit {
		return a.Status, a.Message, nil
	}
	u, exists := a.Units[target]
	if !exists {
		return "", "", fmt.Errorf("unit %s does not exist", target)
	}
	return u.Status, u.Message, nil
}

// pebble UNIT CONTAINER ARGUMENTS...: the pebble command on the Pebble of a container.
func (s *Script) pebble(args []string) (string, error) {
	socket, err := s.Model.PebbleSocket(s.ctx, args[0], args[1])
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(s.ctx, s.config.Built.Pebble, args[2:]...)
	cmd.Dir = s.operatorDir
	cmd.Env = []string{"PEBBLE_SOCKET=" + socket, "HOME=" + s.operatorDir}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *Script) noLeaks([]string) (string, error) {
	secrets, err := s.Secrets(s.ctx)
	if err != nil {
		return "", err
	}
	leaks, err := s.Leaks(s.ctx, secrets)
	if err == nil && len(leaks) > 0 {
		err = fmt.Errorf("secrets leaked: %s", strings.Join(leaks, "; "))
	}
	return fmt.Sprintf("%d secrets searched\n", len(secrets)), err
}

// garm get PATH | post PATH FILE | put PATH FILE | template-of SCALE-SET | state | named NAME | runners | writes
func (s *Script) garm(args []string) (string, error) {
	if args[0] == "writes" {
		return s.writes(), nil
	}
	api, err := s.GARM(s.ctx, "garm/0")
	if err != nil {
		return "", err
	}
	switch args[0] {
	case "get":
		answer, err := api.Do(s.ctx, http.MethodGet, args[1], nil)
		return string(answer), err
	case "post", "put":
		body, err := os.ReadFile(filepath.Join(s.operatorDir, args[2]))
		if err != nil {
			return "", err
		}
		answer, err := api.Do(s.ctx, strings.ToUpper(args[0]), args[1], body)
		return string(answer), err
	case "template-of":
		set, err := api.ScaleSet(s.ctx, args[1])
		return set.TemplateName + "\n", err
	case "state":
		return api.State(s.ctx)
	case "named":
		return api.Named(s.ctx, args[1])
	case "runners":
		return api.Runners(s.ctx)
	}
	return "", fmt.Errorf("unknown: garm %s", args[0])
}

// writes has a line for each request by which the charm changed something in GARM since the last tick, from GARM's own
// log. Runners and logins write too.
func (s *Script) writes() string {
	var text strings.Builder
	access := regexp.MustCompile(`access_log method=(POST|PUT|DELETE) uri=(\S+)`)
	for _, line := range s.Model.DebugLog()[s.logged:] {
		found := access.FindStringSubmatch(line.Message)
		if found == nil || strings.HasSuffix(found[2], "/auth/login") || strings.Contains(found[2], "/callbacks/") {
			continue
		}
		fmt.Fprintln(&text, found[1], found[2])
	}
	return text.String()
}

// calls UNIT: the hook tools that the unit called since the last tick, in order.
func (s *Script) calls(args []string) (string, error) {
	var tools strings.Builder
	for _, call := range s.Model.Calls()[s.ticked:] {
		if call.Unit == args[0] {
			fmt.Fprintln(&tools, call.Args[0])
		}
	}
	return tools.String(), nil
}
