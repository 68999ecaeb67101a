package agent

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/juju/clock"
	"github.com/juju/errors"
	coreagent "github.com/juju/juju/agent"
	"github.com/juju/juju/api/agent/caasapplication"
	"github.com/juju/juju/api/base"
	"github.com/juju/juju/downloader"
	"github.com/juju/juju/worker/agent"
	"github.com/juju/juju/worker/caasunitterminationworker"
	"github.com/juju/juju/worker/fortress"
	"github.com/juju/juju/worker/leadership"
	"github.com/juju/juju/worker/retrystrategy"
	"github.com/juju/juju/worker/uniter"
	"github.com/juju/loggo"
	"github.com/juju/names/v5"
	"github.com/juju/version/v2"
	"github.com/juju/worker/v3"
	"github.com/juju/worker/v3/dependency"
	"gopkg.in/tomb.v2"

	"github.com/garm-charms/garm-charms/tests/juju/internal/wire"
)

// Names of the workers, as in cmd/containeragent/unit/manifolds.go.
const (
	agentName         = "agent"
	callerName        = "api-caller"
	charmDirName      = "charm-dir"
	leadershipName    = "leadership-tracker"
	retryStrategyName = "hook-retry-strategy"
	uniterName        = "uniter"
	terminationName   = "caas-unit-termination-worker"
)

func manifolds(start wire.Start, c *caller, watch *observer) (dependency.Manifolds, error) {
	config, err := agentConfig(start)
	if err != nil {
		return nil, err
	}
	me := staticAgent{config: config}
	return dependency.Manifolds{
		agentName:    agent.Manifold(me),
		callerName:   callerManifold(c),
		charmDirName: fortress.Manifold(),
		leadershipName: leadership.Manifold(leadership.ManifoldConfig{
			AgentName: agentName, APICallerName: callerName, Clock: clock.WallClock, LeadershipGuarantee: start.Lease,
		}),
		retryStrategyName: retrystrategy.Manifold(retrystrategy.ManifoldConfig{
			AgentName: agentName, APICallerName: callerName,
			NewFacade: retrystrategy.NewFacade, NewWorker: retrystrategy.NewRetryStrategyWorker,
			Logger: loggo.GetLogger("juju.worker.retrystrategy"),
		}),
		uniterName: uniterManifold(start, watch),
		terminationName: {
			Inputs: []string{callerName, uniterName},
			Start: func(ctx dependency.Context) (worker.Worker, error) {
				var caller base.APICaller
				var u *uniter.Uniter
				if err := ctx.Get(callerName, &caller); err != nil {
					return nil, err
				}
				if err := ctx.Get(uniterName, &u); err != nil {
					return nil, err
				}
				return caasunitterminationworker.NewWorker(caasunitterminationworker.Config{
					Agent: me, State: caasapplication.NewClient(closable{caller}), UnitTerminator: u,
					Logger: loggo.GetLogger("juju.worker.caasunitterminationworker"), Clock: clock.WallClock,
				}), nil
			},
		},
	}, nil
}

func agentConfig(start wire.Start) (coreagent.Config, error) {
	config, err := coreagent.NewAgentConfig(coreagent.AgentConfigParams{
		Paths:             coreagent.Paths{DataDir: DataDir},
		UpgradedToVersion: version.MustParse(start.Version),
		Tag:               names.NewUnitTag(start.Unit),
		Password:          "none: the connection says who this is",
		Controller:        names.NewControllerTag(start.ModelUUID),
		Model:             names.NewModelTag(start.ModelUUID),
		APIAddresses:      []string{"localhost:17070"},
		CACert:            "none: the connection is a pair of sockets",
	})
	if err != nil {
		return nil, fmt.Errorf("cannot make agent configuration: %w", err)
	}
	return config, nil
}

// staticAgent is an agent whose configuration does not change (agent.Agent).
type staticAgent struct {
	config coreagent.Config
}

// CurrentConfig implements agent.Agent.
func (a staticAgent) CurrentConfig() coreagent.Config { return a.config }

// ChangeConfig implements agent.Agent.
func (a staticAgent) ChangeConfig(coreagent.ConfigMutator) error {
	return errors.NotSupportedf("changing the agent's configuration")
}

// connectionWorker lives as long as the connection does.
type connectionWorker struct {
	tomb   tomb.Tomb
	caller *caller
}

func callerManifold(c *caller) dependency.Manifold {
	return dependency.Manifold{
		Start: func(dependency.Context) (worker.Worker, error) {
			w := &connectionWorker{caller: c}
			w.tomb.Go(func() error {
				select {
				case <-w.tomb.Dying():
					return nil
				case <-c.conn.Dead():
					return errDisconnected
				}
			})
			return w, nil
		},
		Output: func(in worker.Worker, out any) error {
			p, ok := out.(*base.APICaller)
			if !ok {
				return errors.Errorf("cannot give the connection as %T", out)
			}
			*p = in.(*connectionWorker).caller
			return nil
		},
	}
}

// Kill implements worker.Worker.
func (w *connectionWorker) Kill() { w.tomb.Kill(nil) }

// Wait implements worker.Worker.
func (w *connectionWorker) Wait() error { return w.tomb.Wait() }

// closable is a connection that its users cannot close (base.APICallCloser).
type closable struct {
	base.APICaller
}

// Close implements base.APICallCloser.
func (closable) Close() error { return nil }

// copier is the charm's source: the pod has the archive (charm.Downloader).
type copier struct{}

// Download implements charm.Downloader.
func (copier) Download(r downloader.Request) (string, error) {
	if err := os.MkdirAll(r.TargetDir, 0o755); err != nil {
		return "", fmt.Errorf("cannot make download directory: %w", err)
	}
	from, err := os.Open(CharmArchive)
	if err != nil {
		return "", fmt.Errorf("cannot open charm: %w", err)
	}
	defer from.Close()
	to, err := os.CreateTemp(filepath.Clean(r.TargetDir), "charm")
	if err != nil {
		return "", fmt.Errorf("cannot make charm's copy: %w", err)
	}
	defer to.Close()
	if _, err := io.Copy(to, from); err != nil {
		return "", fmt.Errorf("cannot copy charm: %w", err)
	}
	if _, err := to.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("cannot read charm's copy: %w", err)
	}
	return to.Name(), r.Verify(to)
}

// pollClock is the wall clock, but for the only timer that the uniter makes itself: that between two polls of Pebble
// (worker/uniter/pebblepoller.go: 5 s).
type pollClock struct {
	clock.Clock

	poll time.Duration
}

// NewTimer implements clock.Clock.
func (c pollClock) NewTimer(time.Duration) clock.Timer {
	return pollTimer{Timer: c.Clock.NewTimer(c.poll), poll: c.poll}
}

type pollTimer struct {
	clock.Timer

	poll time.Duration
}

// Reset implements clock.Timer.
func (t pollTimer) Reset(time.Duration) bool { return t.Timer.Reset(t.poll) }
