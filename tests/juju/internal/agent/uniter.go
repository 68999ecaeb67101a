package agent

import (
	"fmt"
	"time"

	"github.com/juju/clock"
	"github.com/juju/errors"
	"github.com/juju/juju/api/agent/secretsmanager"
	apiuniter "github.com/juju/juju/api/agent/uniter"
	"github.com/juju/juju/api/base"
	coreleadership "github.com/juju/juju/core/leadership"
	"github.com/juju/juju/core/machinelock"
	"github.com/juju/juju/core/model"
	"github.com/juju/juju/rpc/params"
	"github.com/juju/juju/secrets"
	jworker "github.com/juju/juju/worker"
	"github.com/juju/juju/worker/fortress"
	"github.com/juju/juju/worker/secretexpire"
	"github.com/juju/juju/worker/secretrotate"
	"github.com/juju/juju/worker/uniter"
	"github.com/juju/juju/worker/uniter/charm"
	"github.com/juju/juju/worker/uniter/operation"
	"github.com/juju/juju/worker/uniter/remotestate"
	"github.com/juju/loggo"
	"github.com/juju/names/v5"
	"github.com/juju/worker/v3"
	"github.com/juju/worker/v3/dependency"

	"github.com/garm-charms/garm-charms/tests/juju/internal/wire"
)

const errStopped = errors.ConstError("the uniter has stopped")

// uniterManifold does what uniter.Manifold does, with eyes on hooks, and with a trigger for update-status.
func uniterManifold(start wire.Start, watch *observer) dependency.Manifold {
	return dependency.Manifold{
		Inputs: []string{callerName, leadershipName, charmDirName, retryStrategyName},
		Start: func(ctx dependency.Context) (worker.Worker, error) {
			var in inputs
			if err := in.get(ctx); err != nil {
				return nil, err
			}
			return startUniter(start, in, watch)
		},
		Output: func(in worker.Worker, out any) error {
			p, ok := out.(**uniter.Uniter)
			if !ok {
				return errors.Errorf("cannot give the uniter as %T", out)
			}
			*p = in.(*onceUniter).Uniter
			return nil
		},
	}
}

// onceUniter ends the agent with itself, whatever it ends of: it takes the leadership tracker with it, so it cannot be
// started again (worker/uniter/uniter.go), and Kubernetes' liveness probe would restart the container.
type onceUniter struct {
	*uniter.Uniter
}

// Wait implements worker.Worker.
func (u *onceUniter) Wait() error {
	err := u.Uniter.Wait()
	if errors.Is(err, jworker.ErrTerminateAgent) {
		return err
	}
	return fmt.Errorf("%w: %w", errStopped, err)
}

type inputs struct {
	caller  base.APICaller
	tracker coreleadership.TrackerWorker
	guard   fortress.Guard
	retry   params.RetryStrategy
}

func (in *inputs) get(ctx dependency.Context) error {
	for name, to := range map[string]any{
		callerName: &in.caller, leadershipName: &in.tracker, charmDirName: &in.guard, retryStrategyName: &in.retry,
	} {
		if err := ctx.Get(name, to); err != nil {
			return err
		}
	}
	return nil
}

func startUniter(start wire.Start, in inputs, watch *observer) (worker.Worker, error) {
	tag := names.NewUnitTag(start.Unit)
	logger := loggo.GetLogger("juju.worker.uniter")
	lock, err := machinelock.New(machinelock.Config{
		AgentName: tag.String(), Clock: clock.WallClock,
		Logger: loggo.GetLogger("juju.machinelock"), LogFilename: "/var/log/machine-lock.log",
	})
	if err != nil {
		return nil, fmt.Errorf("cannot make lock: %w", err)
	}
	resources, err := apiuniter.NewResourcesFacadeClient(in.caller, tag)
	if err != nil {
		return nil, fmt.Errorf("cannot make client for resources: %w", err)
	}
	manager := secretsmanager.NewClient(in.caller)
	u, err := uniter.NewUniter(&uniter.UniterParams{
		UniterFacade:                 apiuniter.NewState(in.caller, tag),
		ResourcesFacade:              resources,
		PayloadFacade:                apiuniter.NewPayloadFacadeClient(in.caller),
		SecretsClient:                manager,
		SecretsBackendGetter:         func() (secrets.BackendsClient, error) { return secrets.NewClient(manager) },
		UnitTag:                      tag,
		ModelType:                    model.CAAS,
		LeadershipTrackerFunc:        func(names.UnitTag) coreleadership.TrackerWorker { return in.tracker },
		SecretRotateWatcherFunc:      rotation(manager, logger),
		SecretExpiryWatcherFunc:      expiry(manager, logger),
		DataDir:                      DataDir,
		Downloader:                   copier{},
		MachineLock:                  lock,
		CharmDirGuard:                in.guard,
		UpdateStatusSignal:           watch.updateStatus,
		HookRetryStrategy:            in.retry,
		NewOperationExecutor:         operation.NewExecutor,
		NewDeployer:                  charm.NewDeployer,
		NewProcessRunner:             watch.newRunner,
		NewPebbleClient:              watch.newPebbleClient,
		TranslateResolverErr:         uniter.TranslateFortressErrors,
		Clock:                        pollClock{Clock: clock.WallClock, poll: start.PebblePoll},
		Logger:                       logger,
		Sidecar:                      true,
		EnforcedCharmModifiedVersion: start.CharmVersion,
		ContainerNames:               start.Containers,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot start uniter: %w", err)
	}
	return &onceUniter{Uniter: u}, nil
}

func owners(unit names.UnitTag, leader bool) []names.Tag {
	all := []names.Tag{unit}
	if application, err := names.UnitApplication(unit.Id()); err == nil && leader {
		all = append(all, names.NewApplicationTag(application))
	}
	return all
}

func rotation(manager *secretsmanager.Client, logger loggo.Logger) remotestate.SecretTriggerWatcherFunc {
	return func(unit names.UnitTag, leader bool, due chan []string) (worker.Worker, error) {
		return secretrotate.New(secretrotate.Config{
			SecretManagerFacade: manager, Clock: clock.WallClock, Logger: logger.Child("secretsrotate"),
			SecretOwners: owners(unit, leader), RotateSecrets: due,
		})
	}
}

func expiry(manager *secretsmanager.Client, logger loggo.Logger) remotestate.SecretTriggerWatcherFunc {
	return func(unit names.UnitTag, leader bool, due chan []string) (worker.Worker, error) {
		return secretexpire.New(secretexpire.Config{
			SecretManagerFacade: manager, Clock: clock.WallClock, Logger: logger.Child("secretrevisionsexpire"),
			SecretOwners: owners(unit, leader), ExpireRevisions: due,
		})
	}
}

// updateStatus is the signal for update-status: the model's interval, and whenever the model asks for it.
func (o *observer) updateStatus(interval time.Duration) remotestate.Waiter {
	return waiter{observer: o, interval: interval}
}

type waiter struct {
	observer *observer
	interval time.Duration
}

// After implements remotestate.Waiter.
func (w waiter) After() <-chan time.Time {
	w.observer.mu.Lock()
	defer w.observer.mu.Unlock()
	if w.observer.tick != nil {
		w.observer.tick.Stop()
	}
	w.observer.tick = time.AfterFunc(w.interval, w.observer.trigger)
	return w.observer.fire
}

func (o *observer) trigger() {
	select {
	case o.fire <- time.Now():
	default: // one is on its way
	}
}
