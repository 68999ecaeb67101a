package hook_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

func TestLog(t *testing.T) {
	t.Parallel()
	for want, log := range map[string]func(*slog.Logger){
		"juju-log --log-level INFO -- updated scale set name=small why=\"max-runner 2 -> 4\"": func(logger *slog.Logger) {
			logger.Info("updated scale set", "name", "small", "why", "max-runner 2 -> 4")
		},
		"juju-log --log-level DEBUG -- - begins with a dash": func(logger *slog.Logger) { logger.Debug("- begins with a dash") },
		"juju-log --log-level WARNING -- w time=1 level=2 msg=3": func(logger *slog.Logger) {
			logger.Warn("w", "time", 1, "level", 2, "msg", 3)
		},
		"juju-log --log-level ERROR -- e unit=garm/0 request.error=boom": func(logger *slog.Logger) {
			logger.With("unit", "garm/0").WithGroup("request").Error("e", "error", errors.New("boom"))
		},
		"juju-log --log-level INFO -- bad name=\"a\\nb\"": func(logger *slog.Logger) { logger.Info("bad", "name", "a\nb") },
		"juju-log --log-level INFO -- login password=[redacted]": func(logger *slog.Logger) {
			logger.Info("login", "password", secret.New("hunter2"))
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			fake := newTools(t, nil)
			log(slog.New(hook.NewLogHandler(fake.runner(), slog.LevelDebug)))
			assert.Equal(t, []string{want}, fake.commandLines())
		})
	}
}

func TestLogRecordsStandAlone(t *testing.T) {
	t.Parallel()
	fake := newTools(t, nil)
	logger := slog.New(hook.NewLogHandler(fake.runner(), slog.LevelInfo))

	logger.Info("first", "a", 1)
	logger.With("b", 2).Info("second")

	assert.Equal(t, []string{"juju-log --log-level INFO -- first a=1", "juju-log --log-level INFO -- second b=2"}, fake.commandLines())
}

func TestLogLevel(t *testing.T) {
	t.Parallel()
	fake := newTools(t, nil)
	slog.New(hook.NewLogHandler(fake.runner(), slog.LevelInfo)).Debug("not wanted")
	assert.Empty(t, fake.calls())
}

func TestLogAfterTheDeadline(t *testing.T) {
	t.Parallel()
	fake := newTools(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	slog.New(hook.NewLogHandler(fake.runner(), slog.LevelInfo)).ErrorContext(ctx, "out of time")

	require.Equal(t, []string{"juju-log --log-level ERROR -- out of time"}, fake.commandLines())
}
