package garm

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/configurator"
	"github.com/garm-charms/garm-charms/pkg/plan"
	"github.com/garm-charms/garm-charms/pkg/reconcile"
	"github.com/garm-charms/garm-charms/pkg/status"
	"github.com/garm-charms/garm-charms/pkg/workload"
)

// applyLimit is how long changes to GARM are begun in one dispatch. The last one may take half a minute more, and what became
// of them all must be said before the dispatch ends.
const applyLimit = 3 * time.Minute

// atOnce is how many relations are written side by side.
const atOnce = 8

// follow brings GARM to what is declared and answers every configurator.
func (c charm) follow(ctx context.Context, in *inputs) (hook.Status, *status.Findings, error) {
	var said errgroup.Group
	said.SetLimit(atOnce)
	said.Go(func() error { return c.tools.SetWorkloadVersion(ctx, in.version) })
	before, err := reconcile.Observe(ctx, c.garm)
	if err != nil {
		return status.Unreachable(err), nil, said.Wait()
	}
	f, inventory := decide(*in, before)
	if f.Troubles, err = workload.ReadTroubles(ctx, c.pebble, "garm-"+in.peer.controller, time.Now()); err != nil {
		c.log.WarnContext(ctx, err.Error())
	}
	applying, cancel := context.WithTimeout(ctx, applyLimit)
	defer cancel()
	f.Report = reconcile.Apply(applying, c.garm, before, f.Plan, inventory, c.log)
	in.peer.inventory = f.Report.Inventory
	answers := f.Judge()
	for _, d := range in.declared {
		said.Go(func() error { return d.Respond(ctx, c.tools, c.env.AppName, answers[d.RelationID]) })
	}
	return f.Summary(answers), &f, said.Wait()
}

// postpone tells every configurator that its scale set is not looked after, and why: none is ready while GARM is not.
func (c charm) postpone(ctx context.Context, in inputs, why hook.Status) error {
	for _, d := range in.declared {
		if err := d.Postpone(ctx, c.tools, c.env.AppName, why.Message); err != nil {
			return err
		}
	}
	return nil
}

// decide is what is to be done about what GARM has, with the inventory to do it on. It does nothing of it.
func decide(in inputs, before reconcile.Observation) (status.Findings, plan.Inventory) {
	f := status.Findings{Declared: in.declared, Before: before}
	held := unfollowed(in.declared)
	f.Want, f.Conflicts = desired.Build(declarations(in), before.System.Data, in.peer.inventory.Kept(before.State, held)...)
	for _, conflict := range f.Conflicts {
		held[conflict.Application] = true
	}
	inventory := in.peer.inventory.Settle(before.State, f.Want)
	scope := plan.Scope{
		Inventory: inventory, Held: held, Providers: before.Providers, Roll: in.options.RollIdleRunners,
	}
	f.Plan = plan.Diff(before.State, f.Want, scope)
	if f.Plan.Empty() && len(f.Plan.Deferred) == 0 && len(scope.Held) == 0 {
		inventory.TakesOver = false
	}
	return f, inventory
}

func declarations(in inputs) []desired.Declaration {
	var valid []desired.Declaration
	for _, d := range in.declared {
		if d.Valid() {
			valid = append(valid, desired.Declaration{
				Application: d.Application, ScaleSet: d.ScaleSet, PrivateKey: d.Secrets.PrivateKey, Token: d.Secrets.Token, Tmate: in.tmate,
			})
		}
	}
	return valid
}

// unfollowed are the applications that are integrated but declare nothing that can be followed at present; what they declared
// before stays. One that has not published is among them: its leadership may just be moving from unit to unit.
func unfollowed(declared []configurator.Declared) map[string]bool {
	applications := map[string]bool{}
	for _, d := range declared {
		if !d.Valid() {
			applications[d.Application] = true
		}
	}
	return applications
}
