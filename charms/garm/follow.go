package garm

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/configurator"
	"github.com/garm-charms/garm-charms/pkg/plan"
	"github.com/garm-charms/garm-charms/pkg/reconcile"
	"github.com/garm-charms/garm-charms/pkg/status"
)

const (
	peerEndpoint = "secret-storage"
	inventoryKey = "inventory" // in the application's databag of the peer relation
)

// peer is the charm's memory between hooks.
type peer struct {
	id        string // empty while there is no peer relation
	inventory plan.Inventory
	text      string // the inventory as it is stored
}

func (c charm) readPeer(ctx context.Context) (peer, error) {
	relations, err := c.tools.Relations(ctx, peerEndpoint)
	if err != nil || len(relations) == 0 {
		return peer{}, err
	}
	bag, err := c.tools.Databag(ctx, relations[0].ID, c.env.AppName)
	if err != nil {
		return peer{}, err
	}
	p := peer{id: relations[0].ID, text: bag[inventoryKey]}
	if p.text == "" {
		return p, nil
	}
	if err := json.Unmarshal([]byte(p.text), &p.inventory); err != nil {
		return peer{}, fmt.Errorf("cannot decode the inventory in the peer relation: %w", err)
	}
	return p, nil
}

func (c charm) writeInventory(ctx context.Context, p peer, inventory plan.Inventory) error {
	text, err := json.Marshal(inventory)
	if err != nil {
		return fmt.Errorf("cannot encode the inventory: %w", err)
	}
	if string(text) == p.text {
		return nil
	}
	return c.tools.SetAppDatabag(ctx, p.id, map[string]string{inventoryKey: string(text)})
}

// follow brings GARM to what is declared and answers every configurator.
func (c charm) follow(ctx context.Context, in inputs) (hook.Status, *status.Findings, error) {
	before, err := reconcile.Observe(ctx, c.garm)
	if err != nil {
		return status.Unreachable(err), nil, nil
	}
	f, inventory := decide(in, before)
	f.Report = reconcile.Apply(ctx, c.garm, before, f.Plan, inventory, c.log)
	if err := c.writeInventory(ctx, in.peer, f.Report.Inventory); err != nil {
		return hook.Status{}, nil, err
	}
	answers := f.Judge()
	for _, d := range in.declared {
		if err := d.Respond(ctx, c.tools, c.env.AppName, answers[d.RelationID]); err != nil {
			return hook.Status{}, nil, err
		}
	}
	return f.Summary(answers), &f, nil
}

// decide is what is to be done about what GARM has, with the inventory to do it on. It does nothing of it.
func decide(in inputs, before reconcile.Observation) (status.Findings, plan.Inventory) {
	f := status.Findings{Declared: in.declared, Before: before}
	f.Want, f.Conflicts = desired.Build(declarations(in.declared), before.System.Data)
	inventory := in.peer.inventory.Settle(before.State, f.Want)
	f.Plan = plan.Diff(before.State, f.Want, plan.Scope{
		Inventory: inventory,
		Held:      held(in.declared, f.Conflicts),
		Providers: before.Providers,
	})
	return f, inventory
}

func declarations(declared []configurator.Declared) []desired.Declaration {
	var valid []desired.Declaration
	for _, d := range declared {
		if d.Valid() {
			valid = append(valid, desired.Declaration{Application: d.Application, ScaleSet: d.ScaleSet, PrivateKey: d.Secrets.PrivateKey})
		}
	}
	return valid
}

// held are the applications that are integrated but declare nothing that can be followed at present; what they declared
// before stays. One that has not published is among them: its leadership may just be moving from unit to unit.
func held(declared []configurator.Declared, conflicts []desired.Conflict) map[string]bool {
	applications := map[string]bool{}
	for _, d := range declared {
		if !d.Valid() {
			applications[d.Application] = true
		}
	}
	for _, conflict := range conflicts {
		applications[conflict.Application] = true
	}
	return applications
}
