package live

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"github.com/garm-charms/garm-charms/tests/juju"
)

// world is a model as its operator has it.
type world struct {
	*Model

	calm  time.Duration
	forge map[string]string // options that make the operator's GitHub a configurator's
}

// Deploy is juju deploy. To this operator GitHub is a GitHub Enterprise Server, which each configurator is told.
func (w *world) Deploy(ctx context.Context, d juju.Deployment) error {
	if strings.HasPrefix(filepath.Base(d.Charm), "garm-configurator") {
		options := maps.Clone(w.forge)
		maps.Copy(options, d.Config)
		d.Config = options
	}
	return w.Model.Deploy(ctx, d)
}

// Settled tells whether every agent stays idle for a while.
func (w *world) Settled(ctx context.Context) error {
	end := time.Now().Add(w.calm)
	return poll(ctx, w.calm/8, func() (bool, error) {
		status, err := w.Status(ctx)
		if err != nil {
			return false, err
		}
		for _, application := range status.Applications {
			for name, unit := range application.Units {
				if unit.Agent != "idle" || unit.Life != "alive" {
					return false, fmt.Errorf("%s is %s and %s", name, unit.Life, unit.Agent)
				}
			}
		}
		return time.Now().After(end), nil
	})
}

// Tick waits for update-status, which no client can ask for; it comes every few seconds. The first one that ends may have begun
// before.
func (w *world) Tick(ctx context.Context, unit string) error {
	before := w.updateStatuses(unit)
	err := poll(ctx, time.Second, func() (bool, error) { return w.updateStatuses(unit) >= before+2, nil })
	if err != nil {
		return fmt.Errorf("%s had no update-status: %w", unit, err)
	}
	return nil
}

// updateStatuses counts them by what the agent logs (Juju worker/uniter/operation/runhook.go).
func (w *world) updateStatuses(unit string) (count int) {
	for _, line := range w.DebugLog() {
		if line.Unit == unit && strings.HasPrefix(line.Message, `ran "update-status" hook`) {
			count++
		}
	}
	return count
}
