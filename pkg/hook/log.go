package hook

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// logTimeout bounds one juju-log, which must still work when the hook's own time is over.
const logTimeout = 5 * time.Second

// logHandler writes each record with one juju-log.
type logHandler struct {
	runner Runner
	buffer *logBuffer
	attrs  slog.Handler // writes to buffer
}

type logBuffer struct {
	sync.Mutex
	bytes.Buffer
}

// NewLogHandler returns a handler that writes records of at least that level to Juju's log, as the message followed by
// its attributes as key=value.
func NewLogHandler(runner Runner, level slog.Leveler) slog.Handler {
	buffer := &logBuffer{}
	return &logHandler{
		runner: runner,
		buffer: buffer,
		attrs:  slog.NewTextHandler(buffer, &slog.HandlerOptions{Level: level}),
	}
}

func (h *logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.attrs.Enabled(ctx, level)
}

func (h *logHandler) Handle(ctx context.Context, record slog.Record) error {
	attrs, err := h.formatAttrs(ctx, record)
	if err != nil {
		return err
	}
	message := strings.TrimSpace(record.Message + attrs)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logTimeout)
	defer cancel()
	_, err = h.runner.Run(ctx, Call{Tool: "juju-log", Args: []string{"--log-level", jujuLevel(record.Level), "--", argText(message)}})
	return err
}

// formatAttrs returns " key=value …". Without a time, the text handler begins with the level and the message.
func (h *logHandler) formatAttrs(ctx context.Context, record slog.Record) (string, error) {
	record.Time = time.Time{}
	record.Message = ""
	h.buffer.Lock()
	defer h.buffer.Unlock()
	h.buffer.Reset()
	if err := h.attrs.Handle(ctx, record); err != nil {
		return "", err
	}
	_, attrs, _ := strings.Cut(h.buffer.String(), ` msg=""`)
	return attrs, nil
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{runner: h.runner, buffer: h.buffer, attrs: h.attrs.WithAttrs(attrs)}
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{runner: h.runner, buffer: h.buffer, attrs: h.attrs.WithGroup(name)}
}

func jujuLevel(level slog.Level) string {
	switch {
	case level < slog.LevelInfo:
		return "DEBUG"
	case level < slog.LevelWarn:
		return "INFO"
	case level < slog.LevelError:
		return "WARNING"
	}
	return "ERROR"
}
