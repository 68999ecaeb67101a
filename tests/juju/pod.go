package juju

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/juju/charm/v12"
	"github.com/juju/juju/caas/kubernetes/provider/constants"
	"github.com/juju/names/v5"
	"golang.org/x/sys/unix"

	"github.com/garm-charms/garm-charms/tests/juju/internal/agent"
	"github.com/garm-charms/garm-charms/tests/juju/internal/api"
	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
	"github.com/garm-charms/garm-charms/tests/juju/internal/wire"
	"github.com/garm-charms/garm-charms/tests/sandbox"
)

// grace is how long a pod may take to end (caas/kubernetes/provider/application/application.go: 30 s).
const grace = 30 * time.Second

// pod is one life of a unit: the charm's container with the agent, and the charm's workload containers.
type pod struct {
	unit    string
	version int // of the application's charm
	dir     string
	host    *sandbox.Host
	spec    podSpec

	mu         sync.Mutex
	agent      *agentRun // the last one; nil before the first
	containers map[string]*container
	started    bool              // the start hook ended well
	boots      map[string]string // the containers' starts that the charm has dealt with
}

// agentRun is one life of the charm's container, whose process is Juju's unit agent.
type agentRun struct {
	cmd     *exec.Cmd
	session *api.Session
	exited  chan struct{} // closed when the agent has ended
}

// podSpec is what a pod is made of, read from the model.
type podSpec struct {
	version    int
	charm      string // archive
	app        string
	number     int
	user       int // of the charm's container
	containers []containerSpec
	storages   []storageSpec
}

type storageSpec struct {
	name, location, dir string
}

func (m *Model) podSpec(unit string) (podSpec, error) {
	var spec podSpec
	var err error
	m.state.View(func() {
		var u *state.Unit
		if u, err = m.state.Unit(unit); err != nil {
			return
		}
		spec = podSpec{version: u.App.Version, charm: u.App.Charm.Path, app: u.App.Name, number: u.Number}
		if u.App.Charm.Archive.Meta().CharmUser == charm.RunAsNonRoot {
			spec.user = constants.JujuUserID
		}
		for _, id := range sorted(u.Storages) {
			s := u.Storages[id]
			dir := filepath.Join(m.config.Dir, "storage", fmt.Sprintf("%s-%s-%d.%d", u.App.Name, s.Name, u.Number, u.App.Deployment))
			spec.storages = append(spec.storages, storageSpec{name: s.Name, location: s.Location, dir: dir})
		}
		spec.containers = containerSpecs(u.App, spec.storages)
	})
	return spec, err
}

// startPod starts a pod for the unit. It lives until ctx ends or it is stopped.
func (m *Model) startPod(ctx context.Context, unit string) (*pod, error) {
	spec, err := m.podSpec(unit)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.pods++
	dir := filepath.Join(m.config.Dir, "p", strconv.Itoa(m.pods))
	m.mu.Unlock()
	p := &pod{
		unit: unit, version: spec.version, dir: dir, spec: spec,
		containers: map[string]*container{}, boots: map[string]string{},
	}
	if err := p.makeDirs(); err != nil {
		return nil, err
	}
	if p.host, err = m.config.Network.AddHost(strings.ReplaceAll(unit, "/", "-")); err != nil {
		return nil, err
	}
	if err := m.addressed(unit, p.host.Addr().String()); err != nil {
		return p, err
	}
	for _, c := range spec.containers {
		if err := m.startContainer(ctx, p, c); err != nil {
			return p, err
		}
	}
	return p, m.startAgent(ctx, p)
}

// lastAgent is the agent that runs, or the one that ended last; nil when none was started.
func (p *pod) lastAgent() *agentRun {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.agent
}

// home is what the charm's container keeps when it restarts, as long as the pod lives (an emptyDir volume in Juju).
func (p *pod) home() string { return filepath.Join(p.dir, "home") }

func (p *pod) makeDirs() error {
	dirs := []string{filepath.Join(p.home(), "tools", names.NewUnitTag(p.unit).String())}
	for _, s := range p.spec.storages {
		dirs = append(dirs, s.dir)
	}
	for _, c := range p.spec.containers {
		dirs = append(dirs, filepath.Join(p.dir, c.name))
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("cannot make directory of %s: %w", p.unit, err)
		}
	}
	// The agent's volume belongs to its user.
	for dir := dirs[0]; dir != p.dir; dir = filepath.Dir(dir) {
		if err := os.Chown(dir, p.spec.user, p.spec.user); err != nil {
			return fmt.Errorf("cannot make directory of %s: %w", p.unit, err)
		}
	}
	return nil
}

func (m *Model) addressed(unit, address string) error {
	return m.state.Update(func() error {
		u, err := m.state.Unit(unit)
		if err == nil {
			u.Address = address
		}
		return err
	})
}

