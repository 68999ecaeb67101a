package operator

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// Commands are the commands of scenarios in any world. of finds the operator of a scenario, and the context that ends with it.
func Commands(of func(*testscript.TestScript) (context.Context, *Operator)) map[string]func(*testscript.TestScript, bool, []string) {
	commands := map[string]func(*testscript.TestScript, bool, []string){"as": as}
	for name, run := range map[string]func(*Operator, context.Context, []string) (string, error){
		"juju":    (*Operator).juju,
		"setup":   (*Operator).setup,
		"another": (*Operator).another,
		"write": func(o *Operator, _ context.Context, args []string) (string, error) {
			return "", o.keep(args[0], []byte(args[1]))
		},
		"wait-for": (*Operator).waitFor,
		"gone":     (*Operator).gone,
		"tick":     (*Operator).tick,
		"page":     (*Operator).open,
		"follow":   (*Operator).follow,
		"untyped":  (*Operator).untyped,
		"finish":   func(o *Operator, _ context.Context, _ []string) (string, error) { return "", o.finish() },
		"garm":     (*Operator).garm,
		"github": func(o *Operator, ctx context.Context, args []string) (string, error) {
			return o.forge(ctx, o.GitHub, args)
		},
		"ghes": func(o *Operator, ctx context.Context, args []string) (string, error) {
			return o.forge(ctx, o.Enterprise, args)
		},
	} {
		commands[name] = Command(func(ts *testscript.TestScript, args []string) (string, error) {
			ctx, o := of(ts)
			return run(o, ctx, args)
		})
	}
	return commands
}

// Command makes a scenario's command of a function that returns what it prints. A command with "!" before it must fail; what it
// says is on stderr.
func Command(run func(*testscript.TestScript, []string) (string, error)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		out, err := run(ts, args)
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

// ShowFailure has a scenario that fails show how its operator's world is then.
func (o *Operator) ShowFailure(env *testscript.Env) {
	env.Defer(func() {
		if failed, can := env.T().(interface{ Failed() bool }); can && failed.Failed() {
			env.T().Log(o.Situation(context.Background()))
		}
	})
}

// as VARIABLE: what the last command printed is $VARIABLE from then on.
func as(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// starting is what garm says while GARM takes longer to start than a hook or an action waits for it
// (docs/reference/statuses.md).
const starting = "GARM is starting"

func (o *Operator) juju(ctx context.Context, args []string) (string, error) {
	var out strings.Builder
	err := o.Juju(&out).Run(ctx, args...)
	if err != nil && args[0] == "run" && strings.HasSuffix(err.Error(), starting) {
		err = o.until(ctx, func(ctx context.Context) error { // an operator tries again
			out.Reset()
			return o.Juju(&out).Run(ctx, args...)
		})
	}
	return out.String(), err
}

// setup NAME: a scale set of that name, without runner options, in the organisation acme.
func (o *Operator) setup(ctx context.Context, args []string) (string, error) {
	var said strings.Builder
	err := o.Setup(ctx, args[0], func(line string) { fmt.Fprintln(&said, line) })
	return said.String(), err
}

// another NAME [OPTION=VALUE...]: a further scale set in the world that setup made. Its options are set before it is
// integrated.
func (o *Operator) another(ctx context.Context, args []string) (string, error) {
	name := args[0]
	options := o.basics(name)
	for secret, option := range map[string]string{"openstack": "openstack-password", "app-key": "github-app-private-key"} {
		info, err := o.World.ShowSecret(ctx, secret, false)
		if err != nil {
			return "", err
		}
		options[option] = info.URI
	}
	for _, arg := range args[1:] {
		option, value, _ := strings.Cut(arg, "=")
		options[option] = value
	}
	config := []string{"config", name}
	for _, option := range slices.Sorted(maps.Keys(options)) {
		config = append(config, option+"="+options[option])
	}
	for _, line := range [][]string{
		{"deploy", "./garm-configurator.charm", name},
		{"grant-secret", "openstack", name},
		{"grant-secret", "app-key", name},
		config,
		{"integrate", name, "builder"},
		{"integrate", name, "garm"},
	} {
		if _, err := o.juju(ctx, line); err != nil {
			return "", err
		}
	}
	return "", nil
}

// wait-for TARGET STATUS [MESSAGE]: until a unit's or an application's status is STATUS and its message matches.
func (o *Operator) waitFor(ctx context.Context, args []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Patience)
	defer cancel()
	return "", o.WaitStatus(ctx, args[0], args[1], strings.Join(args[2:], " "), func() error { return o.letGARMStart(ctx) })
}

// letGARMStart fires update-status while GARM is starting: it is looked at again at the next event.
func (o *Operator) letGARMStart(ctx context.Context) error {
	again := regexp.MustCompile("^(" + starting + "$|Retrying: .*(GARM does not listen yet|cannot start GARM))")
	if o.is(ctx, "garm/0", "maintenance", again) != nil {
		return nil
	}
	return o.World.Tick(ctx, "garm/0")
}

// gone APPLICATION: until an application has been removed.
func (o *Operator) gone(ctx context.Context, args []string) (string, error) {
	return "", o.until(ctx, func(ctx context.Context) error {
		status, err := o.World.Status(ctx)
		if err != nil {
			return err
		}
		if _, there := status.Applications[args[0]]; there {
			return fmt.Errorf("%s is still there", args[0])
		}
		return nil
	})
}

// tick [[-within DURATION] -until TARGET STATUS MESSAGE] UNIT: update-status, once or until a status is reached.
func (o *Operator) tick(ctx context.Context, args []string) (string, error) {
	limit := o.Patience
	if args[0] == "-within" {
		var err error
		if limit, err = time.ParseDuration(args[1]); err != nil {
			return "", err
		}
		args = args[2:]
	}
	ctx, cancel := context.WithTimeout(ctx, max(limit, o.Patience))
	defer cancel()
	unit := args[len(args)-1]
	if args[0] != "-until" {
		return "", o.World.Tick(ctx, unit)
	}
	return "", o.WaitStatus(ctx, args[1], args[2], args[3], func() error { return o.World.Tick(ctx, unit) })
}
