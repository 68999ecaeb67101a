// Package garm is the garm charm: the order in which a dispatch reads what is declared, runs GARM, brings it to what is
// declared and says what became of it. It holds no rule, no wire format and no word of its own.
package garm

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/canonical/pebble/client"
	"golang.org/x/sync/errgroup"

	"github.com/garm-charms/garm-charms/pkg/bootstrap"
	"github.com/garm-charms/garm-charms/pkg/garmapi"
	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/configurator"
	"github.com/garm-charms/garm-charms/pkg/integration/debugssh"
	"github.com/garm-charms/garm-charms/pkg/integration/ingress"
	"github.com/garm-charms/garm-charms/pkg/integration/postgresql"
	"github.com/garm-charms/garm-charms/pkg/option"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/status"
	"github.com/garm-charms/garm-charms/pkg/workload"
)

const (
	// limit is the longest that a dispatch may take; what is not done by then is left to the next event.
	limit = 4 * time.Minute
	// startLimit is how long a GARM that does not answer yet is waited for, the time that it took to end the one before included.
	startLimit = 15 * time.Second
	// pebbleSocket is where Juju puts the socket of the workload container's Pebble
	// (Juju caas/kubernetes/provider/application/application.go).
	pebbleSocket = "/charm/containers/" + workload.Container + "/pebble.socket"
	// garmURL is GARM's address in the pod.
	garmURL = "http://127.0.0.1:8080"
)

// Run handles one dispatch of the charm. Every event but an action is handled alike: everything is read, decided and
// done again, and what is done already is left alone. An error means a bug or a failing hook tool; what time or an
// operator can mend is a status instead.
func Run(ctx context.Context, getenv func(string) string, runner hook.Runner) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	env, err := hook.ParseEnv(getenv)
	if err != nil {
		return err
	}
	pebble, err := client.New(&client.Config{Socket: pebbleSocket})
	if err != nil {
		return err
	}
	c := charm{
		env:    env,
		tools:  hook.NewTools(env, runner),
		log:    slog.New(hook.NewLogHandler(runner, slog.LevelInfo)),
		pebble: pebble,
		garm: garmapi.New(garmURL, garmapi.Options{
			Reason: func(began time.Time) string { return workload.Reason(ctx, pebble, began) },
		}),
	}
	if err := c.tools.RemoveSecretFiles(); err != nil {
		return err
	}
	if env.Event.Kind == hook.KindAction {
		return c.act(ctx)
	}
	var verdict hook.Status
	var parts errgroup.Group
	parts.Go(func() (err error) {
		verdict, _, err = c.reconcile(ctx)
		return err
	})
	parts.Go(func() error { return c.observe(ctx) })
	if err := parts.Wait(); err != nil {
		return err
	}
	return c.tools.Announce(ctx, verdict)
}

type charm struct {
	env    hook.Env
	tools  *hook.Tools
	log    *slog.Logger
	pebble *client.Client
	garm   *garmapi.Client
}

// inputs are what the steps of a reconcile work on.
type inputs struct {
	keys     keys
	options  option.GARM
	declared []configurator.Declared
	tmate    bootstrap.Tmate
	peer     peer
	storages []string
	version  string        // GARM's
	waited   time.Duration // for Pebble to run GARM as it should

	ingress    ingress.Ingress
	postgresql postgresql.Database
	database   string      // kind of the one that GARM is to use
	concern    hook.Status // what an operator must do although GARM does its work; zero for nothing
}

// reconcile is the order of the steps. A step that returns a status ends it; without one, the findings say how it ended.
func (c charm) reconcile(ctx context.Context) (hook.Status, *status.Findings, error) {
	in, said, err := c.prepare(ctx)
	for _, step := range []func(context.Context, *inputs) (hook.Status, error){c.runWorkload, c.serve} {
		if said.Level == "" && err == nil {
			said, err = step(ctx, &in)
		}
	}
	var findings *status.Findings
	if said.Level == "" && err == nil {
		said, findings, err = c.follow(ctx, &in)
	}
	switch {
	case err != nil:
	case findings == nil:
		err = c.postpone(ctx, in, said)
	case in.concern.Level != "":
		said = status.Worst([]hook.Status{in.concern, said})
	}
	if err == nil {
		err = c.writePeer(ctx, in.peer)
	}
	return said, findings, err
}

