package juju

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/juju/charm/v12"
	"github.com/juju/juju/core/life"
	"github.com/juju/juju/rpc/params"

	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
)

// Deployment is what juju deploy is told.
type Deployment struct {
	Charm       string // path of the .charm
	Application string
	Units       int
	Config      map[string]string
	Storage     map[string]string // constraints by storage: "data": "1G"
	Resources   map[string]string // directory that is the image, by resource
	Trust       bool
}

// Deploy is juju deploy.
func (m *Model) Deploy(_ context.Context, d Deployment) error {
	c, err := m.upload(d.Charm)
	if err != nil {
		return fmt.Errorf("cannot deploy %s: %w", d.Application, err)
	}
	if err := checkResources(c.Archive.Meta(), d.Resources, true); err != nil {
		return fmt.Errorf("cannot deploy %s: %w", d.Application, err)
	}
	resources := map[string]string{}
	for name, image := range d.Resources {
		resources[name] = image
	}
	err = m.state.Update(func() error {
		_, err := m.state.Deploy(state.Deployment{
			Application: d.Application, Charm: c, Units: d.Units, Config: d.Config, Storage: d.Storage,
			Resources: resources, Trust: d.Trust,
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot deploy %s: %w", d.Application, err)
	}
	m.keep()
	return nil
}

// upload checks a charm as Juju's client and controller do, and keeps a copy of it.
func (m *Model) upload(path string) (*state.Charm, error) {
	archive, err := charm.ReadCharmArchive(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read charm: %w", err)
	}
	if err := charm.CheckMeta(archive); err != nil {
		return nil, fmt.Errorf("cannot use charm: %w", err)
	}
	if err := checkEntryPoint(archive); err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.uploads++
	url := fmt.Sprintf("local:%s-%d", archive.Meta().Name, m.uploads)
	m.mu.Unlock()
	dir := filepath.Join(m.config.Dir, "charms")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot keep charm: %w", err)
	}
	kept := filepath.Join(dir, charm.Quote(url))
	digest, err := copyFile(path, kept)
	if err != nil {
		return nil, fmt.Errorf("cannot keep charm: %w", err)
	}
	return &state.Charm{URL: url, Path: kept, SHA256: digest, Archive: archive}, nil
}

// checkEntryPoint refuses what api/client/charms/localcharmclient.go does.
func checkEntryPoint(archive *charm.CharmArchive) error {
	members, err := archive.ArchiveMembers()
	if err != nil {
		return fmt.Errorf("cannot read charm: %w", err)
	}
	if members.Contains("dispatch") {
		return nil
	}
	for _, member := range members.Values() {
		if filepath.Dir(member) == "hooks" {
			return nil
		}
	}
	return fmt.Errorf("invalid charm %q: has no hooks nor dispatch file", archive.Meta().Name)
}

func copyFile(from, to string) (digest string, err error) {
	source, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer source.Close()
	target, err := os.Create(to)
	if err != nil {
		return "", err
	}
	defer target.Close()
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(target, sum), source); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), target.Close()
}

func checkResources(meta *charm.Meta, given map[string]string, all bool) error {
	for _, name := range sorted(given) {
		if _, ok := meta.Resources[name]; !ok {
			return fmt.Errorf("unrecognized resource %q", name)
		}
		if info, err := os.Stat(given[name]); err != nil || !info.IsDir() {
			return fmt.Errorf("resource %q is no directory: %s", name, given[name])
		}
	}
	for _, name := range sorted(meta.Resources) {
		if _, ok := given[name]; !ok && all {
			return fmt.Errorf("local charm missing OCI images for: %s", name)
		}
	}
	return nil
}

// Refresh is juju refresh --path; without a path the application keeps its charm and gets new resources. It returns
// when Juju has taken the charm; Settle waits until the pods are replaced.
func (m *Model) Refresh(_ context.Context, application, charmPath string, resources map[string]string) error {
	var c *state.Charm
	err := m.view(func() error {
		a, err := m.state.Application(application)
		if err == nil {
			c = a.Charm
		}
		return err
	})
	if err == nil && charmPath != "" {
		c, err = m.upload(charmPath)
	}
	if err == nil {
		err = checkResources(c.Archive.Meta(), resources, false)
	}
	if err == nil {
		err = m.state.Update(func() error {
			a, err := m.state.Application(application)
			if err != nil {
				return err
			}
			return a.Refresh(c, resources)
		})
	}
	if err != nil {
		return fmt.Errorf("cannot refresh %s: %w", application, err)
	}
	m.mu.Lock()
	m.rolling[application]++
	m.mu.Unlock()
	m.tasks.Go(func() { m.roll(application) })
	return nil
}

