package hook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ActionParams returns the parameters of the action; values are what their JSON is, whole numbers int.
func (t *Tools) ActionParams(ctx context.Context) (map[string]any, error) {
	params, err := t.readMap(ctx, "action-get", "--format=json")
	if err != nil {
		return nil, fmt.Errorf("cannot read action parameters: %w", err)
	}
	return params, nil
}

// ErrResultTooLong says that an action's result cannot be handed over whole.
var ErrResultTooLong = errors.New("longer than an action can return")

// SetActionResults adds results to the action. A dot in a key nests it; each part is lower-case letters, digits and
// hyphens. The tool takes results as arguments only: they are visible in /proc of the charm's container, and one may
// not be longer than 128,000 bytes with its key: see [ErrResultTooLong].
func (t *Tools) SetActionResults(ctx context.Context, results map[string]string) error {
	args := []string{"--"}
	for _, key := range slices.Sorted(maps.Keys(results)) {
		arg := key + "=" + results[key]
		if len(arg) > argLimit {
			return fmt.Errorf("cannot set action result %s: it has %d bytes, %w", key, len(results[key]), ErrResultTooLong)
		}
		if strings.Contains(arg, "\x00") {
			return fmt.Errorf("cannot set action result %s: it has a NUL byte", key)
		}
		args = append(args, arg)
	}
	if err := t.run(ctx, "action-set", args...); err != nil {
		return fmt.Errorf("cannot set action results: %w", err)
	}
	return nil
}

// LogAction shows the operator who waits for the action a line of progress.
func (t *Tools) LogAction(ctx context.Context, message string) error {
	if err := t.run(ctx, "action-log", "--", argText(message)); err != nil {
		return fmt.Errorf("cannot log action progress: %w", err)
	}
	return nil
}

// FailAction marks the action failed and says why.
func (t *Tools) FailAction(ctx context.Context, reason string) error {
	if err := t.run(ctx, "action-fail", "--", argText(reason)); err != nil {
		return fmt.Errorf("cannot fail action: %w", err)
	}
	return nil
}
