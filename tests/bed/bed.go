// Package bed is one world to try the charms in: a model with Juju's own agents, an image with the real GARM, a GitHub, a
// cloud and the runners it boots, all on one network of its own.
//
// It puts parts together; what the parts are is theirs to say. It must run in a sandbox.World.
package bed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/garm-charms/garm-charms/tests/github"
	"github.com/garm-charms/garm-charms/tests/juju"
	"github.com/garm-charms/garm-charms/tests/operator"
	"github.com/garm-charms/garm-charms/tests/parts"
	"github.com/garm-charms/garm-charms/tests/postgresql"
	"github.com/garm-charms/garm-charms/tests/provider"
	"github.com/garm-charms/garm-charms/tests/runner"
	"github.com/garm-charms/garm-charms/tests/sandbox"
)

// Config is where a bed stands.
type Config struct {
	// Dir takes everything the bed keeps. Its path must be short: sockets are in it.
	Dir string
	// Number is the bed's network, 0 to 255; one that is in use cannot be had twice.
	Number int
	// Model is the name of its Juju model; empty for ci.
	Model string
	// Built is what Build returned. An operator finds each charm as NAME.charm in Dir.
	Built Built
}

// Bed is a running world.
type Bed struct {
	// Operator types in it. Their GitHub is github.com here, their GitHub Enterprise Server is at enterpriseURL.
	*operator.Operator

	Model *juju.Model
	Cloud provider.Cloud

	config   Config
	network  *sandbox.Network
	machines map[string]*runner.Machine
	database *postgresql.Server // nil until a scenario starts it
	closers  []func() error
}

// modelName is the name of a bed's Juju model, unless its Config has another.
const modelName = "ci"

const (
	enterpriseURL  = "https://" + enterpriseName + ":8443"
	enterpriseName = "ghes.example.com"
)

// ProxyName is the name of an HTTP proxy, for runners that are told to use one.
const ProxyName = "proxy.example.com"

// The images of the resource app-image, in an operator's directory: upstream's and the rock of the Python charm.
const (
	imageName = "garm-image"
	rockName  = "garm-rock"
)

// New builds the world; nothing is deployed in it.
func New(ctx context.Context, c Config) (*Bed, error) {
	c.Model = cmp.Or(c.Model, modelName)
	o := &operator.Operator{Dir: c.Dir, Home: c.Dir, Idle: 1, Patience: waitLimit}
	b := &Bed{Operator: o, config: c, machines: map[string]*runner.Machine{}}
	for _, step := range []func(context.Context) error{b.startNetwork, b.startForges, b.openCloud, b.layImages, b.placeCharms, b.startModel} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	return b, nil
}

// Close ends everything that runs in the world.
func (b *Bed) Close() error {
	var errs []error
	for _, machine := range b.machines {
		errs = append(errs, machine.Close())
	}
	for i := len(b.closers) - 1; i >= 0; i-- {
		errs = append(errs, b.closers[i]())
	}
	return errors.Join(errs...)
}

func (b *Bed) startNetwork(context.Context) error {
	network, err := sandbox.NewNetwork(filepath.Join(b.config.Dir, "net"), b.config.Number)
	if err != nil {
		return err
	}
	b.network = network
	b.closers = append(b.closers, network.Close)
	return nil
}

// startForges serves GitHub's own names at the gateway, so that GARM and the runners use them unconfigured, and an
// Enterprise Server beside it. The proxy's name resolves too; nothing listens behind it, since what a runner sends to aproxy
// ends in its stand-in.
func (b *Bed) startForges(context.Context) (err error) {
	if b.GitHub, err = b.serve("443"); err != nil {
		return err
	}
	if b.Enterprise, err = b.serve("8443"); err != nil {
		return err
	}
	for _, name := range append(github.Names(), enterpriseName, ProxyName) {
		if err := b.network.SetName(name, b.network.Gateway()); err != nil {
			return err
		}
	}
	return nil
}

