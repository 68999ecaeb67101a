// Package garmconfigurator is the garm-configurator charm: the order in which a dispatch reads the configuration,
// publishes it and says what became of it. It holds no rule, no wire format and no word of its own.
package garmconfigurator

import (
	"context"
	"fmt"
	"log/slog"
	"time"

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
	verdict, err := c.reconcile(ctx)
	if err != nil {
		return err
	}
	return c.say(ctx, verdict)
}

type charm struct {
	env   hook.Env
	tools *hook.Tools
	log   *slog.Logger
}

func (c charm) reconcile(ctx context.Context) (hook.Status, error) {
	config, err := c.tools.Config(ctx)
	if err != nil {
		return hook.Status{}, err
	}
	scaleSet, problems := option.Parse(config)
	secrets, unreadable, err := configurator.OperatorSecrets(ctx, c.tools, c.env.AppName, scaleSet)
	if err != nil {
		return hook.Status{}, err
	}
	problems = append(problems, unreadable...)
	for _, p := range problems {
		c.log.WarnContext(ctx, "configuration: "+p.String())
	}
	builder, err := image.Read(ctx, c.tools, c.env)
	if err != nil {
		return hook.Status{}, err
	}
	publications, err := configurator.Publications(ctx, c.tools, c.env)
	if err != nil {
		return hook.Status{}, err
	}
	if len(problems) == 0 {
		if err := builder.Request(ctx, c.tools, scaleSet.Provider, secrets.Password); err != nil {
			return hook.Status{}, err
		}
	}
	scaleSet.ImageID = builder.ImageID
	leader, err := c.tools.IsLeader(ctx)
	if err != nil {
		return hook.Status{}, err
	}
	if !leader {
		return status.Standby(), withdraw(ctx, publications)
	}
	if obstacle := c.obstacle(problems, builder); obstacle.Level != "" {
		return obstacle, hold(ctx, publications, obstacle.Message)
	}
	return c.publish(ctx, publications, scaleSet, secrets)
}

// obstacle is why nothing can be published; zero if it can.
func (c charm) obstacle(problems []runnerconfig.Problem, builder image.Builder) hook.Status {
	switch {
	case len(problems) > 0:
		return status.Problems(problems)
	case builder.Application == "":
		return status.NoImageBuilder(c.env.AppName)
	case builder.ImageID == "":
		return status.NoImage(builder.Application)
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

func (c charm) publish(ctx context.Context, publications []configurator.Publication, s runnerconfig.ScaleSet, secrets configurator.Secrets) (hook.Status, error) {
	if len(publications) == 0 {
		return status.NoGARM(c.env.AppName), nil
	}
	var statuses []hook.Status
	for _, p := range publications {
		answer, err := p.ReadAnswer(ctx)
		if err != nil {
			return hook.Status{}, err
		}
		if err := p.Declare(ctx, s, secrets, answer, c.env.AppName); err != nil {
			return hook.Status{}, err
		}
		statuses = append(statuses, status.Answered(s.Name, answer.Status, answer.Message))
	}
	return status.Worst(statuses), nil
}

func (c charm) say(ctx context.Context, s hook.Status) error {
	if err := c.tools.SetStatus(ctx, s); err != nil {
		return err
	}
	leader, err := c.tools.IsLeader(ctx)
	if err != nil || !leader {
		return err
	}
	if err := c.tools.SetApplicationStatus(ctx, s); err != nil {
		return fmt.Errorf("cannot tell %s's status: %w", c.env.AppName, err)
	}
	return nil
}
