package garm

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/garm-charms/garm-charms/pkg/hook"
)

// tools are hook tools that answer by the beginning of the command line, and otherwise say nothing.
type tools struct {
	answers map[string]string
	fails   map[string]error

	mu    sync.Mutex
	calls []string
}

// Run implements hook.Runner.
func (s *tools) Run(_ context.Context, call hook.Call) ([]byte, error) {
	line := strings.Join(append([]string{call.Tool}, call.Args...), " ") + string(call.Stdin)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, line)
	for start, err := range s.fails {
		if strings.HasPrefix(line, start) {
			return nil, err
		}
	}
	for start, answer := range s.answers {
		if strings.HasPrefix(line, start) {
			return []byte(answer), nil
		}
	}
	return nil, nil
}

// called is how often the command line began so.
func (s *tools) called(start string) (times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(s.calls), func(line string) bool { return !strings.HasPrefix(line, start) }))
}

// charmWith is a unit garm/0 without a workload container.
func charmWith(t *testing.T, tools *tools) charm {
	t.Helper()
	env := hook.Env{UnitName: "garm/0", AppName: "garm", CharmDir: t.TempDir()}
	return charm{env: env, tools: hook.NewTools(env, tools), log: slog.New(slog.DiscardHandler)}
}
