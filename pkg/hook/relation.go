package hook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"
)

// Relation is one relation of an endpoint, as this unit sees it.
type Relation struct {
	ID    string   // as the tools take it: "garm-configurator:4"
	App   string   // the remote application; this unit's own for a peer relation
	Units []string // remote units that joined, sorted
}

// atOnce is how many hook tools are run side by side for a list of which nobody knows the length.
const atOnce = 8

// RelationIDs lists the IDs of an endpoint's relations, sorted. See [Tools.Relations].
func (t *Tools) RelationIDs(ctx context.Context, endpoint string) ([]string, error) {
	var ids []string
	if err := t.read(ctx, &ids, "relation-ids", "--format=json", "--", endpoint); err != nil {
		return nil, fmt.Errorf("cannot list relations of endpoint %s: %w", endpoint, err)
	}
	slices.SortFunc(ids, compareRelationIDs)
	return ids, nil
}

// Relations lists the relations of an endpoint, sorted by id. In relation-broken the broken one is still among them,
// without units: compare its ID with [Event.RelationID].
func (t *Tools) Relations(ctx context.Context, endpoint string) ([]Relation, error) {
	ids, err := t.RelationIDs(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	relations := make([]Relation, len(ids))
	var reads errgroup.Group
	reads.SetLimit(atOnce)
	for i, id := range ids {
		reads.Go(func() (err error) {
			relations[i], err = t.relation(ctx, id)
			if errors.Is(err, ErrRelationGone) {
				return nil
			}
			return err
		})
	}
	if err := reads.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(relations, func(r Relation) bool { return r.ID == "" }), nil
}

// Members lists the remote units that joined a relation, or the other units of a peer relation, sorted.
func (t *Tools) Members(ctx context.Context, relationID string) ([]string, error) {
	var units []string
	if err := t.read(ctx, &units, "relation-list", "--format=json", "-r", relationID); err != nil {
		return nil, fmt.Errorf("cannot list members of relation %s: %w", relationID, err)
	}
	slices.Sort(units)
	return units, nil
}

func (t *Tools) relation(ctx context.Context, id string) (Relation, error) {
	units, err := t.Members(ctx, id)
	if err != nil {
		return Relation{}, err
	}
	if len(units) > 0 {
		app, _, _ := strings.Cut(units[0], "/")
		return Relation{ID: id, App: app, Units: units}, nil
	}
	var app string
	if err := t.read(ctx, &app, "relation-list", "--format=json", "--app", "-r", id); err != nil {
		return Relation{}, fmt.Errorf("cannot find the application of relation %s: %w", id, err)
	}
	return Relation{ID: id, App: app}, nil
}

// compareRelationIDs orders "x:9" before "x:10".
func compareRelationIDs(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// Databag returns the databag of owner, a unit ("garm/0") or an application ("garm"), in a relation.
// Writes of this dispatch to an own databag are seen. Units that do not lead may not read their own
// application's databag: that is [ErrPermission], except in a peer relation.
func (t *Tools) Databag(ctx context.Context, relationID, owner string) (map[string]string, error) {
	args := []string{"--format=json", "-r", relationID, "--", "-", owner}
	if !strings.Contains(owner, "/") {
		args = slices.Insert(args, 1, "--app")
	}
	databag := map[string]string{}
	if err := t.read(ctx, &databag, "relation-get", args...); err != nil {
		return nil, fmt.Errorf("cannot read databag of %s in relation %s: %w", owner, relationID, err)
	}
	return databag, nil
}

// SetUnitDatabag writes the given keys of this unit's databag; an empty value removes its key.
// Juju commits it when the hook succeeds.
func (t *Tools) SetUnitDatabag(ctx context.Context, relationID string, changes map[string]string) error {
	return t.setDatabag(ctx, relationID, changes)
}

// SetAppDatabag is [Tools.SetUnitDatabag] for the application's databag; only the leader may.
func (t *Tools) SetAppDatabag(ctx context.Context, relationID string, changes map[string]string) error {
	return t.setDatabag(ctx, relationID, changes, "--app")
}

// Changes is what of want a databag does not say yet; an absent key says the same as an empty value.
func Changes(have, want map[string]string) map[string]string {
	changes := maps.Clone(want)
	maps.DeleteFunc(changes, func(key, value string) bool { return have[key] == value })
	return changes
}

func (t *Tools) setDatabag(ctx context.Context, relationID string, changes map[string]string, flags ...string) error {
	if len(changes) == 0 {
		return nil
	}
	stdin, err := databagYAML(changes)
	if err != nil {
		return fmt.Errorf("cannot write databag of relation %s: %w", relationID, err)
	}
	args := append([]string{"-r", relationID, "--file", "-"}, flags...)
	if _, err := t.runner.Run(ctx, Call{Tool: "relation-set", Args: args, Stdin: stdin}); err != nil {
		return fmt.Errorf("cannot write databag of relation %s: %w", relationID, err)
	}
	return nil
}

// databagYAML writes a YAML flow mapping, one key a line. JSON would do, but for two things YAML does not take: surrogate
// pairs, and control characters such as DEL unescaped. Every escape that [strconv.Quote] uses is one of YAML's.
func databagYAML(values map[string]string) ([]byte, error) {
	out := []byte("{\n")
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !utf8.ValidString(key) || !utf8.ValidString(values[key]) {
			return nil, fmt.Errorf("cannot encode %q: it is not UTF-8", key)
		}
		out = strconv.AppendQuote(out, key)
		out = append(out, ": "...)
		out = strconv.AppendQuote(out, values[key])
		out = append(out, ",\n"...)
	}
	return append(out, "}\n"...), nil
}
