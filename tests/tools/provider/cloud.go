package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	garmerrors "github.com/cloudbase/garm-provider-common/errors"
	"github.com/cloudbase/garm-provider-common/params"
	"github.com/google/uuid"
)

// version is the interface version that GARM speaks with it.
const version = "v0.1.0"

// cloud answers GARM's calls (garm-provider-common execution/common/interface.go).
type cloud struct {
	store        store
	config       config
	controllerID string
}

// machine is what the cloud knows of an instance.
type machine struct {
	params.ProviderInstance
	Pool       string `json:"pool"`
	Controller string `json:"controller"`
}

// CreateInstance writes down the machine that a cloud would have booted.
func (c cloud) CreateInstance(_ context.Context, bootstrap params.BootstrapInstance) (params.ProviderInstance, error) {
	for _, field := range []struct{ name, value string }{{"image", bootstrap.Image}, {"flavor", bootstrap.Flavor}} {
		if field.value == "" {
			return params.ProviderInstance{}, fmt.Errorf("cannot create %s: missing %s", bootstrap.Name, field.name)
		}
	}
	data, err := userData(bootstrap, c.config)
	if err != nil {
		return params.ProviderInstance{}, fmt.Errorf("cannot create %s: %w", bootstrap.Name, err)
	}
	raw, err := json.MarshalIndent(bootstrap, "", "  ")
	if err != nil {
		return params.ProviderInstance{}, err
	}
	env, err := json.MarshalIndent(environ(), "", "  ")
	if err != nil {
		return params.ProviderInstance{}, err
	}
	m := machine{
		ProviderInstance: params.ProviderInstance{
			ProviderID: uuid.NewString(),
			Name:       bootstrap.Name,
			OSType:     bootstrap.OSType,
			OSArch:     bootstrap.OSArch,
			Status:     params.InstanceRunning,
		},
		Pool:       bootstrap.PoolID,
		Controller: c.controllerID,
	}
	return m.ProviderInstance, c.store.create(m, map[string][]byte{
		"bootstrap.json": raw,
		"user-data":      []byte(data),
		"env.json":       env,
		"provider.toml":  c.config.file,
		"clouds.yaml":    c.config.cloudsFile,
	})
}

// GetInstance finds a machine by its name or its provider id.
func (c cloud) GetInstance(_ context.Context, instance string) (params.ProviderInstance, error) {
	m, err := c.store.find(instance)
	return m.ProviderInstance, err
}

// DeleteInstance is not an error when there is no such machine.
func (c cloud) DeleteInstance(_ context.Context, instance string) error {
	m, err := c.store.find(instance)
	if errors.Is(err, garmerrors.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.store.remove(m.Name)
}

// ListInstances returns this controller's machines of one pool.
func (c cloud) ListInstances(_ context.Context, poolID string) ([]params.ProviderInstance, error) {
	all, err := c.store.machines()
	list := []params.ProviderInstance{}
	for _, m := range all {
		if m.Controller == c.controllerID && m.Pool == poolID {
			list = append(list, m.ProviderInstance)
		}
	}
	return list, err
}

// RemoveAllInstances deletes all machines of this controller.
func (c cloud) RemoveAllInstances(context.Context) error {
	all, err := c.store.machines()
	for _, m := range all {
		if m.Controller == c.controllerID {
			err = errors.Join(err, c.store.remove(m.Name))
		}
	}
	return err
}

// Stop marks a machine stopped.
func (c cloud) Stop(_ context.Context, instance string, _ bool) error {
	return c.setStatus(instance, params.InstanceStopped)
}

// Start marks a machine running.
func (c cloud) Start(_ context.Context, instance string) error {
	return c.setStatus(instance, params.InstanceRunning)
}

// GetVersion names the interface version.
func (c cloud) GetVersion(context.Context) string { return version }

func (c cloud) setStatus(instance string, status params.InstanceStatus) error {
	m, err := c.store.find(instance)
	if err != nil {
		return err
	}
	m.Status = status
	return c.store.save(m)
}

func environ() map[string]string {
	env := map[string]string{}
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	return env
}
