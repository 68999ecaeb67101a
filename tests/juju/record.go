package juju

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/garm-charms/garm-charms/tests/juju/internal/wire"
)

// LogLine is a line of juju debug-log.
type LogLine struct {
	Time    time.Time `json:"time"`
	Unit    string    `json:"unit"`
	Level   string    `json:"level"`
	Module  string    `json:"module"` // Juju's name of who said it: "unit.garm/0.juju-log", "unit.garm/0.config-changed"
	Message string    `json:"message"`
}

// String is the line as juju debug-log shows it.
func (l LogLine) String() string {
	return fmt.Sprintf("unit-%s: %s %s %s %s", strings.ReplaceAll(l.Unit, "/", "-"), l.Time.Format("15:04:05"), l.Level, l.Module, l.Message)
}

// Hook is one run of a hook or action, in a unit's history.
type Hook struct {
	// Name is that of the hook ("config-changed"); actions are "actions/<name>".
	Name string
	// Remote is the unit, or else the application, that a relation hook is about.
	Remote string
	// Error says how it failed, empty when it ended well.
	Error string
	Start time.Time
	End   time.Time // zero while it runs
}

// String names the hook and what it is about.
func (h Hook) String() string {
	return strings.TrimSpace(h.Name + " " + h.Remote)
}

// Call is one call of a hook tool, as the charm made it.
type Call struct {
	Unit string
	Hook string
	Args []string // the tool's name first
	Code int      // exit code
}

// record keeps what happened.
type record struct {
	out io.Writer

	mu       sync.Mutex
	lines    []LogLine
	hooks    map[string][]Hook
	calls    []Call
	failures []error
}

func (r *record) add(l LogLine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, l)
	if r.out != nil {
		fmt.Fprintln(r.out, l)
	}
}

func (r *record) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, err)
}

// firstFailure is the first thing that went wrong in the machinery itself.
func (r *record) firstFailure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.failures) > 0 {
		return r.failures[0]
	}
	return nil
}

func (r *record) started(unit string, h Hook) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hooks == nil {
		r.hooks = map[string][]Hook{}
	}
	r.hooks[unit] = append(r.hooks[unit], h)
}

// ended completes the run that started last; a hook that the charm does not have never was.
func (r *record) ended(unit string, h wire.Hook) {
	r.mu.Lock()
	defer r.mu.Unlock()
	hooks := r.hooks[unit]
	last := len(hooks) - 1
	if h.Missing {
		r.hooks[unit] = hooks[:last]
		return
	}
	hooks[last].End, hooks[last].Error = h.End, h.Error
}

// DebugLog lists all lines of all units' logs: juju-log and what hooks write to stderr (module unit.<name>.<hook>, level
// WARNING) or stdout (DEBUG), the agents' own, and the output of workload containers (module container.<name>).
func (m *Model) DebugLog() []LogLine {
	m.log.mu.Lock()
	defer m.log.mu.Unlock()
	return slices.Clone(m.log.lines)
}

// Hooks lists the hooks and actions that a unit has run, those of its former pods included.
func (m *Model) Hooks(unit string) []Hook {
	m.log.mu.Lock()
	defer m.log.mu.Unlock()
	return slices.Clone(m.log.hooks[unit])
}

// Calls lists the hook tools' calls of all units.
func (m *Model) Calls() []Call {
	m.log.mu.Lock()
	defer m.log.mu.Unlock()
	return slices.Clone(m.log.calls)
}

// bench is what an agent tells of (api.Bench).
type bench struct {
	log *record
	pod *pod
	m   *Model
}

// HookStarted implements api.Bench.
func (b *bench) HookStarted(unit string, h wire.Hook) {
	b.log.started(unit, Hook{Name: h.Name, Remote: h.Remote, Start: h.Start})
}

// HookEnded implements api.Bench.
func (b *bench) HookEnded(unit string, h wire.Hook) {
	b.log.ended(unit, h)
	if h.Name != "start" || h.Error != "" {
		return
	}
	b.pod.mu.Lock()
	b.pod.started = true
	b.pod.mu.Unlock()
	b.m.touch()
}

// ToolCalled implements api.Bench.
func (b *bench) ToolCalled(unit string, c wire.Call) {
	b.log.mu.Lock()
	defer b.log.mu.Unlock()
	b.log.calls = append(b.log.calls, Call{Unit: unit, Hook: c.Hook, Args: c.Args, Code: c.Code})
}

// Logged implements api.Bench.
func (b *bench) Logged(unit string, l wire.Line) {
	b.log.add(LogLine{Time: l.Time, Unit: unit, Level: l.Level, Module: l.Module, Message: l.Message})
}

// ReadyPolled implements api.Bench.
func (b *bench) ReadyPolled(_ string, boot wire.Boot) {
	b.pod.mu.Lock()
	defer b.pod.mu.Unlock()
	b.pod.boots[boot.Container] = boot.ID
}

// lineWriter makes log lines of a process' output.
type lineWriter struct {
	log          *record
	unit, module string

	mu   sync.Mutex
	rest []byte
}

// Write implements io.Writer.
func (w *lineWriter) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, text...)
	for {
		line, rest, whole := bytes.Cut(w.rest, []byte("\n"))
		if !whole {
			return len(text), nil
		}
		w.log.add(LogLine{Time: time.Now(), Unit: w.unit, Level: "INFO", Module: w.module, Message: string(line)})
		w.rest = rest
	}
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// split takes a unit's name apart.
func split(unit string) (application string, number int) {
	application, n, _ := strings.Cut(unit, "/")
	number, _ = strconv.Atoi(n) // the model makes the names
	return application, number
}
