package garm

import (
	"context"
	"embed"
	"path"
	"strings"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/dashboards"
	"github.com/garm-charms/garm-charms/pkg/integration/logging"
	"github.com/garm-charms/garm-charms/pkg/integration/metrics"
	"github.com/garm-charms/garm-charms/pkg/workload"
)

//go:embed alerts/garm.rules dashboards
var observability embed.FS

const charmName = "garm"

// observe lets those who watch know where GARM's metrics, logs and dashboards are.
func (c charm) observe(ctx context.Context) error {
	text, err := observability.ReadFile("alerts/garm.rules")
	if err != nil {
		return err
	}
	rules, err := metrics.RulesOf(text)
	if err != nil {
		return err
	}
	leader, err := c.tools.IsLeader(ctx)
	if err != nil {
		return err
	}
	job := metrics.Job{Name: "garm", Path: "/metrics", Port: workload.Port, Charm: charmName, Rules: rules}
	// Only the leader's unit runs GARM, so that one is scraped, whether GARM answers or not.
	if err := metrics.Publish(ctx, c.tools, c.env, job, leader && c.env.Event.Kind != hook.KindStop); err != nil {
		return err
	}
	if err := c.publishDashboards(ctx); err != nil {
		return err
	}
	return c.forwardLogs(ctx)
}

func (c charm) publishDashboards(ctx context.Context) error {
	entries, err := observability.ReadDir("dashboards")
	if err != nil {
		return err
	}
	found := map[string][]byte{}
	for _, entry := range entries {
		content, err := observability.ReadFile(path.Join("dashboards", entry.Name()))
		if err != nil {
			return err
		}
		found[strings.TrimSuffix(entry.Name(), ".json")] = content
	}
	return dashboards.Publish(ctx, c.tools, c.env, charmName, found)
}

func (c charm) forwardLogs(ctx context.Context) error {
	urls, err := logging.Connect(ctx, c.tools, c.env, charmName)
	if err != nil {
		return err
	}
	if !c.containerAnswers(ctx) {
		return nil // its pebble-ready comes
	}
	changed, err := workload.ForwardLogs(c.pebble, urls, map[string]string{
		"product": "Juju", "charm": charmName, "juju_model": c.env.ModelName, "juju_model_uuid": c.env.ModelUUID,
		"juju_application": c.env.AppName, "juju_unit": c.env.UnitName,
	})
	if err != nil {
		c.log.WarnContext(ctx, err.Error()) // GARM itself is none the worse
		return nil
	}
	if changed {
		c.log.InfoContext(ctx, "forward GARM's log: the Lokis that are integrated changed")
	}
	return nil
}
