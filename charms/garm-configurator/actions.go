package garmconfigurator

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/garm-charms/garm-charms/pkg/bootstrap"
	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/option"
	"github.com/garm-charms/garm-charms/pkg/status"
)

func (c charm) act(ctx context.Context) error {
	switch c.env.Event.Name {
	case "show-problems":
		return c.showProblems(ctx)
	case "show-blocks":
		return c.showBlocks(ctx)
	}
	return fmt.Errorf("cannot run action %s: this charm has none of that name", c.env.Event.Name)
}

// showProblems lists everything that is wrong, and what garm says in each relation. Nothing is published.
func (c charm) showProblems(ctx context.Context) error {
	g, err := c.gather(ctx)
	if err != nil {
		return err
	}
	results := map[string]string{"problems": status.AllProblems(g.problems)}
	if obstacle := c.obstacle(g); obstacle.Level != "" {
		results["blocked-by"] = obstacle.Message
	}
	for _, p := range g.publications {
		answer := p.Answer
		for key, text := range status.Answer(answer.Status, answer.Message, answer.ScaleSetID, answer.TemplateID, answer.ProviderName) {
			results["answers."+cmp.Or(p.Application(), "unknown")+"."+key] = text
		}
	}
	return c.tools.SetActionResults(ctx, results)
}

// showBlocks renders the scripts that the options stand for, whether or not anything else is configured.
func (c charm) showBlocks(ctx context.Context) error {
	config, err := c.tools.Config(ctx)
	if err != nil {
		return err
	}
	scaleSet, problems := option.Parse(config)
	options := desired.Blocks(scaleSet.Options)
	blocks, err := bootstrap.Render(options)
	if err != nil {
		return c.tools.FailAction(ctx, status.NoBlocks(err, problems))
	}
	scripts, err := bootstrap.PreInstall(options, scaleSet.PreInstallScripts)
	if err != nil {
		return c.tools.FailAction(ctx, status.NoBlocks(err, problems))
	}
	results := map[string]string{}
	if len(problems) > 0 {
		results["problems"] = status.AllProblems(problems)
	}
	for number, name := range slices.Sorted(maps.Keys(scripts)) {
		key := fmt.Sprintf("pre-install.%02d.", number+1) // names have characters that keys may not
		results[key+"name"], results[key+"script"] = name, string(scripts[name])
	}
	for key, text := range map[string]string{"template.host": blocks.Host, "template.runner": blocks.Runner} {
		if text != "" {
			results[key] = text
		}
	}
	if blocks == (bootstrap.Blocks{}) {
		results["template"] = status.StockTemplate()
	}
	return c.tools.SetActionResults(ctx, results)
}