// serve runs a GitHub on a port of the gateway.
func (b *Bed) serve(port string) (*github.Server, error) {
	server, err := github.New(github.Options{})
	if err != nil {
		return nil, err
	}
	archive, err := runner.Tarball()
	if err != nil {
		return nil, err
	}
	server.SetRunner("2.330.0", archive)
	listener, err := net.Listen("tcp", net.JoinHostPort(b.network.Gateway().String(), port))
	if err != nil {
		return nil, fmt.Errorf("cannot serve GitHub: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()
	b.closers = append(b.closers, func() error { cancel(); return <-served })
	return server, nil
}

func (b *Bed) openCloud(context.Context) error {
	cloud, err := provider.Open(filepath.Join(b.config.Dir, "cloud"))
	b.Cloud = cloud
	return err
}

func (b *Bed) layImages(ctx context.Context) error {
	for name, layout := range map[string]parts.Layout{imageName: parts.Upstream, rockName: parts.Rock} {
		if err := parts.Image(ctx, layout, filepath.Join(b.config.Dir, name), b.GitHub.CA()); err != nil {
			return err
		}
	}
	return nil
}

// startModel leaves a failed hook failed, so that recovery is the charms' doing.
func (b *Bed) startModel(ctx context.Context) error {
	model, err := juju.NewModel(juju.Config{
		Name:      b.config.Model,
		Dir:       filepath.Join(b.config.Dir, "m"),
		Network:   b.network,
		Pebble:    b.config.Built.Pebble,
		HookTools: b.config.Built.HookTools,
		Binds:     []sandbox.Bind{{Source: b.Cloud.Dir(), Target: "/cloud"}},
	})
	if err != nil {
		return err
	}
	b.Model, b.World = model, world{model}
	b.closers = append(b.closers, model.Close)
	return model.SetModelConfig(ctx, map[string]string{"automatically-retry-hooks": "false"})
}

// bootLimit is how long GARM may take to have a runner booted: it asks its provider 15 s after a scale set was made, and cannot
// listen for jobs while GitHub holds the session of a GARM that was killed, which is minutes.
const bootLimit = 5 * time.Minute

// tickPause is how often update-status is while a runner is waited for: GARM may overlook a job, and the charm sees to that.
const tickPause = 25 * time.Second

// Image is what the image builder builds: docker and the collector's snap are in it, and GitHub's runner is not.
func Image() runner.Config {
	return runner.Config{Docker: true, Snap: runner.Snap{Installed: []string{"opentelemetry-collector"}}}
}

// Boot waits until the cloud was asked for a runner of the scale set that has not been booted yet, and boots it from an
// image: that much of a machine's configuration is heeded.
func (b *Bed) Boot(ctx context.Context, scaleSet string, image runner.Config) (*runner.Machine, error) {
	ctx, cancel := context.WithTimeout(ctx, bootLimit)
	defer cancel()
	instance, err := b.newInstance(ctx, scaleSet)
	if err != nil {
		return nil, err
	}
	image.Dir = filepath.Join(b.config.Dir, "vm", instance.Name)
	image.Network, image.Name, image.UserData = b.network, instance.Name, []byte(instance.UserData)
	image.Prepare = trust(b.GitHub.CA())
	machine, err := runner.Boot(ctx, image)
	if err != nil {
		return nil, err
	}
	b.machines[instance.Name] = machine
	return machine, nil
}

// trust is a script that adds a certificate to a machine's trust store, as an image has GitHub's real one.
func trust(ca []byte) string {
	return "cat >>/etc/ssl/certs/ca-certificates.crt <<'CA'\n" + string(ca) + "CA\n"
}

func (b *Bed) newInstance(ctx context.Context, scaleSet string) (provider.Instance, error) {
	var found provider.Instance
	due, ticked := time.After(tickPause), false
	err := operator.Until(ctx, func() error {
		select {
		case <-due:
			due, ticked = time.After(tickPause), true
			if err := b.Model.FireUpdateStatus(ctx, "garm/0"); err != nil {
				return err
			}
		default:
		}
		instances, err := b.Cloud.Instances()
		if err != nil {
			return err
		}
		for _, instance := range instances {
			if _, booted := b.machines[instance.Name]; !booted && isOf(instance, scaleSet) {
				found = instance
				return nil
			}
		}
		return fmt.Errorf("the cloud was not asked for a new runner of scale set %s; it has %d", scaleSet, len(instances))
	})
	if err == nil && ticked {
		err = b.Model.Settle(ctx) // what comes of the last update-status is over before the scenario goes on
	}
	return found, err
}

// isOf relies on the pool ID that GARM gives the runners of a scale set: its name, a dash and the entity's UUID
// (GARM runner/common, PoolID of an instance's provider call).
func isOf(instance provider.Instance, scaleSet string) bool {
	const uuid = len("-00000000-0000-0000-0000-000000000000")
	id := instance.Bootstrap.PoolID
	return len(id) > uuid && id[:len(id)-uuid] == scaleSet
}

// placeCharms gives Dir the packed charms under their plain names, and in build/ under those that documents have.
func (b *Bed) placeCharms(context.Context) error {
	if err := os.Mkdir(filepath.Join(b.config.Dir, "build"), 0o755); err != nil {
		return fmt.Errorf("cannot place charms: %w", err)
	}
	for name, path := range b.config.Built.Charms {
		for _, place := range []string{name + ".charm", "build/" + name + "_amd64.charm"} {
			if err := os.Symlink(path, filepath.Join(b.config.Dir, place)); err != nil {
				return fmt.Errorf("cannot place charm: %w", err)
			}
		}
	}
	_, err := StandIns(b.config.Dir)
	return err
}
