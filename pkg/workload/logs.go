package workload

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"

	"github.com/canonical/pebble/client"
	"gopkg.in/yaml.v3"
)

const (
	logLayerLabel = Container + "-log-forwarding"
	// removedLocation is what stands in the plan in place of a Loki that went, as other charms write it.
	removedLocation = "(removed)"
)

// Planner is the part of Pebble's client that reads and changes its plan.
type Planner interface {
	PlanBytes(*client.PlanOptions) ([]byte, error)
	AddLayer(*client.AddLayerOptions) error
}

type logTarget struct {
	Override string            `yaml:"override"`
	Type     string            `yaml:"type"`
	Location string            `yaml:"location"`
	Services []string          `yaml:"services"`
	Labels   map[string]string `yaml:"labels,omitempty"`
}

// ForwardLogs makes Pebble push GARM's log to every URL of urls, which are Loki's by a name each, with the labels, and to
// nobody else. It takes effect at once, without a restart. Nothing is done when it is so already; changed tells.
func ForwardLogs(pebble Planner, urls, labels map[string]string) (changed bool, err error) {
	text, err := pebble.PlanBytes(nil)
	if err != nil {
		return false, fmt.Errorf("cannot read Pebble's plan: %w", err)
	}
	var plan struct {
		Targets map[string]logTarget `yaml:"log-targets"`
	}
	if err := yaml.Unmarshal(text, &plan); err != nil {
		return false, fmt.Errorf("cannot decode Pebble's plan: %w", err)
	}
	changes := logChanges(plan.Targets, logTargets(urls, labels))
	if len(changes) == 0 {
		return false, nil
	}
	layer, err := yaml.Marshal(map[string]any{"summary": "Logs to Loki, from the charm", "log-targets": changes})
	if err != nil {
		return false, fmt.Errorf("cannot encode the Pebble layer of logs: %w", err)
	}
	if err := pebble.AddLayer(&client.AddLayerOptions{Combine: true, Label: logLayerLabel, LayerData: layer}); err != nil {
		return false, fmt.Errorf("cannot add the layer of logs to Pebble's plan: %w", err)
	}
	return true, nil
}

// logTargets names each target by its location too: Pebble goes on pushing to where a target of that name was first
// (internals/overlord/logstate, LogManager.PlanChanged), so one that moved must be another one.
func logTargets(urls, labels map[string]string) map[string]logTarget {
	targets := map[string]logTarget{}
	for name, location := range urls {
		sum := sha256.Sum256([]byte(location))
		targets[name+"-"+hex.EncodeToString(sum[:4])] = logTarget{
			Override: ruleReplace, Type: "loki", Location: location, Services: []string{"all"}, Labels: maps.Clone(labels),
		}
	}
	return targets
}

// logChanges are the targets to write. Those that went are switched off, since a plan forgets nothing.
func logChanges(have, want map[string]logTarget) map[string]logTarget {
	changes := map[string]logTarget{}
	for name, target := range want {
		if !reflect.DeepEqual(have[name], target) {
			changes[name] = target
		}
	}
	for name, target := range have {
		if _, wanted := want[name]; wanted || target.Location == removedLocation {
			continue
		}
		changes[name] = logTarget{Override: ruleReplace, Type: target.Type, Location: removedLocation, Services: []string{"-all"}}
	}
	return changes
}
