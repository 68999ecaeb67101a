package reconcile

import (
	"context"
	"iter"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/garm-charms/garm-charms/pkg/garmapi"
	"github.com/garm-charms/garm-charms/pkg/plan"
)

// atOnce is how many scale sets GARM is asked to change at a time: it holds no lock while it waits for GitHub, which it
// asks several things for each (GARM runner/scalesets.go). So many may be left half done when GitHub hangs.
const atOnce = 4

// GARM answers before its workers have done what a new or a disabled scale set asks of them, and no route tells when they
// have. Deleted before, it is made anew on GitHub by a worker that comes late (GARM workers/scaleset/scaleset.go,
// ensureScaleSetInGitHub; workers that cannot start are tried again every 5 s), or GARM v0.2.1 crashes on closing a message
// session that GitHub has forgotten (util/github/scalesets/message_sessions.go, DeleteMessageSession).
const (
	settling    = 3 * time.Second // from disabling a scale set to deleting it
	settlingNew = 6 * time.Second // from making or changing one to deleting it
)

// batches are the changes in their order, in parts that consist of one change or of changes to scale sets of which none
// needs a change to another object in its part. A part that deletes scale sets begins with that.
func batches(changes []plan.Change) iter.Seq[[]plan.Change] {
	return func(yield func([]plan.Change) bool) {
		for len(changes) > 0 {
			n := batch(changes)
			before, after := splitAtDelete(changes[:n])
			for _, part := range [][]plan.Change{before, after} {
				if len(part) > 0 && !yield(part) {
					return
				}
			}
			changes = changes[n:]
		}
	}
}

// splitAtDelete parts what is done to scale sets before any of them is deleted from the deletions and what follows them.
func splitAtDelete(changes []plan.Change) (before, after []plan.Change) {
	deleted := map[string]bool{}
	for _, c := range changes {
		deleted[c.Name] = deleted[c.Name] || deletesScaleSet(c)
		if deleted[c.Name] {
			after = append(after, c)
		} else {
			before = append(before, c)
		}
	}
	return before, after
}

func deletesScaleSet(c plan.Change) bool { return c.ScaleSet != nil && c.Verb == plan.Delete }

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
	pause(ctx, a.settlingTime(ctx, changes, time.Now()))
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

// settlingTime is how long to leave GARM alone before those of the changes are made that can be.
func (a *applier) settlingTime(ctx context.Context, changes []plan.Change, now time.Time) (wait time.Duration) {
	for _, c := range changes {
		if deletesScaleSet(c) && a.neededFailed(ctx, c) == nil {
			rest := c.ScaleSet.Changed.Add(settlingNew).Sub(now)
			wait = max(wait, settling, min(rest, settlingNew))
		}
	}
	return wait
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
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
