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
	"github.com/garm-charms/garm-charms/tests/operator"
	"github.com/garm-charms/garm-charms/tests/runner"
)

// Script is a bed in a scenario, with what its commands remember.
type Script struct {
	*Bed

	ctx    context.Context
	booted map[string]*runner.Machine // the last one of each scale set
	prom   *Prometheus
	lokis  map[string]*Loki // by name
	ticked int              // how many hook tools had been called before the last tick
	since  time.Time        // when the last tick was
}

type scriptKey struct{}

// waitLimit is how long a scenario waits for a status.
const waitLimit = 3 * time.Minute

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
			switch name {
			case "bed":
				return true, nil
			case "garm-postgresql":
				return garmHasPostgreSQL(context.Background())
			}
			return false, fmt.Errorf("unknown condition %s", name)
		},
		Cmds: commands(),
	}
}

// commands are those of any operator, and those that take a bed.
func commands() map[string]func(*testscript.TestScript, bool, []string) {
	commands := operator.Commands(func(ts *testscript.TestScript) (context.Context, *operator.Operator) {
		s, _ := ts.Value(scriptKey{}).(*Script)
		return s.ctx, s.Operator
	})
	tick := commands["tick"]
	commands["tick"] = func(ts *testscript.TestScript, neg bool, args []string) {
		s, _ := ts.Value(scriptKey{}).(*Script)
		s.ticked, s.since = len(s.Model.Calls()), time.Now().Truncate(time.Millisecond)
		tick(ts, neg, args)
	}
	for name, run := range map[string]func(*Script, []string) (string, error){
		"boot":              (*Script).boot,
		"runner":            (*Script).runner,
		"wait-runners":      (*Script).waitRunners,
		"start-job":         (*Script).startJob,
		"end-job":           (*Script).endJob,
		"pebble":            (*Script).pebble,
		"kill-garm":         (*Script).killGARM,
		"restart-container": (*Script).restartContainer,
		"restart-pod":       (*Script).restartPod,
		"calls":             (*Script).calls,
		"writes":            (*Script).writes,
		"postgresql":        (*Script).postgresql,
		"lead":              (*Script).lead,
		"secret":            (*Script).secret,
		"cloud":             (*Script).cloud,
		"wipe-database":     (*Script).wipeDatabase,
		"garm-env":          (*Script).garmEnv,
		"hooks-within":      (*Script).hooksWithin,
		"in-service":        (*Script).inService,
		"no-leaks":          (*Script).noLeaks,
		"prometheus":        (*Script).prometheus,
		"loki":              (*Script).loki,
		"break-runner":      (*Script).breakRunner,
	} {
		commands[name] = operator.Command(func(ts *testscript.TestScript, args []string) (string, error) {
			s, _ := ts.Value(scriptKey{}).(*Script)
			return run(s, args)
		})
	}
	return commands
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
	stop, err := b.ServeJuju(ctx)
	if err != nil {
		return err
	}
	b.closers = append(b.closers, stop)
	s.ShowFailure(env)
	env.Setenv("MODEL", b.config.Model)
	env.Setenv("ENDPOINT", "github.com")
	env.Setenv("AT", "")
	env.Setenv("IDLE", strconv.Itoa(s.Idle))
	env.Setenv("GHES", enterpriseURL)
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
	s.Dir = dir
	return nil
}

// pebble UNIT CONTAINER ARGUMENTS...: the pebble command on the Pebble of a container.
func (s *Script) pebble(args []string) (string, error) {
	socket, err := s.Model.PebbleSocket(s.ctx, args[0], args[1])
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(s.ctx, s.config.Built.Pebble, args[2:]...)
	cmd.Dir = s.Dir
	cmd.Env = []string{"PEBBLE_SOCKET=" + socket, "HOME=" + s.Dir}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// world is a bed's model as its operator has it.
type world struct{ *juju.Model }

// Settled tells whether every agent is idle right now.
func (w world) Settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	return w.Settle(ctx)
}

// Tick fires a unit's update-status, and waits for what comes of it.
func (w world) Tick(ctx context.Context, unit string) error {
	if err := w.FireUpdateStatus(ctx, unit); err != nil {
		return err
	}
	return w.Settle(ctx)
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

// writes: a line for each request by which the charm changed something in GARM since the last tick, from GARM's own
// log. Runners and logins write too. A line takes a moment to reach the model's log, so lines count by GARM's own time, to
// the millisecond, and a last request of the scenario's own is waited for.
func (s *Script) writes([]string) (string, error) {
	garm, err := s.GARM(s.ctx, "garm/0")
	if err != nil {
		return "", err
	}
	last := fmt.Sprintf("/last-%d", time.Now().UnixNano())
	_, _ = garm.Do(s.ctx, http.MethodGet, last, nil) // GARM logs what it does not know too
	ctx, cancel := context.WithTimeout(s.ctx, waitLimit)
	defer cancel()
	var text strings.Builder
	access := regexp.MustCompile(`time=(\S+) .*access_log method=(\S+) uri=(\S+)`)
	err = operator.Until(ctx, func() error {
		text.Reset()
		for _, line := range s.Model.DebugLog() {
			found := access.FindStringSubmatch(line.Message)
			if found == nil {
				continue
			}
			method, uri := found[2], found[3]
			switch {
			case strings.HasSuffix(uri, last):
				return nil
			case method == http.MethodGet, strings.HasSuffix(uri, "/auth/login"), strings.Contains(uri, "/callbacks/"):
				continue
			}
			at, err := time.Parse(time.RFC3339, found[1])
			if err != nil {
				return err
			}
			if !at.Before(s.since) {
				fmt.Fprintln(&text, method, uri)
			}
		}
		return fmt.Errorf("GARM's log has no line of %s", last)
	})
	return text.String(), err
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
