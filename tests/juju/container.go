package juju

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
	"github.com/garm-charms/garm-charms/tests/sandbox"
)

// container is one life of a workload container: an image whose process is Pebble.
type container struct {
	spec   containerSpec
	dir    string // of the socket, as the pod's other containers see it
	cmd    *exec.Cmd
	exited chan struct{}
	boot   string // Pebble's own name of this start; empty before it answers
}

type containerSpec struct {
	name  string
	image string
	port  int // of Pebble's health checks
	binds []sandbox.Bind
}

func containerSpecs(a *state.Application, storages []storageSpec) []containerSpec {
	declared := a.Charm.Archive.Meta().Containers
	var specs []containerSpec
	for i, name := range sorted(declared) {
		// caas/kubernetes/provider/pebble/pebble.go, WorkloadHealthCheckPort
		spec := containerSpec{name: name, image: a.Resources[declared[name].Resource], port: 38813 + i}
		for _, mount := range declared[name].Mounts {
			for _, s := range storages {
				if s.name == mount.Storage {
					spec.binds = append(spec.binds, sandbox.Bind{Source: s.dir, Target: mount.Location})
				}
			}
		}
		specs = append(specs, spec)
	}
	return specs
}

// identity lets a user do everything (Pebble docs/reference/identities.md).
const identity = "identities: {juju: {access: admin, local: {user-id: %d}}}\n"

// startContainer starts a container of the pod and waits until its Pebble answers.
func (m *Model) startContainer(ctx context.Context, p *pod, spec containerSpec) error {
	c := &container{spec: spec, dir: filepath.Join(p.dir, spec.name), exited: make(chan struct{})}
	binds := append([]sandbox.Bind{
		{Source: m.config.Pebble, Target: "/charm/bin/pebble", ReadOnly: true},
		{Source: c.dir, Target: "/charm/container"},
	}, append(spec.binds, m.config.Binds...)...)
	args := []string{"run", "--create-dirs", "--hold", "--http", ":" + strconv.Itoa(spec.port), "--verbose"}
	if p.spec.user != 0 {
		// Juju 3.6 makes the charm's user known to Pebble, which would otherwise obey none but root; the agent that runs here
		// is older and does not. To be seen on a controller: the integration tests begin with it.
		identities := filepath.Join(p.dir, "identities.yaml")
		if err := os.WriteFile(identities, fmt.Appendf(nil, identity, p.spec.user), 0o644); err != nil {
			return fmt.Errorf("cannot start container %s of %s: %w", spec.name, p.unit, err)
		}
		binds = append(binds, sandbox.Bind{Source: identities, Target: "/charm/identities.yaml", ReadOnly: true})
		args = append(args, "--identities", "/charm/identities.yaml")
	}
	c.cmd = sandbox.Command(ctx, sandbox.Spec{Lower: spec.image, Host: p.host, Hostname: p.host.Name(), Binds: binds}, "/charm/bin/pebble", args...)
	// Pebble is PID 1 of a container, and only as such has a boot id of its own (internals/overlord/overlord.go).
	c.cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWPID
	// caas/kubernetes/provider/application/application.go
	c.cmd.Env = []string{
		"PATH=" + podPath,
		"JUJU_CONTAINER_NAME=" + spec.name,
		"PEBBLE_SOCKET=/charm/container/pebble.socket",
		"PEBBLE=/charm/container/pebble",
		"PEBBLE_COPY_ONCE=/var/lib/pebble/default",
	}
	out := &lineWriter{log: m.log, unit: p.unit, module: "container." + spec.name}
	c.cmd.Stdout, c.cmd.Stderr = out, out
	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("cannot start container %s of %s: %w", spec.name, p.unit, err)
	}
	p.mu.Lock()
	p.containers[spec.name] = c
	p.mu.Unlock()
	m.tasks.Go(func() {
		_ = c.cmd.Wait() // it is killed in the end
		close(c.exited)
	})
	boot, err := c.waitBoot(ctx)
	if err != nil {
		return fmt.Errorf("cannot start container %s of %s: %w", spec.name, p.unit, err)
	}
	p.mu.Lock()
	c.boot = boot
	p.mu.Unlock()
	return nil
}

// socket is the path of Pebble's socket.
func (c *container) socket() string { return filepath.Join(c.dir, "pebble.socket") }

func (c *container) waitBoot(ctx context.Context) (string, error) {
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", c.socket())
		},
		DisableKeepAlives: true,
	}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		boot, err := bootID(ctx, client)
		if err == nil {
			return boot, nil
		}
		select {
		case <-c.exited:
			return "", errors.New("its Pebble has ended: see the log")
		case <-ctx.Done():
			return "", errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}

func bootID(ctx context.Context, client *http.Client) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://pebble/v1/system-info", nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var info struct {
		Result struct {
			BootID string `json:"boot-id"`
		} `json:"result"`
	}
	if err := json.NewDecoder(response.Body).Decode(&info); err != nil {
		return "", err
	}
	if info.Result.BootID == "" {
		return "", errors.New("no boot id yet")
	}
	return info.Result.BootID, nil
}

// stop ends the container as Kubernetes does.
func (c *container) stop(ctx context.Context) error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot stop container %s: %w", c.spec.name, err)
	}
	select {
	case <-c.exited:
		return nil
	case <-ctx.Done():
	case <-time.After(grace):
	}
	return c.kill()
}

func (c *container) kill() error {
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot kill container %s: %w", c.spec.name, err)
	}
	<-c.exited
	return nil
}
