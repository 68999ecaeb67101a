package live

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/garm-charms/garm-charms/tests/operator"
)

// Run says how scenarios run on a controller.
type Run struct {
	// AddModel adds the model of one scenario.
	AddModel func(name string) (*Model, error)
	// Charms are packed charms by name, with those that stand in for charms of other projects.
	Charms map[string]string
	// Module is the directory of the module of tests.
	Module string
	// Address is this machine's, by which the model's pods reach it; empty for that of the route to the controller.
	Address string
	// Keep leaves models as they are in the end.
	Keep bool
	// Logs is a directory that gets the whole log of each model whose scenario failed; empty for none.
	Logs string
	// Wait is how long a status is waited for.
	Wait time.Duration
	// Calm is how long every agent of a model must be idle before a status is believed to last: longer than an event takes
	// from one unit to the next.
	Calm time.Duration
}

// Scenarios are the files, in the module of tests, of the scenarios that run on a live controller. They have the commands of
// package operator, and the condition [bed] is false. No other scenario can run there, because it
//
//   - boots runners, or needs what only runners bring about, and there is no cloud: drain, fidelity, hostile, python,
//     refusing-cloud, removal, rolling, runner-*, and the pages of README and tutorial;
//   - has hooks that take longer than update-status takes to come, so that the model is never calm: hanging-github;
//   - kills or restarts what runs in pods, or takes files from it: database-lost, healing, recovery, unheard;
//   - is about what only a look into a pod tells, its files, processes and probes: actions-files, proxy, units;
//   - needs a server that only the bed starts: database-change, observability, postgresql;
//   - takes github.com itself, of which alone GARM learns limits: refused-key.
func Scenarios(module string) []string {
	files := []string{filepath.Join(module, "live", "testdata", "driver.txtar")}
	for _, name := range []string{
		"actions", "base-template", "configurator-hold", "configurator-problems", "deploy", "failing-github", "ingress",
		"labels", "order", "ownership", "removal-order", "secrets", "server", "wrong-key",
	} {
		files = append(files, filepath.Join(module, "scenarios", name+".txtar"))
	}
	return files
}

// script is a scenario that runs.
type script struct {
	*operator.Operator

	run   Run
	model *Model
	ctx   context.Context
	stop  context.CancelFunc
}

type scriptKey struct{}

// Params are the parameters to run scenarios with, each in a model of its own, with a GitHub of its own.
func (r Run) Params(scenarios ...string) testscript.Params {
	commands := operator.Commands(func(ts *testscript.TestScript) (context.Context, *operator.Operator) {
		s, _ := ts.Value(scriptKey{}).(*script)
		return s.ctx, s.Operator
	})
	commands["no-leaks"] = operator.Command(func(ts *testscript.TestScript, _ []string) (string, error) {
		s, _ := ts.Value(scriptKey{}).(*script)
		return "", s.noLeaks()
	})
	return testscript.Params{
		Files:               scenarios,
		RequireExplicitExec: true,
		Setup:               r.setup,
		Condition: func(name string) (bool, error) {
			if name != "bed" {
				return false, fmt.Errorf("unknown condition %s", name)
			}
			return false, nil
		},
		Cmds: commands,
	}
}

func (r Run) setup(env *testscript.Env) error {
	model, err := r.AddModel("garm-" + strings.ToLower(rand.Text()[:8]))
	if err != nil {
		return err
	}
	s := &script{run: r, model: model}
	s.ctx, s.stop = context.WithCancel(context.Background())
	env.Values[scriptKey{}] = s
	env.Defer(func() { s.end(env.T()) })
	home, err := os.MkdirTemp("", "live")
	if err != nil {
		return err
	}
	env.Defer(func() { os.RemoveAll(home) })
	forges, err := r.startForges(s.ctx, model)
	if err != nil {
		return err
	}
	s.Operator = &operator.Operator{
		World: &world{Model: model, calm: r.Calm, forge: forges.github.options()},
		Dir:   env.WorkDir, Home: home, Module: r.Module, Patience: r.Wait,
		GitHub: forges.github.Server, Enterprise: forges.enterprise.Server,
	}
	s.ShowFailure(env)
	env.Setenv("MODEL", model.Name())
	env.Setenv("ENDPOINT", forges.github.endpoint())
	env.Setenv("AT", " at "+forges.github.endpoint())
	env.Setenv("IDLE", strconv.Itoa(s.Idle))
	env.Setenv("GHES", forges.enterprise.url())
	stop, err := s.ServeJuju(s.ctx)
	if err != nil {
		return err
	}
	env.Defer(func() {
		if err := stop(); err != nil {
			env.T().Log(err)
		}
	})
	return r.placeCharms(env.WorkDir)
}

// placeCharms gives the scenario's directory the charms under their plain names, and in build/ under those that pages have.
func (r Run) placeCharms(dir string) error {
	if err := os.Mkdir(filepath.Join(dir, "build"), 0o755); err != nil {
		return err
	}
	for charm, path := range r.Charms {
		for _, place := range []string{charm + ".charm", "build/" + charm + "_amd64.charm"} {
			if err := os.Symlink(path, filepath.Join(dir, place)); err != nil {
				return err
			}
		}
	}
	return nil
}

// end keeps the log of a model whose scenario failed, and destroys the model.
func (s *script) end(t testscript.T) {
	defer s.stop()
	if failed, can := t.(interface{ Failed() bool }); can && failed.Failed() && s.run.Logs != "" {
		if err := s.keepLog(); err != nil {
			t.Log(err)
		}
	}
	if !s.run.Keep {
		if err := s.model.Destroy(); err != nil {
			t.Log(err)
		}
	}
	if err := s.model.Close(); err != nil {
		t.Log(err)
	}
}

func (s *script) keepLog() error {
	status, err := s.model.Status(s.ctx)
	if err != nil {
		return err
	}
	var text strings.Builder
	fmt.Fprintln(&text, status)
	for _, line := range s.model.DebugLog() {
		fmt.Fprintln(&text, line)
	}
	return os.WriteFile(filepath.Join(s.run.Logs, s.model.Name()+".log"), []byte(text.String()), 0o644)
}
