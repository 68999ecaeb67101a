package garm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/garmapi"
	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/plan"
	"github.com/garm-charms/garm-charms/pkg/reconcile"
	"github.com/garm-charms/garm-charms/pkg/status"
	"github.com/garm-charms/garm-charms/pkg/workload"
)

// answerLimit is how long an action waits for a GARM that does not answer: somebody waits for the action.
const answerLimit = 3 * time.Second

// actions are what charmcraft.yaml declares. What one returns is what the operator gets; a *refusal fails the action.
func (c charm) actions() map[string]func(context.Context) (map[string]string, error) {
	return map[string]func(context.Context) (map[string]string, error){
		"get-credentials": c.getCredentials,
		"list-scalesets":  c.listScaleSets,
		"reconcile":       c.reconcileNow,
		"show-plan":       c.showPlan,
		"show-template":   c.showTemplate,

		"recreate-scaleset": c.recreateScaleSet,
		"restore-template":  c.restoreTemplate,
		"rotate-runners":    c.rotateRunners,
	}
}

// refusal is why an action cannot be done, for the operator.
type refusal string

func (r refusal) Error() string { return string(r) }

func (c charm) act(ctx context.Context) error {
	action, known := c.actions()[c.env.Event.Name]
	if !known {
		return fmt.Errorf("cannot run action %s: this charm has none of that name", c.env.Event.Name)
	}
	results, err := action(ctx)
	if err == nil {
		err = c.tools.SetActionResults(ctx, results)
	}
	var refused refusal
	if errors.As(err, &refused) || errors.Is(err, hook.ErrResultTooLong) {
		return c.tools.FailAction(ctx, err.Error())
	}
	return err
}

func (c charm) getCredentials(ctx context.Context) (map[string]string, error) {
	content, err := c.tools.SecretByLabel(ctx, adminLabel, hook.Peek)
	if errors.Is(err, hook.ErrSecretNotFound) {
		return nil, refusal(status.NoCredentials())
	}
	if err != nil {
		return nil, err
	}
	results := map[string]string{}
	for _, key := range []string{"username", "password", "email", "full-name"} {
		results[key] = content[key].Reveal()
	}
	return results, nil
}

