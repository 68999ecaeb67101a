package api

import (
	"github.com/juju/juju/rpc/params"

	"github.com/garm-charms/garm-charms/tests/juju/internal/wire"
)

// Recorder is the facade by which an agent tells the bench what happens in it. It is none of Juju's.
type Recorder struct {
	s *Session
}

// HookStarted tells that a hook or action begins.
func (f *Recorder) HookStarted(h wire.Hook) { f.s.bench.HookStarted(f.s.unit.Id(), h) }

// HookEnded tells that a hook or action has ended.
func (f *Recorder) HookEnded(h wire.Hook) { f.s.bench.HookEnded(f.s.unit.Id(), h) }

// ToolCalled tells of a hook tool's call.
func (f *Recorder) ToolCalled(c wire.Call) { f.s.bench.ToolCalled(f.s.unit.Id(), c) }

// Logged tells of a line in the agent's log.
func (f *Recorder) Logged(l wire.Line) { f.s.bench.Logged(f.s.unit.Id(), l) }

// ReadyPolled tells that the agent has seen a container's Pebble.
func (f *Recorder) ReadyPolled(b wire.Boot) { f.s.bench.ReadyPolled(f.s.unit.Id(), b) }

// Payloads is the facade of the hook tools for payloads (PayloadsHookContext, version 1), which Kubernetes charms have
// no use for: there are none.
type Payloads struct{}

// List answers that the unit has no payloads.
func (*Payloads) List(params.Entities) (params.PayloadResults, error) {
	return params.PayloadResults{}, nil
}
