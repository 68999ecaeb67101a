package workload

import (
	"context"
	"fmt"

	"github.com/canonical/pebble/client"
	"gopkg.in/yaml.v3"
)

// Stopper is the part of Pebble's client that stops a service.
type Stopper interface {
	Services(*client.ServicesOptions) ([]*client.ServiceInfo, error)
	Stop(*client.ServiceOptions) (changeID string, err error)
	Waiter
}

// Idler is the part of Pebble's client that keeps a container without a service.
type Idler interface {
	Stopper
	PlanBytes(*client.PlanOptions) ([]byte, error)
	AddLayer(*client.AddLayerOptions) error
}

// StandBy stops GARM, and tells whether it was running. Kubernetes sends its service's traffic to every pod whose checks
// do not fail, so a container that never ran GARM gets its check as well.
func StandBy(ctx context.Context, pebble Idler) (bool, error) {
	text, err := pebble.PlanBytes(nil)
	if err != nil {
		return false, fmt.Errorf("cannot read Pebble's plan: %w", err)
	}
	var planned Layer
	if err := yaml.Unmarshal(text, &planned); err != nil {
		return false, fmt.Errorf("cannot decode Pebble's plan: %w", err)
	}
	if _, has := planned.Checks[checkName]; !has {
		if text, err = yaml.Marshal(newStandbyLayer()); err != nil {
			return false, fmt.Errorf("cannot encode the Pebble layer: %w", err)
		}
		if err := pebble.AddLayer(&client.AddLayerOptions{Combine: true, Label: layerLabel, LayerData: text}); err != nil {
			return false, fmt.Errorf("cannot add a check to Pebble's plan: %w", err)
		}
	}
	return Stop(ctx, pebble)
}

// newStandbyLayer has GARM's check and no GARM. It begins to fail after five minutes only: until a new pod has been ready
// Kubernetes replaces no other one when it rolls an application over (StatefulSet, rolling updates), and all that it has
// replaced must be ready at the same time.
func newStandbyLayer() Layer {
	check := newCheck(Port)
	check.Period, check.Threshold = "1m", 5
	return Layer{Summary: "No GARM, from its charm", Checks: map[string]layerCheck{checkName: check}}
}

// Stop stops GARM, and tells whether it was running.
func Stop(ctx context.Context, pebble Stopper) (bool, error) {
	running, err := service(pebble)
	if err != nil || running.Current == "" || running.Current == client.StatusInactive {
		return false, err
	}
	id, err := pebble.Stop(&client.ServiceOptions{Names: []string{Service}})
	if err != nil {
		return false, fmt.Errorf("cannot stop GARM: %w", err)
	}
	return true, wait(ctx, pebble, id, "stop GARM")
}
