package bed

import (
	"context"
	"encoding/json"
	"os"

	"github.com/garm-charms/garm-charms/tests/juju"
	"github.com/garm-charms/garm-charms/tests/parts"
)

// Built is every program that a bed runs, by path.
type Built struct {
	Pebble    string
	HookTools string
	// Charms are both packed charms by name.
	Charms map[string]string
}

// builtName is the environment variable that hands what was built on to the program's own process in a world.
const builtName = "BED_BUILT"

// Build builds everything that a bed needs, so that it can go on in a world, where there is no network. A call in the world
// returns what the call before it built.
func Build(ctx context.Context) (b Built, err error) {
	if known := os.Getenv(builtName); known != "" {
		err := json.Unmarshal([]byte(known), &b)
		return b, err
	}
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) (err error) { b.Charms, err = parts.Charms(ctx); return err },
		func(ctx context.Context) (err error) { b.Pebble, err = parts.Pebble(ctx); return err },
		func(ctx context.Context) (err error) { b.HookTools, err = juju.HookTools(ctx); return err },
		func(ctx context.Context) error { _, err := parts.GARM(ctx); return err },
		func(ctx context.Context) error { _, err := parts.Provider(ctx); return err },
	} {
		if err := step(ctx); err != nil {
			return Built{}, err
		}
	}
	known, err := json.Marshal(b)
	if err != nil {
		return Built{}, err
	}
	return b, os.Setenv(builtName, string(known))
}
