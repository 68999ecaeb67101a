package agent

import (
	"context"
	"io"
	"reflect"
	"runtime"
	"runtime/metrics"
	"sync"
	"syscall"

	"github.com/juju/rpcreflect"

	"github.com/garm-charms/garm-charms/tests/juju/internal/wire"
)

// relayServer is a listener whose closing waits for the calls under way.
type relayServer struct {
	io.Closer

	done sync.WaitGroup
}

// Close ends the relay.
func (s *relayServer) Close() error {
	err := s.Closer.Close()
	s.done.Wait()
	return err
}

// root serves the model's calls to the agent (rpc.Root).
type root struct {
	agent *Agent
}

func newRoot(o *observer) *root { return &root{agent: &Agent{observer: o}} }

// FindMethod implements rpc.Root.
func (r *root) FindMethod(name string, version int, method string) (rpcreflect.MethodCaller, error) {
	m, err := rpcreflect.ObjTypeOf(reflect.TypeOf(r.agent)).Method(method)
	if err != nil || name != wire.Agent {
		return nil, &rpcreflect.CallNotImplementedError{RootMethod: name, Version: version, Method: method}
	}
	return methodCaller{agent: r.agent, method: m}, nil
}

// Kill implements rpc.Root.
func (r *root) Kill() {}

type methodCaller struct {
	agent  *Agent
	method rpcreflect.ObjMethod
}

// ParamsType implements rpcreflect.MethodCaller.
func (c methodCaller) ParamsType() reflect.Type { return c.method.Params }

// ResultType implements rpcreflect.MethodCaller.
func (c methodCaller) ResultType() reflect.Type { return c.method.Result }

// Call implements rpcreflect.MethodCaller.
func (c methodCaller) Call(ctx context.Context, _ string, arg reflect.Value) (reflect.Value, error) {
	return c.method.Call(ctx, reflect.ValueOf(c.agent), arg)
}

// Agent is what the model may ask of the agent.
type Agent struct {
	observer *observer
}

// UpdateStatus makes update-status due.
func (a *Agent) UpdateStatus() { a.observer.trigger() }

// KillHook kills the process of the hook that runs now, and says which hook that was; none when no hook runs.
func (a *Agent) KillHook() (wire.Hook, error) {
	a.observer.mu.Lock()
	defer a.observer.mu.Unlock()
	if a.observer.process == nil {
		return wire.Hook{}, nil
	}
	hook := wire.Hook{Name: a.observer.hook}
	return hook, syscall.Kill(a.observer.process.Pid(), syscall.SIGKILL)
}

// Rest says whether the agent has nothing to do: no call to the model is under way but those that wait for changes, no
// hook runs, and every goroutine waits for something that has not happened.
func (a *Agent) Rest() wire.Rest {
	calls, polls := a.observer.caller.busy()
	a.observer.mu.Lock()
	hook := a.observer.hook
	a.observer.mu.Unlock()
	rest := wire.Rest{LongPolls: polls, Doing: hook, Idle: hook == "" && calls == 0 && stands()}
	if after, again := a.observer.caller.busy(); after != 0 || again != polls {
		rest.Idle = false
	}
	return rest
}

// stands says whether no goroutine but the caller's could run. One that handles signals counts as being in a system call.
func stands() bool {
	samples := []metrics.Sample{
		{Name: "/sched/goroutines/runnable:goroutines"},
		{Name: "/sched/goroutines/running:goroutines"},
		{Name: "/sched/goroutines/not-in-go:goroutines"},
	}
	for range 3 {
		runtime.Gosched()
		metrics.Read(samples)
		if samples[0].Value.Uint64() > 0 || samples[1].Value.Uint64() > 1 || samples[2].Value.Uint64() > 1 {
			return false
		}
	}
	return true
}
