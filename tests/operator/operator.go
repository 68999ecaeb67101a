// Package operator is who types in scenarios: the juju command, what an operator asks of GARM and of a simulated GitHub, and
// the pages that they follow.
//
// It must not know whether its world is the test bed or a live controller. What only one of them can do is theirs.
package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/garm-charms/garm-charms/tests/github"
	"github.com/garm-charms/garm-charms/tests/juju"
	"github.com/garm-charms/garm-charms/tests/jujucli"
)

// World is a model, as an operator and the time have it.
type World interface {
	jujucli.Driver
	// Settled fails while something may be under way in the model, so that what was seen may not last.
	Settled(ctx context.Context) error
	// Tick returns when a unit has had an update-status that began after the call.
	Tick(ctx context.Context, unit string) error
}

// Operator is a person in front of a World.
type Operator struct {
	World World
	// Dir is where they type: relative paths start there.
	Dir string
	// GitHub is where their runners are for, Enterprise a GitHub Enterprise Server that no image trusts.
	GitHub, Enterprise *github.Server
	// Idle is how many idle runners they want of a scale set: 0 where nothing boots them.
	Idle int
	// Patience is how long they wait for what one command of a scenario waits for.
	Patience time.Duration
	// Module is where paths of pages start, the directory of the module of tests.
	Module string
	// Home keeps what their shell has; its path must be short, since a socket is in it.
	Home string

	page page
}

// Juju is the juju command in this world.
func (o *Operator) Juju(stdout io.Writer) jujucli.Command {
	return jujucli.Command{Driver: o.World, Dir: o.Dir, Stdout: stdout}
}

// Type carries out one juju line without quotes in it and returns what it printed.
func (o *Operator) Type(ctx context.Context, line string, say func(line string)) (string, error) {
	say("juju " + line)
	return o.juju(ctx, strings.Fields(line))
}

// Until tries until it works or the context ends, and then says why it did not work.
func Until(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", err, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// until is Until for as long as the operator has patience.
func (o *Operator) until(ctx context.Context, try func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, o.Patience)
	defer cancel()
	return Until(ctx, func() error { return try(ctx) })
}

// WaitStatus waits until the status and message of a unit or an application match and nothing is left to do in the model,
// so that they last; between two looks it calls nudge, if there is one.
func (o *Operator) WaitStatus(ctx context.Context, target, level, message string, nudge func() error) error {
	pattern, err := regexp.Compile(message)
	if err != nil {
		return err
	}
	return Until(ctx, func() error {
		err := o.is(ctx, target, level, pattern)
		if err == nil {
			// What was seen before the model settled need not be what it settled on.
			if err = o.World.Settled(ctx); err == nil {
				err = o.is(ctx, target, level, pattern)
			}
			return err
		}
		if nudge != nil {
			err = errors.Join(err, nudge())
		}
		return err
	})
}

// is tells whether the status and message of a unit or an application are those.
func (o *Operator) is(ctx context.Context, target, level string, message *regexp.Regexp) error {
	status, err := o.World.Status(ctx)
	if err != nil {
		return err
	}
	have, said, err := statusOf(status, target)
	if err == nil && (have != level || !message.MatchString(said)) {
		err = fmt.Errorf("%s is %s %q, not %s %q", target, have, said, level, message)
	}
	return err
}

// statusOf is the status and message of a unit or of an application.
func statusOf(s juju.Status, target string) (level, message string, err error) {
	application, _, isUnit := strings.Cut(target, "/")
	a, deployed := s.Applications[application]
	if !deployed {
		return "", "", fmt.Errorf("application %s is not deployed", application)
	}
	if !isUnit {
		return a.Status, a.Message, nil
	}
	u, exists := a.Units[target]
	if !exists {
		return "", "", fmt.Errorf("unit %s does not exist", target)
	}
	return u.Status, u.Message, nil
}

// Situation is what a person wants to see when a scenario fails: the model's status and the last lines of its log.
func (o *Operator) Situation(ctx context.Context) string {
	status, err := o.World.Status(ctx)
	if err != nil {
		return err.Error()
	}
	log := o.World.DebugLog()
	var text strings.Builder
	fmt.Fprintln(&text, status)
	for _, line := range log[max(0, len(log)-60):] {
		fmt.Fprintln(&text, line)
	}
	return text.String()
}

// read returns a file of the operator's directory.
func (o *Operator) read(name string) ([]byte, error) { return os.ReadFile(filepath.Join(o.Dir, name)) }

// keep writes a file of the operator's directory.
func (o *Operator) keep(name string, content []byte) error {
	return os.WriteFile(filepath.Join(o.Dir, name), content, 0o600)
}
