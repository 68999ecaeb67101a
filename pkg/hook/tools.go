package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Tools are the hook tools of one dispatch. Configuration and leadership are asked of Juju once, at first use.
// Tools are safe for concurrent use: Juju runs one at a time, but starting the process of one takes longer than that.
type Tools struct {
	runner     Runner
	secretsDir string
	modelUUID  string
	config     once[map[string]any]
	leader     once[bool]
}

// once keeps what was read without an error.
type once[T any] struct {
	mu    sync.Mutex
	known bool
	value T
}

func (o *once[T]) get(read func() (T, error)) (T, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known {
		return o.value, nil
	}
	value, err := read()
	o.value, o.known = value, err == nil
	return value, err
}

// NewTools returns the tools of the dispatch that env describes.
func NewTools(env Env, runner Runner) *Tools {
	return &Tools{runner: runner, secretsDir: env.CharmDir, modelUUID: env.ModelUUID}
}

// Config returns the application's options that have a value or a default, as string, bool, int or float64.
func (t *Tools) Config(ctx context.Context) (map[string]any, error) {
	config, err := t.config.get(func() (map[string]any, error) { return t.readMap(ctx, "config-get", "--format=json") })
	if err != nil {
		return nil, fmt.Errorf("cannot read configuration: %w", err)
	}
	return maps.Clone(config), nil
}

// IsLeader says whether this unit leads its application. Juju guarantees a yes for 30 s.
func (t *Tools) IsLeader(ctx context.Context) (bool, error) {
	leader, err := t.leader.get(func() (leader bool, err error) {
		err = t.read(ctx, &leader, "is-leader", "--format=json")
		return leader, err
	})
	if err != nil {
		return false, fmt.Errorf("cannot read leadership: %w", err)
	}
	return leader, nil
}

// Leaves tells whether a unit is going to be removed while another one of its application stays. Juju says so by no event: it ends
// every relation of such a unit as if the relation itself were removed (Juju worker/uniter/relation/resolver.go), while the unit
// may still lead.
func (t *Tools) Leaves(ctx context.Context, unit string) (bool, error) {
	var goal struct {
		Units map[string]struct {
			Status string `json:"status"` // "dying", or else the workload's (Juju apiserver/facades/agent/uniter, goalStateUnits)
		} `json:"units"`
	}
	if err := t.read(ctx, &goal, "goal-state", "--format=json"); err != nil {
		return false, fmt.Errorf("cannot read which units stay: %w", err)
	}
	const dying = "dying"
	own := goal.Units[unit].Status
	stays := false
	for _, unit := range goal.Units {
		stays = stays || unit.Status != dying
	}
	return own == dying && stays, nil
}

// StatusLevel is the word before the message in `juju status`.
type StatusLevel string

// The levels a charm may set (worker/uniter/runner/jujuc/status-set.go).
const (
	Active      StatusLevel = "active"
	Waiting     StatusLevel = "waiting"
	Maintenance StatusLevel = "maintenance"
	Blocked     StatusLevel = "blocked"
)

// Status is what `juju status` shows of a unit or an application, and what status-get prints of it.
type Status struct {
	Level   StatusLevel `json:"status"`
	Message string      `json:"message"`
}

// longestLine is in runes.
const longestLine = 500

// Line is a text, which may be anybody's, as one line of a status: what cannot be printed becomes a space, and the end of a long
// one is left out.
func Line(text string) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
	line := []rune(strings.Join(words, " "))
	if len(line) <= longestLine {
		return string(line)
	}
	return string(line[:longestLine]) + "…"
}

// UnitStatus returns what this unit's status was last set to, by the charm or, before its first, by Juju.
func (t *Tools) UnitStatus(ctx context.Context) (Status, error) {
	var said Status
	if err := t.read(ctx, &said, "status-get", "--include-data", "--format=json"); err != nil {
		return Status{}, fmt.Errorf("cannot read unit status: %w", err)
	}
	return said, nil
}

// SetStatus sets this unit's status. Juju shows it at once, whether or not the hook succeeds.
func (t *Tools) SetStatus(ctx context.Context, status Status) error {
	if err := t.run(ctx, "status-set", "--", string(status.Level), argText(status.Message)); err != nil {
		return fmt.Errorf("cannot set unit status: %w", err)
	}
	return nil
}

// SetApplicationStatus sets the application's status; only the leader may.
func (t *Tools) SetApplicationStatus(ctx context.Context, status Status) error {
	if err := t.run(ctx, "status-set", "--application", "--", string(status.Level), argText(status.Message)); err != nil {
		return fmt.Errorf("cannot set application status: %w", err)
	}
	return nil
}

// Announce sets this unit's status and, if the unit leads, the application's, side by side: without it Juju would go on
// showing the application's old one.
func (t *Tools) Announce(ctx context.Context, status Status) error {
	leader, err := t.IsLeader(ctx)
	if err != nil {
		return err
	}
	var application error
	var done sync.WaitGroup
	if leader {
		done.Go(func() {
			application = t.SetApplicationStatus(ctx, status)
			if errors.Is(application, ErrNotLeader) {
				application = nil // leadership moved meanwhile: it is the other unit's to say
			}
		})
	}
	unit := t.SetStatus(ctx, status)
	done.Wait()
	return errors.Join(unit, application)
}

// SetWorkloadVersion sets what `juju status` shows in the column Version.
func (t *Tools) SetWorkloadVersion(ctx context.Context, version string) error {
	if err := t.run(ctx, "application-version-set", "--", argText(version)); err != nil {
		return fmt.Errorf("cannot set workload version: %w", err)
	}
	return nil
}

func (t *Tools) run(ctx context.Context, tool string, args ...string) error {
	_, err := t.runner.Run(ctx, Call{Tool: tool, Args: args})
	return err
}

// read decodes the JSON that the tool prints.
func (t *Tools) read(ctx context.Context, into any, tool string, args ...string) error {
	stdout, err := t.runner.Run(ctx, Call{Tool: tool, Args: args})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(stdout, into); err != nil {
		return fmt.Errorf("cannot decode output of %s: %w", tool, err)
	}
	return nil
}

// readMap decodes an object whose whole numbers become int.
func (t *Tools) readMap(ctx context.Context, tool string, args ...string) (map[string]any, error) {
	stdout, err := t.runner.Run(ctx, Call{Tool: tool, Args: args})
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(stdout))
	decoder.UseNumber()
	values := map[string]any{}
	if err := decoder.Decode(&values); err != nil {
		return nil, fmt.Errorf("cannot decode output of %s: %w", tool, err)
	}
	for key, value := range values {
		if number, ok := value.(json.Number); ok {
			if values[key], err = plainNumber(number); err != nil {
				return nil, fmt.Errorf("cannot decode output of %s: %w", tool, err)
			}
		}
	}
	return values, nil
}

func plainNumber(number json.Number) (any, error) {
	if whole, err := number.Int64(); err == nil {
		return int(whole), nil
	}
	return number.Float64()
}

// argLimit is below the kernel's 131071 bytes for one argument (MAX_ARG_STRLEN).
const argLimit = 128_000

// argText fits text for people into an argument: no NUL byte, and cut to argLimit.
func argText(text string) string {
	const cut = " […]"
	text = strings.ReplaceAll(text, "\x00", "�")
	if len(text) <= argLimit {
		return text
	}
	end := argLimit - len(cut)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + cut
}
