// Package lab tells the charms' story in a terminal, on the test bed: what an operator types, what becomes of it, and what
// a runner that boots has got.
//
// It checks what it tells: its error says what was not true.
package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/garm-charms/garm-charms/tests/bed"
	"github.com/garm-charms/garm-charms/tests/parts"
	"github.com/garm-charms/garm-charms/tests/sandbox"
)

// ExitError carries the exit code of the story, which a process in a world of its own has told already.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("the story ended with exit code %d", e.Code) }

// Run carries out `lab demo` or `lab lab`.
func Run(args []string, in io.Reader, out io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	stories := map[string]func(context.Context, *teller) error{
		"demo": demo,
		"lab":  func(ctx context.Context, t *teller) error { return prompt(ctx, t, in) },
	}
	if len(args) != 1 || stories[args[0]] == nil {
		return fmt.Errorf("cannot run lab %v: it takes one word, demo or lab", args)
	}
	// Built before the world is entered, where the network ends.
	built, err := bed.Build(parts.WithProgress(ctx, out))
	if err != nil {
		return err
	}
	door, err := openDoor()
	if err != nil {
		return err
	}
	if code, inside := sandbox.World(door); !inside {
		if code != 0 {
			return &ExitError{Code: code}
		}
		return nil
	}
	return tell(ctx, stories[args[0]], built, out)
}

func tell(ctx context.Context, story func(context.Context, *teller) error, built bed.Built, out io.Writer) error {
	dir, err := os.MkdirTemp("", "lab")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b, err := bed.New(ctx, bed.Config{Dir: dir, Number: 1, Built: built})
	if err != nil {
		return err
	}
	t := &teller{Bed: b, dir: dir, out: out}
	err = story(ctx, t)
	if closeErr := b.Close(); err == nil {
		err = closeErr
	}
	return err
}
