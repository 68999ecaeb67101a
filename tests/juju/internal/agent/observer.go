package agent

import (
	"net/rpc"
	"strings"
	"sync"
	"time"

	"github.com/canonical/pebble/client"
	"github.com/juju/errors"
	"github.com/juju/juju/juju/sockets"
	"github.com/juju/juju/worker/common/charmrunner"
	"github.com/juju/juju/worker/uniter"
	"github.com/juju/juju/worker/uniter/runner"
	"github.com/juju/juju/worker/uniter/runner/context"
	"github.com/juju/juju/worker/uniter/runner/jujuc"
	"github.com/juju/utils/v3/exec"

	"github.com/garm-charms/garm-charms/tests/juju/internal/wire"
)

// observer looks on at the uniter and tells the model what it sees.
type observer struct {
	caller *caller
	fire   chan time.Time

	mu      sync.Mutex
	tick    *time.Timer
	hook    string // that runs now
	process context.HookProcess
	boots   map[string]string // last seen start of each container's Pebble
}

// newRunner makes Juju's runner of hooks, and looks on (runner.NewRunnerFunc).
func (o *observer) newRunner(ctx context.Context, paths context.Paths, remote runner.ExecFunc) runner.Runner {
	seen := &seenContext{Context: ctx, observer: o}
	return &seenRunner{
		Runner: runner.NewRunner(seen, relayed{paths}, remote), ctx: ctx, paths: paths, observer: o,
	}
}

// seenContext tells which process runs.
type seenContext struct {
	context.Context

	observer *observer
}

// SetProcess implements context.Context.
func (c *seenContext) SetProcess(p context.HookProcess) {
	c.observer.mu.Lock()
	c.observer.process = p
	c.observer.mu.Unlock()
	c.Context.SetProcess(p)
}

type seenRunner struct {
	runner.Runner

	ctx      context.Context
	paths    context.Paths
	observer *observer
}

// Context implements runner.Runner.
func (r *seenRunner) Context() context.Context { return r.ctx }

// RunHook implements runner.Runner.
func (r *seenRunner) RunHook(name string) (runner.HookHandlerType, error) {
	return r.see(name, func() (runner.HookHandlerType, error) { return r.Runner.RunHook(name) })
}

// RunAction implements runner.Runner.
func (r *seenRunner) RunAction(name string) (runner.HookHandlerType, error) {
	return r.see("actions/"+name, func() (runner.HookHandlerType, error) { return r.Runner.RunAction(name) })
}

func (r *seenRunner) see(name string, do func() (runner.HookHandlerType, error)) (runner.HookHandlerType, error) {
	relay, err := r.relay(name)
	if err != nil {
		return runner.InvalidHookHandler, err
	}
	defer relay.Close()
	hook := wire.Hook{Name: name, Remote: remote(r.ctx), Start: time.Now()}
	r.observer.began(hook)
	handler, err := do()
	hook.End = time.Now()
	if err != nil {
		hook.Error = err.Error()
	}
	r.observer.ended(hook, err)
	return handler, err
}

// remote is the unit, or else the application, that a relation hook is about.
func remote(ctx context.Context) string {
	if _, err := ctx.HookRelation(); err != nil {
		return ""
	}
	if unit, err := ctx.RemoteUnitName(); err == nil && unit != "" {
		return unit
	}
	application, _ := ctx.RemoteApplicationName()
	return application
}

func (o *observer) began(h wire.Hook) {
	o.mu.Lock()
	o.hook, o.process = h.Name, nil
	o.mu.Unlock()
	o.caller.tell("HookStarted", h)
}

func (o *observer) ended(h wire.Hook, err error) {
	o.mu.Lock()
	o.hook, o.process = "", nil
	container, ready := strings.CutSuffix(h.Name, "-pebble-ready")
	boot := wire.Boot{Container: container, ID: o.boots[container]}
	o.mu.Unlock()
	if charmrunner.IsMissingHookError(errors.Cause(err)) {
		h.Missing, h.Error, err = true, "", nil
	}
	o.caller.tell("HookEnded", h)
	if ready && err == nil {
		o.caller.tell("ReadyPolled", boot)
	}
}

// newPebbleClient makes the client with which the agent polls a container, and remembers which start of it was seen.
func (o *observer) newPebbleClient(c *client.Config) (uniter.PebbleClient, error) {
	p, err := client.New(c)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(c.Socket, "/")
	return &seenPebble{Client: p, container: parts[len(parts)-2], observer: o}, nil
}

type seenPebble struct {
	*client.Client

	container string
	observer  *observer
}

// SysInfo implements uniter.PebbleClient.
func (p *seenPebble) SysInfo() (*client.SysInfo, error) {
	info, err := p.Client.SysInfo()
	if err == nil {
		p.observer.mu.Lock()
		p.observer.boots[p.container] = info.BootID
		p.observer.mu.Unlock()
	}
	return info, err
}

// relayed moves the hook tools' server aside, to let a relay stand in its place; hooks are told of the relay.
type relayed struct {
	context.Paths
}

// GetJujucServerSocket implements context.Paths.
func (p relayed) GetJujucServerSocket(remote bool) sockets.Socket {
	return aside(p.Paths.GetJujucServerSocket(remote))
}

func aside(s sockets.Socket) sockets.Socket {
	s.Address += ".juju"
	return s
}

// relay passes the hook tools' calls on to Juju's server (worker/uniter/runner/jujuc) and tells of them.
func (r *seenRunner) relay(hook string) (*relayServer, error) {
	socket := r.paths.GetJujucServerSocket(false)
	server := rpc.NewServer()
	err := server.RegisterName("Jujuc", &Relay{to: aside(socket), hook: hook, observer: r.observer})
	if err != nil {
		return nil, errors.Annotate(err, "cannot make relay for hook tools")
	}
	listener, err := sockets.Listen(socket)
	if err != nil {
		return nil, errors.Annotate(err, "cannot listen for hook tools")
	}
	s := &relayServer{Closer: listener}
	s.done.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			s.done.Go(func() { server.ServeConn(conn) })
		}
	})
	return s, nil
}

// Relay is the hook tools' server, as net/rpc sees it.
type Relay struct {
	to       sockets.Socket
	hook     string
	observer *observer
}

// Main passes one call on. The tool asks again, with its input, when Juju wants that.
func (r *Relay) Main(req jujuc.Request, resp *exec.ExecResponse) error {
	server, err := sockets.Dial(r.to)
	if err != nil {
		return err
	}
	defer server.Close()
	err = server.Call("Jujuc.Main", req, resp)
	if err == nil || err.Error() != jujuc.ErrNoStdin.Error() {
		call := wire.Call{Hook: r.hook, Args: append([]string{req.CommandName}, req.Args...), Code: resp.Code}
		if err != nil {
			call.Code = 1
		}
		r.observer.caller.tell("ToolCalled", call)
	}
	return err
}
