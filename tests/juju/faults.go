package juju

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"

	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
	"github.com/garm-charms/garm-charms/tests/juju/internal/wire"
	"github.com/garm-charms/garm-charms/tests/sandbox"
)

// SetLeader moves the leadership of an application to one of its units. Settle waits until all agents know.
func (m *Model) SetLeader(_ context.Context, unit string) error {
	application, _ := split(unit)
	return m.change(application, "move leadership of", func(a *state.Application) error { return a.SetLeader(unit) })
}

// RestartPod ends a unit's pod, which may run its stop hook, and returns when the next one runs. What the charm's and
// the workload's containers have written outside of storages is gone.
func (m *Model) RestartPod(ctx context.Context, unit string) error {
	return m.replace(ctx, unit, false)
}

// KillPod kills a unit's pod as a node's failure does, and returns when the next one runs.
func (m *Model) KillPod(ctx context.Context, unit string) error { return m.replace(ctx, unit, true) }

// RestartContainer ends a workload container and starts it anew; what it has written outside of storages is gone.
func (m *Model) RestartContainer(ctx context.Context, unit, name string) error {
	p, c, err := m.container(ctx, unit, name)
	if err != nil {
		return err
	}
	if err := c.stop(ctx); err != nil {
		return err
	}
	return m.startContainer(m.ctx, p, c.spec)
}

// FireUpdateStatus makes a unit's update-status due.
func (m *Model) FireUpdateStatus(ctx context.Context, unit string) error {
	p, err := m.livePod(ctx, unit)
	if err != nil {
		return err
	}
	if err := p.lastAgent().session.Call("UpdateStatus", nil, nil); err != nil {
		return fmt.Errorf("cannot fire update-status of %s: %w", unit, err)
	}
	return nil
}

// KillHook kills the hook that a unit runs now.
func (m *Model) KillHook(ctx context.Context, unit string) error {
	p, err := m.livePod(ctx, unit)
	if err != nil {
		return err
	}
	var hook wire.Hook
	if err := p.lastAgent().session.Call("KillHook", nil, &hook); err != nil {
		return fmt.Errorf("cannot kill hook of %s: %w", unit, err)
	}
	if hook.Name == "" {
		return fmt.Errorf("cannot kill hook of %s: none runs", unit)
	}
	return nil
}

// PodHost is the place of a unit's pod on the network. It changes with the pod.
func (m *Model) PodHost(ctx context.Context, unit string) (*sandbox.Host, error) {
	p, err := m.livePod(ctx, unit)
	if err != nil {
		return nil, err
	}
	return p.host, nil
}

func (m *Model) container(ctx context.Context, unit, name string) (*pod, *container, error) {
	p, err := m.livePod(ctx, unit)
	if err != nil {
		return nil, nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.containers[name]
	if c == nil {
		return nil, nil, fmt.Errorf("cannot find container %s of %s", name, unit)
	}
	return p, c, nil
}

// PebbleSocket is the path of the socket of a container's Pebble, for this process. It changes with the pod.
func (m *Model) PebbleSocket(ctx context.Context, unit, name string) (string, error) {
	_, c, err := m.container(ctx, unit, name)
	if err != nil {
		return "", err
	}
	return c.socket(), nil
}

// ContainerCommand makes a command that runs in a workload container, or with the name "charm" in the charm's, as
// kubectl exec does. It needs nsenter (util-linux).
func (m *Model) ContainerCommand(ctx context.Context, unit, name string, argv ...string) (*exec.Cmd, error) {
	var process int
	if name == "charm" {
		p, err := m.livePod(ctx, unit)
		if err != nil {
			return nil, err
		}
		process = p.lastAgent().cmd.Process.Pid
	} else {
		_, c, err := m.container(ctx, unit, name)
		if err != nil {
			return nil, err
		}
		process = c.cmd.Process.Pid
	}
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{
		"--target", strconv.Itoa(process), "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd=/", "--",
	}, argv...)...)
	cmd.Env = []string{"PATH=" + podPath}
	return cmd, nil
}
