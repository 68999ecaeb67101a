// Package garmconfigurator is the garm-configurator charm: the order in which a dispatch reads the configuration,
// publishes it and says what became of it. It holds no rule, no wire format and no word of its own.
package garmconfigurator

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/configurator"
	"github.com/garm-charms/garm-charms/pkg/integration/image"
	"github.com/garm-charms/garm-charms/pkg/option"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/status"
)

// limit is the longest that a dispatch may take; a hook tool that hangs is given up then.
const limit = 2 * time.Minute

// Run handles one dispatch of the charm. Every event is handled alike: everything is read, decided and published again,
// and what is published already is left alone. An error means a bug or a failing hook tool; what an operator can mend is
// a status instead.
func Run(ctx context.Context, getenv func(string) string, runner hook.Runner) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	env, err := hook.ParseEnv(getenv)
	if err != nil {
		return err
	}
	tools := hook.NewTools(env, runner)
	c := charm{env: env, tools: tools, log: slog.New(hook.NewLogHandler(runner, slog.LevelInfo))}
	if err := c.tools.RemoveSecretFiles(); err != nil {
		return err
	}
	if env.Event.Kind == hook.KindAction {
		return c.act(ctx)
	}
	verdict, err := c.reconcile(ctx)
	if err != nil {
		return err
	}
	return c.tools.Announce(ctx, verdict)
}

type charm struct {
	env   hook.Env
	tools *hook.Tools
	log   *slog.Logger
}

// gathered is all that a dispatch goes by.
type gathered struct {
	scaleSet     runnerconfig.ScaleSet
	secrets      configurator.Secrets
	problems     []runnerconfig.Problem
	builder      image.Builder
	publications []configurator.Publication
	leader       bool
}

// gather asks for what does not depend on each other side by side: a hook tool is a process, and takes its time to start.
func (c charm) gather(ctx context.Context) (g gathered, err error) {
	var reads errgroup.Group
	for _, read := range []func() error{
		func() error { return c.gatherConfig(ctx, &g) },
		func() (err error) { g.builder, err = image.Read(ctx, c.tools, c.env); return err },
		func() (err error) { g.publications, err = configurator.Publications(ctx, c.tools, c.env); return err },
		func() (err error) { g.leader, err = c.tools.IsLeader(ctx); return err },
	} {
		reads.Go(read)
	}
	err = reads.Wait()
	g.scaleSet.ImageID = g.builder.ImageID
	return g, err
}

func (c charm) gatherConfig(ctx context.Context, g *gathered) error {
	config, err := c.tools.Config(ctx)
	if err != nil {
		return err
	}
	var unreadable []runnerconfig.Problem
	g.scaleSet, g.problems = option.Parse(config)
	g.secrets, unreadable, err = configurator.OperatorSecrets(ctx, c.tools, c.env.AppName, g.scaleSet)
	g.problems = append(g.problems, unreadable...)
	return err
}

func (c charm) reconcile(ctx context.Context) (hook.Status, error) {
	g, err := c.gather(ctx)
	if err != nil {
		return hook.Status{}, err
	}
	if len(g.problems) == 0 {
		if err := g.builder.Request(ctx, c.tools, g.scaleSet.Provider, g.secrets.Password); err != nil {
			return hook.Status{}, err
		}
	}
	if !g.leader {
		return status.Standby(), withdraw(ctx, g.publications)
	}
	if err := configurator.Tidy(ctx, c.tools, c.env.Event, g.publications, g.scaleSet); err != nil {
		return hook.Status{}, err
	}
	if err := c.logProblems(ctx, g.problems); err != nil {
		return hook.Status{}, err
	}
	if obstacle := c.obstacle(g); obstacle.Level != "" {
		return obstacle, hold(ctx, g.publications, obstacle.Message)
	}
	return c.publish(ctx, g)
}

// logProblems logs what is wrong, unless the unit's status says that an earlier dispatch has. The status names only the first of
// them, so that a change of options is looked at in any case.
func (c charm) logProblems(ctx context.Context, problems []runnerconfig.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	said, err := c.tools.UnitStatus(ctx)
	if err != nil || said == status.Problems(problems) && c.env.Event.Kind != hook.KindConfigChanged {
		return err
	}
	for _, p := range problems {
		c.log.WarnContext(ctx, "configuration: "+p.String())
	}
	return nil
}

// obstacle is why nothing can be published; zero if it can.
func (c charm) obstacle(g gathered) hook.Status {
	switch {
	case len(g.problems) > 0:
		return status.Problems(g.problems)
	case g.builder.Application == "":
		return status.NoImageBuilder(c.env.AppName)
	case g.builder.ImageID == "":
		return status.NoImage(g.builder.Application)
	}
	return hook.Status{}
}

func withdraw(ctx context.Context, publications []configurator.Publication) error {
	for _, p := range publications {
		if err := p.Withdraw(ctx); err != nil {
			return err
		}
	}
	return nil
}

func hold(ctx context.Context, publications []configurator.Publication, reason string) error {
	for _, p := range publications {
		if err := p.Hold(ctx, reason); err != nil {
			return err
		}
	}
	return nil
}

func (c charm) publish(ctx context.Context, g gathered) (hook.Status, error) {
	if len(g.publications) == 0 {
		return status.NoGARM(c.env.AppName), nil
	}
	var statuses []hook.Status
	for _, p := range g.publications {
		if !p.CanDeclare() {
			statuses = append(statuses, status.NotThere(p.Application()))
			continue
		}
		if err := p.Declare(ctx, g.scaleSet, g.secrets, c.env.AppName); err != nil {
			return hook.Status{}, err
		}
		statuses = append(statuses, status.Answered(g.scaleSet.Name, p.Answer.Status, p.Answer.Message))
	}
	return status.Worst(statuses), nil
}
