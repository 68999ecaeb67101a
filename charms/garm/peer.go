package garm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/plan"
)

const peerEndpoint = "secret-storage"

// Keys of the application's databag in the peer relation.
const (
	inventoryKey  = "inventory"
	controllerKey = "controller"
	databaseKey   = "database"
	providersKey  = "providers"
	// pythonKey is what the Python charm, which has no inventory, keeps there (paas-charm, for every charm made with it). It
	// stays, so that the Python charm can still be gone back to.
	pythonKey = "go_secret_key"
)

// peer is the charm's memory between hooks.
type peer struct {
	id        string // empty while there is no peer relation
	inventory plan.Inventory
	// controller is the ID of the GARM that the inventory is of: one whose database was lost comes back with another.
	controller string
	database   string // kind of the database that GARM keeps it in
	// providers has a digest of each provider that is kept as a secret, by name.
	providers map[string]string

	units   int               // of the application
	serving map[string]string // where the GARMs of other units listen, as they say, by unit

	bag map[string]string // as it is stored
}

func (c charm) readPeer(ctx context.Context) (peer, error) {
	relations, err := c.tools.RelationIDs(ctx, peerEndpoint)
	if err != nil || len(relations) == 0 {
		return peer{}, err
	}
	var units []string
	var bag map[string]string
	var reads errgroup.Group
	reads.Go(func() (err error) { units, err = c.tools.Members(ctx, relations[0]); return err })
	reads.Go(func() (err error) { bag, err = c.tools.Databag(ctx, relations[0], c.env.AppName); return err })
	if err := reads.Wait(); err != nil {
		return peer{}, err
	}
	p := peer{
		id:         relations[0],
		controller: bag[controllerKey],
		database:   bag[databaseKey],
		providers:  map[string]string{},
		units:      len(units) + 1,
		bag:        bag,
	}
	p.inventory.TakesOver = bag[inventoryKey] == "" && bag[pythonKey] != ""
	if p.serving, err = c.serving(ctx, p.id, units); err != nil {
		return peer{}, err
	}
	for key, into := range map[string]any{inventoryKey: &p.inventory, providersKey: &p.providers} {
		if bag[key] == "" {
			continue
		}
		if err := json.Unmarshal([]byte(bag[key]), into); err != nil {
			return peer{}, fmt.Errorf("cannot decode %s in the peer relation: %w", key, err)
		}
	}
	return p, nil
}

// serving is where the GARMs of other units listen, as they say, by unit.
func (c charm) serving(ctx context.Context, relationID string, units []string) (map[string]string, error) {
	addresses := map[string]string{}
	for _, unit := range units {
		bag, err := c.tools.Databag(ctx, relationID, unit)
		if err != nil && !errors.Is(err, hook.ErrRelationGone) {
			return nil, err
		}
		if bag[servesKey] != "" {
			addresses[unit] = bag[servesKey]
		}
	}
	return addresses, nil
}

// writePeer stores what differs from what is stored.
func (c charm) writePeer(ctx context.Context, p peer) error {
	if p.id == "" {
		return nil
	}
	changes := map[string]string{}
	put := func(key, value string) {
		if p.bag[key] != value {
			changes[key] = value
		}
	}
	put(controllerKey, p.controller)
	put(databaseKey, p.database)
	for key, value := range map[string]any{inventoryKey: p.inventory, providersKey: p.providers} {
		text, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("cannot encode %s for the peer relation: %w", key, err)
		}
		put(key, string(text))
	}
	return c.tools.SetAppDatabag(ctx, p.id, changes)
}

// of makes the memory that of the GARM with that ID: what was remembered of another one says nothing about this one's
// objects, whose IDs begin anew.
func (p *peer) of(controller, database string) {
	if p.controller != "" && p.controller != controller {
		p.inventory = plan.Inventory{}
	}
	p.controller, p.database = controller, database
}
