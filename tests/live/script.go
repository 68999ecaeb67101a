package live

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/garm-charms/garm-charms/tests/juju"
	"github.com/garm-charms/garm-charms/tests/jujucli"
)

// Run says how scenarios run on a controller.
type Run struct {
	// AddModel adds the model of one scenario.
	AddModel func(name string) (*Model, error)
	// Charms are packed charms by name.
	Charms map[string]string
	// Keep leaves models as they are in the end.
	Keep bool
	// Logs is a directory that gets the whole log of each model whose scenario failed; empty for none.
	Logs string
	// Wait is how long a status is waited for.
	Wait time.Duration
}

// Scenarios are the files of the scenarios that need no more than a controller, in the module of tests.
func Scenarios(module string) []string {
	return []string{
		filepath.Join(module, "live", "testdata", "driver.txtar"),
		filepath.Join(module, "scenarios", "configurator-problems.txtar"),
	}
}

// operator is who types in one scenario.
type operator struct {
	*Model

	ctx  context.Context
	dir  string
	wait time.Duration
}

type operatorKey struct{}

// Params are the parameters to run scenarios with, each in a model of its own. They have the commands of the test bed's
// scenarios that need no more than a controller: nobody simulates GitHub, and what GitHub would be told is not.
func (r Run) Params(scenarios ...string) testscript.Params {
	return testscript.Params{
		Files:               scenarios,
		RequireExplicitExec: true,
		Setup:               r.setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"juju":     command((*operator).juju),
			"write":    command((*operator).write),
			"wait-for": command((*operator).waitFor),
			"gone":     command((*operator).gone),
			"tick":     command((*operator).tick),
			"github":   command((*operator).github),
			"as":       as,
		},
	}
}

func (r Run) setup(env *testscript.Env) error {
	name := "garm-" + strings.ToLower(rand.Text()[:8])
	model, err := r.AddModel(name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	env.Values[operatorKey{}] = &operator{Model: model, ctx: ctx, dir: env.WorkDir, wait: r.Wait}
	env.Defer(func() {
		defer cancel()
		if failed, can := env.T().(interface{ Failed() bool }); can && failed.Failed() {
			r.dump(env.T(), model)
		}
		if !r.Keep {
			if err := model.Destroy(); err != nil {
				env.T().Log(err)
			}
		}
		if err := model.Close(); err != nil {
			env.T().Log(err)
		}
	})
	for charm, path := range r.Charms {
		if err := os.Symlink(path, filepath.Join(env.WorkDir, charm+".charm")); err != nil {
			return err
		}
	}
	return nil
}

// dump shows how a model was when its scenario failed.
func (r Run) dump(t testscript.T, m *Model) {
	status, err := m.Status(context.Background())
	if err != nil {
		t.Log(err)
	}
	log := m.DebugLog()
	t.Log(status, "\n", join(log[max(0, len(log)-100):]))
	if r.Logs == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(r.Logs, m.Name()+".log"), []byte(fmt.Sprintln(status)+join(log)), 0o644); err != nil {
		t.Log(err)
	}
}

func join(log []juju.LogLine) string {
	var text strings.Builder
	for _, line := range log {
		fmt.Fprintln(&text, line)
	}
	return text.String()
}

// command adapts a method that returns what it prints. A command with "!" before it must fail; what it says is on stderr.
func command(run func(*operator, []string) (string, error)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		o, _ := ts.Value(operatorKey{}).(*operator)
		out, err := run(o, args)
		fmt.Fprint(ts.Stdout(), out)
		if err != nil {
			fmt.Fprintln(ts.Stderr(), err)
		}
		switch {
		case err != nil && !neg:
			ts.Fatalf("%v", err)
		case err == nil && neg:
			ts.Fatalf("the command should have failed")
		}
	}
}

// as VARIABLE: what the last command printed is $VARIABLE from then on.
func as(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

func (o *operator) juju(args []string) (string, error) {
	var out strings.Builder
	err := jujucli.Command{Driver: o.Model, Dir: o.dir, Stdout: &out}.Run(o.ctx, args...)
	return out.String(), err
}

// write FILE TEXT
func (o *operator) write(args []string) (string, error) {
	return "", os.WriteFile(filepath.Join(o.dir, args[0]), []byte(args[1]), 0o600)
}

// until tries until it works or the operator gives up, and then says why it did not work.
func (o *operator) until(try func() error) error {
	ctx, cancel := context.WithTimeout(o.ctx, o.wait)
	defer cancel()
	var last error
	err := poll(ctx, 500*time.Millisecond, func() (bool, error) {
		last = try()
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%w (%w)", last, err)
	}
	return nil
}

// wait-for TARGET STATUS [MESSAGE]: until a unit's or an application's status is STATUS and its message matches.
func (o *operator) waitFor(args []string) (string, error) {
	pattern, err := regexp.Compile(strings.Join(args[2:], " "))
	if err != nil {
		return "", err
	}
	return "", o.until(func() error {
		status, err := o.Status(o.ctx)
		if err != nil {
			return err
		}
		application, _, isUnit := strings.Cut(args[0], "/")
		a := status.Applications[application]
		have, message := a.Status, a.Message
		if isUnit {
			have, message = a.Units[args[0]].Status, a.Units[args[0]].Message
		}
		if have != args[1] || !pattern.MatchString(message) {
			return fmt.Errorf("%s is %s %q, not %s %q", args[0], have, message, args[1], pattern)
		}
		return nil
	})
}

// gone APPLICATION: until an application has been removed.
func (o *operator) gone(args []string) (string, error) {
	return "", o.until(func() error {
		status, err := o.Status(o.ctx)
		if err != nil {
			return err
		}
		if _, there := status.Applications[args[0]]; there {
			return fmt.Errorf("%s is still there", args[0])
		}
		return nil
	})
}

// tick UNIT: nothing. No client can ask for update-status; it comes every few seconds, and what is waited for next shows
// that it came.
func (o *operator) tick([]string) (string, error) { return "", nil }

// github add-app ID INSTALLATION KEYFILE: writes a key, which no App of GitHub's has.
func (o *operator) github(args []string) (string, error) {
	if args[0] != "add-app" {
		return "", fmt.Errorf("cannot do github %s: there is no GitHub to do it to", args[0])
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return "", os.WriteFile(filepath.Join(o.dir, args[3]), text, 0o600)
}
