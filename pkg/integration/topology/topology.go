// Package topology says where a series, a log line or a dashboard comes from, in the words that the charms of Juju's
// observability stack share (the library juju_topology).
package topology

import "github.com/garm-charms/garm-charms/pkg/hook"

// Topology is one unit's place. Its JSON is that of the relations.
type Topology struct {
	Model       string `json:"model"`
	ModelUUID   string `json:"model_uuid"`
	Application string `json:"application"`
	Unit        string `json:"unit"`
	Charm       string `json:"charm_name,omitempty"`
}

// Of returns the place of the unit that env describes.
func Of(env hook.Env, charm string) Topology {
	return Topology{Model: env.ModelName, ModelUUID: env.ModelUUID, Application: env.AppName, Unit: env.UnitName, Charm: charm}
}

// Labels are those that the stack gives to everything of the application, whatever the unit.
func (t Topology) Labels() map[string]string {
	return map[string]string{
		"juju_model": t.Model, "juju_model_uuid": t.ModelUUID, "juju_application": t.Application, "juju_charm": t.Charm,
	}
}