// startAgent starts the charm's container, whose process is Juju's unit agent.
func (m *Model) startAgent(ctx context.Context, p *pod) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find own program: %w", err)
	}
	names := []string{}
	binds := []sandbox.Bind{
		{Source: p.home(), Target: agent.DataDir},
		{Source: program, Target: "/charm/bin/containeragent", ReadOnly: true},
		{Source: m.config.Pebble, Target: "/charm/bin/pebble", ReadOnly: true},
		{Source: m.config.HookTools, Target: agent.ToolsDir(p.unit) + "/jujuc", ReadOnly: true},
		{Source: p.spec.charm, Target: agent.CharmArchive, ReadOnly: true},
		{Source: filepath.Join(m.config.Dir, "os-release"), Target: "/etc/os-release", ReadOnly: true},
	}
	for _, c := range p.spec.containers {
		names = append(names, c.name)
		binds = append(binds, sandbox.Bind{Source: filepath.Join(p.dir, c.name), Target: "/charm/containers/" + c.name})
	}
	for _, s := range p.spec.storages {
		binds = append(binds, sandbox.Bind{Source: s.dir, Target: s.location})
	}
	start, err := json.Marshal(wire.Start{
		Unit: p.unit, ModelUUID: m.state.UUID, Version: Version, CharmVersion: p.version, Containers: names,
		PebblePoll: m.config.PebblePoll, Lease: time.Second,
	})
	if err != nil {
		return fmt.Errorf("cannot encode start of %s: %w", p.unit, err)
	}
	cmd := sandbox.Command(ctx, sandbox.Spec{
		Lower: "/", Binds: binds, Host: p.host, Hostname: p.host.Name(), PIDs: true, User: p.spec.user, Dir: agent.DataDir,
	}, "/charm/bin/containeragent", "unit")
	cmd.Env = []string{wire.StartEnv + "=" + string(start), "PATH=" + podPath + ":/charm/bin"}
	out := &lineWriter{log: m.log, unit: p.unit, module: "agent"}
	cmd.Stdout, cmd.Stderr = out, out
	return m.connect(p, cmd)
}

const podPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// connect starts the agent with one end of a pair of sockets, and serves the API on the other.
func (m *Model) connect(p *pod, cmd *exec.Cmd) error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot make connection of %s: %w", p.unit, err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "model"), os.NewFile(uintptr(fds[1]), "agent")
	defer ours.Close()
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return fmt.Errorf("cannot make connection of %s: %w", p.unit, err)
	}
	cmd.ExtraFiles = []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		conn.Close()
		return fmt.Errorf("cannot start agent of %s: %w", p.unit, err)
	}
	retry := api.JujuRetry()
	retry.MinRetryTime = m.config.HookRetry
	run := &agentRun{
		cmd: cmd, exited: make(chan struct{}),
		session: api.Serve(m.ctx, m.state, p.unit, &bench{log: m.log, pod: p, m: m}, api.Settings{Retry: retry}, conn),
	}
	p.mu.Lock()
	p.agent, p.started, p.boots = run, false, map[string]string{}
	p.mu.Unlock()
	m.tasks.Go(func() { m.await(p, run) })
	return nil
}

// await takes notice of the agent's end.
func (m *Model) await(p *pod, run *agentRun) {
	err := run.cmd.Wait()
	_ = run.session.Close() // its other end is gone
	if err != nil && m.ctx.Err() == nil {
		m.log.add(LogLine{Time: time.Now(), Unit: p.unit, Level: "INFO", Module: "pod", Message: "agent ended: " + err.Error()})
	}
	close(run.exited)
}

// terminate ends the agent as Kubernetes does: it may run the stop hook, then it is killed.
func (r *agentRun) terminate(ctx context.Context) error {
	deadline, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		// An agent that has just been started does not listen yet.
		if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("cannot end agent: %w", err)
		}
		select {
		case <-r.exited:
			return nil
		case <-deadline.Done():
			return r.kill()
		case <-tick.C:
		}
	}
}

func (r *agentRun) kill() error {
	if err := r.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot kill agent: %w", err)
	}
	<-r.exited
	return nil
}

// remove kills what still runs and takes the pod's place on the network away.
func (p *pod) remove() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	if p.agent != nil {
		errs = append(errs, p.agent.kill())
	}
	for _, c := range p.containers {
		errs = append(errs, c.kill())
	}
	if p.host != nil {
		errs = append(errs, p.host.Close())
	}
	if err := errors.Join(append(errs, os.RemoveAll(p.dir))...); err != nil {
		return fmt.Errorf("cannot remove pod: %w", err)
	}
	return nil
}

// ready says whether the start hook has run.
func (p *pod) ready() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.started
}