// reconcileNow does what the next event would.
func (c charm) reconcileNow(ctx context.Context) (map[string]string, error) {
	if err := c.refuseStandby(ctx); err != nil {
		return nil, err
	}
	verdict, findings, err := c.reconcile(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.tools.Announce(ctx, verdict); err != nil {
		return nil, err
	}
	if findings == nil {
		return nil, refusal(verdict.Message)
	}
	return status.Reconciled(verdict, *findings), nil
}

func (c charm) listScaleSets(ctx context.Context) (map[string]string, error) {
	_, now, err := c.look(ctx)
	if err != nil {
		return nil, err
	}
	p, err := c.readPeer(ctx)
	return status.ScaleSets(now.ScaleSets, p.inventory), err
}

// showPlan decides as the next reconcile would, and does nothing of it.
func (c charm) showPlan(ctx context.Context) (map[string]string, error) {
	known, now, err := c.look(ctx)
	if err != nil {
		return nil, err
	}
	in, obstacle, err := c.gather(ctx)
	in.keys = known
	var config workload.Config
	if err == nil && obstacle.Level == "" {
		config, obstacle, err = c.workloadConfig(ctx, &in)
	}
	if err != nil || obstacle.Level != "" {
		return nil, refused(obstacle, err)
	}
	first, err := c.beforeThePlan(ctx, config, &in)
	if err != nil {
		return nil, err
	}
	for _, p := range config.Providers {
		now.Providers[p.Name] = true // GARM has it loaded by then
	}
	findings, _ := decide(in, now)
	return status.Plan(first, findings), nil
}

// beforeThePlan is what a reconcile does before it looks at what GARM has.
func (c charm) beforeThePlan(ctx context.Context, config workload.Config, in *inputs) (lines []string, err error) {
	would, obstacle, err := c.applyWorkload(ctx, workload.Pretend(c.pebble), config, in)
	if err != nil || obstacle.Level != "" {
		return nil, refused(obstacle, err)
	}
	lines = status.WorkloadChange(would)
	have, err := c.garm.Controller(ctx)
	if err != nil {
		return nil, refusal(status.Down(err))
	}
	if have, urls := garmapi.URLsOf(have), c.urls(in); have != urls {
		lines = append(lines, status.NewURLs(have.Metadata, urls.Metadata))
	}
	return lines, nil
}

// refused is the error of an action that came to an obstacle.
func refused(obstacle hook.Status, err error) error {
	if err != nil {
		return err
	}
	return refusal(obstacle.Message)
}

// showTemplate returns what GARM serves the runners of one scale set.
func (c charm) showTemplate(ctx context.Context) (map[string]string, error) {
	set, now, err := c.named(ctx)
	if err != nil {
		return nil, err
	}
	if set.Template == "" {
		return status.Template(set, now.System.ID, now.System.Data), nil
	}
	i := slices.IndexFunc(now.Templates, func(t desired.Template) bool { return t.Name == set.Template })
	if i < 0 {
		return nil, refusal(status.ForeignTemplate(set))
	}
	template, err := c.garm.Template(ctx, now.Templates[i].ID)
	if err != nil {
		return nil, refusal(status.Down(err))
	}
	return status.Template(set, template.ID, template.Data), nil
}

// named is the scale set that the action's parameters name.
func (c charm) named(ctx context.Context) (desired.ScaleSet, reconcile.Observation, error) {
	params, err := c.tools.ActionParams(ctx)
	if err != nil {
		return desired.ScaleSet{}, reconcile.Observation{}, err
	}
	_, now, err := c.look(ctx)
	if err != nil {
		return desired.ScaleSet{}, now, err
	}
	name, _ := params["scale-set"].(string)
	entity, _ := params["entity"].(string)
	sets := now.Find(name, entity)
	if len(sets) != 1 {
		return desired.ScaleSet{}, now, refusal(status.NotOneScaleSet(name, sets, now.ScaleSets))
	}
	return sets[0], now, nil
}

// own is what named is if the scale set is the charm's own, with what the charm remembers.
func (c charm) own(ctx context.Context) (desired.ScaleSet, reconcile.Observation, peer, error) {
	set, now, err := c.named(ctx)
	if err != nil {
		return set, now, peer{}, err
	}
	p, err := c.readPeer(ctx)
	if _, isOurs := p.inventory.ScaleSets[set.ID]; err == nil && !isOurs {
		err = refusal(status.ForeignScaleSet(set))
	}
	return set, now, p, err
}

// recreateScaleSet remembers what the operator wants, and goes as far with it as can be gone now.
func (c charm) recreateScaleSet(ctx context.Context) (map[string]string, error) {
	set, _, p, err := c.own(ctx)
	if err != nil {
		return nil, err
	}
	owned := p.inventory.ScaleSets[set.ID]
	owned.Recreate = true
	p.inventory.ScaleSets[set.ID] = owned
	if err := c.writePeer(ctx, p); err != nil {
		return nil, err
	}
	return c.reconcileNow(ctx)
}

func (c charm) rotateRunners(ctx context.Context) (map[string]string, error) {
	set, now, p, err := c.own(ctx)
	if err != nil {
		return nil, err
	}
	rotation := plan.Rotate(p.inventory.ScaleSets[set.ID].Application, set)
	report := reconcile.Apply(ctx, c.garm, now, rotation, p.inventory, c.log)
	return status.Rotated(set, report), nil
}

// restoreTemplate is for a template that cannot be used, was edited or is that of an older GARM.
func (c charm) restoreTemplate(ctx context.Context) (map[string]string, error) {
	if _, err := c.enter(ctx); err != nil {
		return nil, err
	}
	if err := reconcile.RestoreSystemTemplate(ctx, c.garm); err != nil {
		return nil, refusal(status.Down(err))
	}
	return c.reconcileNow(ctx)
}

// look reads what a GARM that has been set up has. It writes nothing.
func (c charm) look(ctx context.Context) (keys, reconcile.Observation, error) {
	known, err := c.enter(ctx)
	if err != nil {
		return keys{}, reconcile.Observation{}, err
	}
	now, err := reconcile.Observe(ctx, c.garm)
	if err != nil {
		return keys{}, now, refusal(status.Down(err))
	}
	return known, now, nil
}

// enter logs in to a GARM that has been set up.
func (c charm) enter(ctx context.Context) (keys, error) {
	if err := c.refuseStandby(ctx); err != nil {
		return keys{}, err
	}
	known, err := c.secrets(ctx, func(context.Context) (bool, error) { return false, nil })
	if errors.Is(err, hook.ErrSecretNotFound) {
		return keys{}, refusal(status.NotSetUp())
	}
	if err != nil {
		return keys{}, err
	}
	if !c.containerAnswers(ctx) {
		return keys{}, refusal(status.NoContainer(workload.Container).Message)
	}
	waiting, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	if err := c.garm.Ready(waiting); err != nil {
		return keys{}, refusal(status.Down(err))
	}
	err = c.garm.Login(ctx, known.admin.Username, known.admin.Password)
	switch {
	case errors.Is(err, garmapi.ErrNotInitialised):
		return keys{}, refusal(status.NotSetUp())
	case errors.Is(err, garmapi.ErrBadCredentials):
		return keys{}, refusal(status.LoginRefused().Message)
	case err != nil:
		return keys{}, refusal(status.Down(err))
	}
	return known, nil
}

func (c charm) refuseStandby(ctx context.Context) error {
	leader, err := c.tools.IsLeader(ctx)
	if err == nil && !leader {
		err = refusal(status.AskLeader(c.env.AppName, c.env.Event.Name))
	}
	return err
}