// prepare has what a unit needs before it may run GARM.
func (c charm) prepare(ctx context.Context) (inputs, hook.Status, error) {
	var leader bool
	var reads errgroup.Group
	reads.Go(func() (err error) {
		leader, err = c.leads(ctx)
		return err
	})
	// Made even before there is a container: other units wait for them.
	keys, err := c.secrets(ctx, c.tools.IsLeader)
	if leaderErr := reads.Wait(); leaderErr != nil {
		return inputs{}, hook.Status{}, leaderErr
	}
	switch {
	case errors.Is(err, hook.ErrSecretNotFound):
		return inputs{}, status.NoSecrets(), nil
	case err != nil:
		return inputs{}, hook.Status{}, err
	case !leader || c.env.Event.Kind == hook.KindStop:
		said, err := c.standBy(ctx)
		return inputs{}, said, err
	case !c.containerAnswers(ctx):
		return inputs{}, status.NoContainer(workload.Container), nil
	}
	if err := c.tools.RemoveObsolete(ctx, c.env.Event); err != nil {
		return inputs{}, hook.Status{}, err
	}
	in, obstacle, err := c.gather(ctx)
	if err == nil {
		err = in.postgresql.Request(ctx, c.tools, c.env.AppName)
	}
	in.keys = keys
	return in, obstacle, err
}

// leads tells whether GARM's objects are this unit's to look after. One that is removed leaves them to the next that leads.
func (c charm) leads(ctx context.Context) (bool, error) {
	leader, err := c.tools.IsLeader(ctx)
	if err != nil || !leader || !c.env.Event.MayBeLast() {
		return leader, err
	}
	leaves, err := c.tools.Leaves(ctx, c.env.UnitName)
	return !leaves, err
}

// containerAnswers tells whether the workload container's Pebble is there. Pebble's client would try for seconds.
func (c charm) containerAnswers(ctx context.Context) bool {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", pebbleSocket)
	if err != nil {
		return false
	}
	_ = conn.Close() // nothing was sent
	_, err = c.pebble.SysInfo()
	return err == nil
}

// gather reads everything that Juju has for GARM, side by side.
func (c charm) gather(ctx context.Context) (in inputs, obstacle hook.Status, err error) {
	var problems []runnerconfig.Problem
	var reads errgroup.Group
	for _, read := range []func() error{
		func() error {
			config, err := c.tools.Config(ctx)
			in.options, problems = option.ParseGARM(config)
			return err
		},
		func() (err error) { in.declared, err = configurator.ReadAll(ctx, c.tools, c.env.Event); return err },
		func() (err error) { in.tmate, err = c.tmate(ctx); return err },
		func() (err error) { in.ingress, err = ingress.Read(ctx, c.tools, c.env); return err },
		func() (err error) { in.postgresql, err = postgresql.Read(ctx, c.tools, c.env); return err },
		func() (err error) { in.peer, err = c.readPeer(ctx); return err },
		func() (err error) { in.storages, err = c.tools.Storages(ctx, storageName); return err },
	} {
		reads.Go(read)
	}
	switch err := reads.Wait(); {
	case err != nil:
		return in, obstacle, err
	case len(problems) > 0:
		return in, status.GARMProblems(problems), nil
	case in.peer.id == "":
		return in, status.NoPeers(), nil
	}
	in.declared = configurator.Contest(in.declared, in.peer.inventory)
	return in, obstacle, nil
}

// tmate is the server for debug sessions, if one is integrated.
func (c charm) tmate(ctx context.Context) (bootstrap.Tmate, error) {
	server, refused, err := debugssh.Read(ctx, c.tools, c.env.Event)
	for _, why := range refused {
		c.log.WarnContext(ctx, why.Error())
	}
	return server, err
}