func (m *Model) view(f func() error) error {
	var err error
	m.state.View(func() { err = f() })
	return err
}

// RemoveApplication is juju remove-application. It returns when everything is dying; Settle waits for the end.
func (m *Model) RemoveApplication(_ context.Context, application string) error {
	return m.change(application, "remove", func(a *state.Application) error {
		a.Destroy()
		return nil
	})
}

func (m *Model) change(application, what string, f func(*state.Application) error) error {
	err := m.state.Update(func() error {
		a, err := m.state.Application(application)
		if err != nil {
			return err
		}
		return f(a)
	})
	if err != nil {
		return fmt.Errorf("cannot %s %s: %w", what, application, err)
	}
	return nil
}

// Scale is juju scale-application: units are added at the end, and taken from the end.
func (m *Model) Scale(_ context.Context, application string, units int) error {
	err := m.change(application, "scale", func(a *state.Application) error {
		if units < 0 {
			return fmt.Errorf("scale must be a non-negative integer, not %d", units)
		}
		if a.Life != life.Alive {
			return fmt.Errorf("application %q is %s", application, a.Life)
		}
		for _, u := range a.SortedUnits() {
			if u.Number >= units {
				u.Destroy()
			}
		}
		for len(a.Units) < units {
			a.AddUnit()
		}
		return nil
	})
	m.keep()
	return err
}

// SetConfig is juju config <application> key=value... --reset key,...
func (m *Model) SetConfig(_ context.Context, application string, set map[string]string, reset []string) error {
	return m.change(application, "configure", func(a *state.Application) error { return a.SetConfig(set, reset) })
}

// Config is juju config <application>: the options with their defaults; one that is unset is empty.
func (m *Model) Config(_ context.Context, application string) (map[string]string, error) {
	values := map[string]string{}
	err := m.view(func() error {
		a, err := m.state.Application(application)
		if err != nil {
			return err
		}
		for name, value := range a.Settings() {
			values[name] = ""
			if value != nil {
				values[name] = fmt.Sprint(value)
			}
		}
		return nil
	})
	return values, err
}

// SetModelConfig is juju model-config key=value...
func (m *Model) SetModelConfig(_ context.Context, set map[string]string) error {
	err := m.state.Update(func() error {
		attributes := map[string]any{}
		for name, value := range set {
			attributes[name] = value
		}
		options, err := m.state.Config.Apply(attributes)
		if err == nil {
			m.state.Config = options
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot configure model: %w", err)
	}
	return nil
}

// Integrate is juju integrate; both ends are "application" or "application:endpoint".
func (m *Model) Integrate(_ context.Context, a, b string) error {
	err := m.state.Update(func() error {
		_, err := m.state.Integrate(a, b)
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot integrate %s with %s: %w", a, b, err)
	}
	return nil
}

// RemoveRelation is juju remove-relation. It returns when the relation is dying; Settle waits for the end.
func (m *Model) RemoveRelation(_ context.Context, a, b string) error {
	err := m.state.Update(func() error {
		r, err := m.state.RelationBetween(a, b)
		if err == nil {
			r.Destroy()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot remove relation of %s and %s: %w", a, b, err)
	}
	return nil
}

// Resolve is juju resolve, with or without --no-retry.
func (m *Model) Resolve(_ context.Context, unit string, retry bool) error {
	err := m.state.Update(func() error {
		u, err := m.state.Unit(unit)
		if err != nil {
			return err
		}
		if u.Agent.Status != "error" {
			return fmt.Errorf("unit %q is not in an error state", unit)
		}
		u.Resolved = params.ResolvedNoHooks
		if retry {
			u.Resolved = params.ResolvedRetryHooks
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot resolve %s: %w", unit, err)
	}
	return nil
}
