package reconcile

import (
	"context"
	"iter"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/garm-charms/garm-charms/pkg/garmapi"
	"github.com/garm-charms/garm-charms/pkg/plan"
)

// atOnce is how many scale sets GARM is asked to change at a time: it holds no lock while it waits for GitHub, which it
// asks several things for each (GARM runner/scalesets.go). So many may be left half done when GitHub hangs.
const atOnce = 4

// batches are the changes in their order, in parts that consist of one change or of changes to scale sets of which none
// needs a change to another object in its part.
func batches(changes []plan.Change) iter.Seq[[]plan.Change] {
	return func(yield func([]plan.Change) bool) {
		for len(changes) > 0 {
			n := batch(changes)
			if !yield(changes[:n]) {
				return
			}
			changes = changes[n:]
		}
	}
}

// batch is the length of the first part.
func batch(changes []plan.Change) int {
	names := map[string]bool{}
	for i, c := range changes {
		waits := func(name string) bool { return name != c.Name && names[name] }
		if c.ScaleSet == nil || slices.ContainsFunc(c.Needs, waits) {
			return max(i, 1)
		}
		names[c.Name] = true
	}
	return len(changes)
}

// applyAll carries out the changes of one batch; those to one object one after another.
func (a *applier) applyAll(ctx context.Context, changes []plan.Change) []Outcome {
	outcomes := make([]Outcome, len(changes))
	var order []string
	ofObject := map[string][]int{}
	for i, c := range changes {
		if ofObject[c.Name] == nil {
			order = append(order, c.Name)
		}
		ofObject[c.Name] = append(ofObject[c.Name], i)
	}
	var objects errgroup.Group
	objects.SetLimit(atOnce)
	for _, name := range order {
		objects.Go(func() error {
			for _, i := range ofObject[name] {
				outcomes[i] = Outcome{Change: changes[i], Err: a.apply(ctx, changes[i])}
			}
			return nil
		})
	}
	_ = objects.Wait() // the outcomes have the errors
	for _, o := range outcomes {
		a.note(ctx, o)
	}
	return outcomes
}

func (a *applier) note(ctx context.Context, o Outcome) {
	if o.Err != nil {
		a.log.WarnContext(ctx, "cannot "+o.String(), "error", o.Err)
		return
	}
	a.log.InfoContext(ctx, o.String())
}

func (a *applier) apply(ctx context.Context, c plan.Change) error {
	err := a.neededFailed(ctx, c)
	if err == nil {
		err = a.dispatch(context.WithoutCancel(ctx), c)
	}
	if err != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.failed[c.Name] = true
		a.hanging = a.hanging || garmapi.IsTimeout(err)
	}
	return err
}

func (a *applier) neededFailed(ctx context.Context, c plan.Change) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.hanging:
		return &SkippedError{Needed: "an answer from GARM"}
	case ctx.Err() != nil:
		return &SkippedError{Needed: "time; the next event goes on"}
	}
	i := slices.IndexFunc(c.Needs, func(name string) bool { return a.failed[name] })
	if i < 0 {
		return nil
	}
	return &SkippedError{Needed: c.Needs[i]}
}
