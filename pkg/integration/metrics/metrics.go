// Package metrics is the prometheus_scrape relation as the scraped side uses it: it tells Prometheus where to scrape and
// on what to alert. Addresses stand in unit databags, everything else in the application's.
package metrics

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/topology"
)

// Endpoint is the relation's name.
const Endpoint = "metrics-endpoint"

// Job is what Prometheus scrapes of each unit that has an address.
type Job struct {
	Name string
	Path string // "/metrics"
	Port int
	// Charm is the charm's name.
	Charm string
	// Rules are the alerts, as RulesOf returned them.
	Rules Rules
}

// Publish tells every related Prometheus of the job. A unit that is not serving takes its address back, so that nobody
// alerts on a standby. What stands there already is not written again.
func Publish(ctx context.Context, tools *hook.Tools, env hook.Env, job Job, serving bool) error {
	relations, err := tools.Relations(ctx, Endpoint)
	if err != nil {
		return err
	}
	for _, relation := range relations {
		if env.Event.Breaks(relation.ID) {
			continue
		}
		if err := publishAddress(ctx, tools, env, relation.ID, serving); err != nil {
			return err
		}
		if err := publishJob(ctx, tools, env, relation.ID, job); err != nil {
			return err
		}
	}
	return nil
}

// publishAddress names the unit only with its address: the other side skips units without a name.
func publishAddress(ctx context.Context, tools *hook.Tools, env hook.Env, relation string, serving bool) error {
	want := map[string]string{"prometheus_scrape_unit_address": "", "prometheus_scrape_unit_name": "", "prometheus_scrape_unit_fqdn": ""}
	if serving {
		network, err := tools.Network(ctx, Endpoint)
		if err != nil {
			return err
		}
		if network.BindAddress != "" {
			want["prometheus_scrape_unit_address"] = network.BindAddress
			want["prometheus_scrape_unit_name"] = env.UnitName
			want["prometheus_scrape_unit_fqdn"] = env.PodHost()
		}
	}
	have, err := tools.Databag(ctx, relation, env.UnitName)
	if err != nil {
		return err
	}
	return tools.SetUnitDatabag(ctx, relation, hook.Changes(have, want))
}

func publishJob(ctx context.Context, tools *hook.Tools, env hook.Env, relation string, job Job) error {
	leader, err := tools.IsLeader(ctx)
	if err != nil || !leader {
		return err
	}
	place := topology.Of(env, job.Charm)
	want := map[string]string{}
	for key, value := range map[string]any{
		"scrape_metadata": place,
		"scrape_jobs": []scrapeJob{{
			Name: job.Name, Path: job.Path, Static: []staticConfig{{Targets: []string{fmt.Sprintf("*:%d", job.Port)}}},
		}},
		"alert_rules": job.Rules.of(place),
	} {
		text, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("cannot encode %s: %w", key, err)
		}
		want[key] = string(text)
	}
	have, err := tools.Databag(ctx, relation, env.AppName)
	if err != nil {
		return err
	}
	return tools.SetAppDatabag(ctx, relation, hook.Changes(have, want))
}

type scrapeJob struct {
	Name   string         `json:"job_name"`
	Path   string         `json:"metrics_path"`
	Static []staticConfig `json:"static_configs"`
}

type staticConfig struct {
	Targets []string `json:"targets"` // "*:8080": that port of every unit
}
