// Package logging is the loki_push_api relation as the side that has logs uses it: it finds where to push them. Pushing is
// Pebble's work (pkg/workload).
package logging

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/topology"
)

// Endpoint is the relation's name.
const Endpoint = "logging"

// Connect tells every related Loki whose logs it gets, if this unit leads, and returns the push URLs by the names of the
// Lokis' units. Those that have published none yet, or none that can be used, are left out.
func Connect(ctx context.Context, tools *hook.Tools, env hook.Env, charm string) (map[string]string, error) {
	relations, err := tools.Relations(ctx, Endpoint)
	if err != nil {
		return nil, err
	}
	urls := map[string]string{}
	for _, relation := range relations {
		if env.Event.Breaks(relation.ID) {
			continue
		}
		if err := introduce(ctx, tools, env, charm, relation.ID); err != nil {
			return nil, err
		}
		for _, unit := range relation.Units {
			bag, err := tools.Databag(ctx, relation.ID, unit)
			if errors.Is(err, hook.ErrRelationGone) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if pushURL, ok := parse(bag["endpoint"]); ok {
				urls[unit] = pushURL
			}
		}
	}
	return urls, nil
}

func introduce(ctx context.Context, tools *hook.Tools, env hook.Env, charm, relation string) error {
	leader, err := tools.IsLeader(ctx)
	if err != nil || !leader {
		return err
	}
	metadata, err := json.Marshal(topology.Of(env, charm))
	if err != nil {
		return fmt.Errorf("cannot encode the place of the logs: %w", err)
	}
	have, err := tools.Databag(ctx, relation, env.AppName)
	if err != nil || have["metadata"] == string(metadata) {
		return err
	}
	// There are no alerts on logs: what GARM logs is not stable enough to alert on.
	return tools.SetAppDatabag(ctx, relation, map[string]string{"metadata": string(metadata), "alert_rules": "{}"})
}

// parse reads what a Loki unit published, which is not to be trusted.
func parse(text string) (string, bool) {
	var endpoint struct {
		URL string `json:"url"`
	}
	if json.Unmarshal([]byte(text), &endpoint) != nil {
		return "", false
	}
	u, err := url.Parse(endpoint.URL)
	return endpoint.URL, err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
