// Package api answers a unit agent's API calls from a model in memory, over Juju's own RPC (github.com/juju/juju/rpc):
// the facades that the agent of a Kubernetes unit calls, with the checks of Juju's apiserver/facades/agent.
//
// It starts no process, and the model's own rules are not here but in package state.
package api

import (
	"cmp"
	"context"
	"maps"
	"net"
	"reflect"
	"slices"
	"strconv"
	"sync"

	apiservererrors "github.com/juju/juju/apiserver/errors"
	"github.com/juju/juju/rpc"
	"github.com/juju/juju/rpc/jsoncodec"
	"github.com/juju/juju/rpc/params"
	"github.com/juju/names/v5"
	"github.com/juju/rpcreflect"

	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
	"github.com/garm-charms/garm-charms/tests/juju/internal/wire"
)

// Session is one agent's connection.
type Session struct {
	model  *state.Model
	unit   names.UnitTag
	bench  Bench
	conn   *rpc.Conn
	done   chan struct{}
	ending sync.Once

	mu      sync.Mutex
	serial  int
	watches map[string]*watch
	parked  int
	leading *bool
}

// Bench is told what happens in a unit's agent, which Juju's API has no words for.
type Bench interface {
	HookStarted(unit string, hook wire.Hook)
	HookEnded(unit string, hook wire.Hook)
	ToolCalled(unit string, call wire.Call)
	Logged(unit string, line wire.Line)
	ReadyPolled(unit string, boot wire.Boot)
}

// Settings are the answers that do not depend on the model's content.
type Settings struct {
	Retry params.RetryStrategy
}

// Serve answers on conn until either side closes it.
func Serve(ctx context.Context, model *state.Model, unit string, bench Bench, settings Settings, conn net.Conn) *Session {
	s := &Session{
		model: model, unit: names.NewUnitTag(unit), bench: bench, done: make(chan struct{}),
		conn: rpc.NewConn(jsoncodec.NewNet(conn), nil), watches: map[string]*watch{},
	}
	s.conn.ServeRoot(&root{session: s, settings: settings}, nil, serverError)
	s.conn.Start(ctx)
	return s
}

func serverError(err error) error { return apiservererrors.ServerError(err) }

// Call calls the agent.
func (s *Session) Call(action string, args, result any) error {
	return s.conn.Call(rpc.Request{Type: wire.Agent, Action: action}, args, result)
}

// Dead is closed when the connection has ended.
func (s *Session) Dead() <-chan struct{} { return s.conn.Dead() }

// Close ends the connection and the calls that wait for a change.
func (s *Session) Close() error { return s.conn.Close() }

// Parked is the number of calls that wait for a change.
func (s *Session) Parked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parked
}

// Undelivered says whether the agent does not know yet of something that changed. Call it within Model.View.
func (s *Session) Undelivered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.watches {
		if _, changed := w.poll(false); changed {
			return true
		}
	}
	u, err := s.model.Unit(s.unit.Id())
	return err == nil && (s.leading == nil || *s.leading != u.IsLeader())
}

// root finds the method for a request (rpc.Root).
type root struct {
	session  *Session
	settings Settings
}

// facade is the object that answers calls; id names the watcher for facades of watchers. It is nil for an unknown name.
func (r *root) facade(name, id string) any {
	s := r.session
	facades := map[string]any{
		"Uniter":                &Uniter{s: s},
		"SecretsManager":        &SecretsManager{s: s},
		"LeadershipService":     &Leadership{s: s},
		"RetryStrategy":         &RetryStrategy{s: s, strategy: r.settings.Retry},
		"CAASApplication":       &CAASApplication{s: s},
		"PayloadsHookContext":   &Payloads{},
		"NotifyWatcher":         &NotifyWatcher{s: s, id: id},
		"StringsWatcher":        &StringsWatcher{s: s, id: id},
		"RelationUnitsWatcher":  &RelationUnitsWatcher{s: s, id: id},
		"SecretsTriggerWatcher": &SecretsTriggerWatcher{s: s, id: id},
		wire.Bench:              &Recorder{s: s},
	}
	return facades[name]
}

// FindMethod implements rpc.Root.
func (r *root) FindMethod(name string, version int, method string) (rpcreflect.MethodCaller, error) {
	facade := r.facade(name, "")
	if facade == nil {
		return nil, &rpcreflect.CallNotImplementedError{RootMethod: name, Version: version}
	}
	m, err := rpcreflect.ObjTypeOf(reflect.TypeOf(facade)).Method(method)
	if err != nil {
		return nil, &rpcreflect.CallNotImplementedError{RootMethod: name, Version: version, Method: method}
	}
	return &caller{root: r, name: name, method: m}, nil
}

// Kill implements rpc.Root.
func (r *root) Kill() { r.session.ending.Do(func() { close(r.session.done) }) }

type caller struct {
	root   *root
	name   string
	method rpcreflect.ObjMethod
}

// ParamsType implements rpcreflect.MethodCaller.
func (c *caller) ParamsType() reflect.Type { return c.method.Params }

// ResultType implements rpcreflect.MethodCaller.
func (c *caller) ResultType() reflect.Type { return c.method.Result }

// Call implements rpcreflect.MethodCaller.
func (c *caller) Call(ctx context.Context, id string, arg reflect.Value) (reflect.Value, error) {
	return c.method.Call(ctx, reflect.ValueOf(c.root.facade(c.name, id)), arg)
}

func (s *Session) register(w *watch) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	id := strconv.Itoa(s.serial)
	s.watches[id] = w
	return id
}

func (s *Session) park(by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parked += by
}

// own checks that a tag is the session's own unit and gives it.
func (s *Session) own(tag string) (*state.Unit, error) {
	if tag != s.unit.String() {
		return nil, apiservererrors.ErrPerm
	}
	return s.model.Unit(s.unit.Id())
}

// bulk answers the arguments of a bulk call one after the other with the model locked; change says that it is changed.
func bulk[A, R any](s *Session, change bool, args []A, answer func(A) R) []R {
	results := make([]R, len(args))
	all := func() {
		for i, a := range args {
			results[i] = answer(a)
		}
	}
	if !change {
		s.model.View(all)
		return results
	}
	_ = s.model.Update(func() error { all(); return nil }) // errors are in the results
	return results
}

// changes is bulk for calls that answer nothing but errors.
func changes[A any](s *Session, args []A, change func(A) error) params.ErrorResults {
	return params.ErrorResults{Results: bulk(s, true, args, func(a A) params.ErrorResult {
		return params.ErrorResult{Error: fault(change(a))}
	})}
}

// units is bulk for calls on the session's own unit.
func units[R any](s *Session, args params.Entities, answer func(*state.Unit) R, failed func(*params.Error) R) []R {
	return bulk(s, false, args.Entities, func(e params.Entity) R {
		u, err := s.own(e.Tag)
		if err != nil {
			return failed(fault(err))
		}
		return answer(u)
	})
}

func fault(err error) *params.Error { return apiservererrors.ServerError(err) }

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
