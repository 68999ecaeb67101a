package lab

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/garm-charms/garm-charms/tests/bed"
	"github.com/garm-charms/garm-charms/tests/juju"
)

// teller prints the story as it happens and keeps count of what was checked.
type teller struct {
	*bed.Bed

	dir     string
	out     io.Writer
	checks  []check
	chapter int
}

type check struct {
	what string
	true bool
}

func (t *teller) heading(text string) {
	t.chapter++
	fmt.Fprintf(t.out, "\n%d. %s\n\n", t.chapter, text)
}

func (t *teller) say(format string, args ...any) { fmt.Fprintf(t.out, "   "+format+"\n", args...) }

// quote shows text that something else printed, indented.
func (t *teller) quote(text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		fmt.Fprintf(t.out, "   | %s\n", strings.TrimRight(line, "\n"))
	}
}

func (t *teller) typed(line string) { fmt.Fprintf(t.out, "   $ %s\n", line) }

// check notes whether something is so; the story goes on either way and ends in the summary.
func (t *teller) check(what string, isTrue bool) {
	t.checks = append(t.checks, check{what, isTrue})
	verdict := "ok  "
	if !isTrue {
		verdict = "FAIL"
	}
	t.say("%s %s", verdict, what)
}

// summary lists what was checked; its error is the number of checks that failed.
func (t *teller) summary() error {
	failed := 0
	for _, c := range t.checks {
		if !c.true {
			failed++
			t.say("not so: %s", c.what)
		}
	}
	t.say("%d of %d checks hold", len(t.checks)-failed, len(t.checks))
	if failed > 0 {
		return fmt.Errorf("cannot vouch for the charms: %d of %d checks failed", failed, len(t.checks))
	}
	return nil
}

// settle waits until a target is active with a message that matches, and shows on the way how the statuses change.
func (t *teller) settle(ctx context.Context, target, message string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	watching, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.watch(watching)
	}()
	err := t.WaitStatus(ctx, target, "active", message, nil)
	stop()
	<-done
	return err
}

func (t *teller) watch(ctx context.Context) {
	seen := map[string]string{}
	for {
		status, err := t.Model.Status(ctx)
		if err == nil {
			t.showChanges(status, seen)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(300 * time.Millisecond):
		}
	}
}

func (t *teller) showChanges(status juju.Status, seen map[string]string) {
	for _, application := range slices.Sorted(maps.Keys(status.Applications)) {
		units := status.Applications[application].Units
		for _, name := range slices.Sorted(maps.Keys(units)) {
			text := fmt.Sprintf("%-12s %s", units[name].Status, units[name].Message)
			if seen[name] != text {
				seen[name] = text
				t.say("%-10s %s", name, text)
			}
		}
	}
}
