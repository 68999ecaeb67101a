// Package live is a model on a live Juju controller, as far as the juju command of scenarios needs one. It makes Juju's own
// client calls (github.com/juju/juju/api).
//
// It knows nothing of any charm.
package live

import (
	"context"
	"fmt"
	"time"

	"github.com/juju/juju/api"
	"github.com/juju/juju/api/client/modelmanager"
	"github.com/juju/juju/api/connector"
	"github.com/juju/juju/juju/osenv"
	"github.com/juju/juju/jujuclient"
	"github.com/juju/names/v5"
)

// Controller is where models are added.
type Controller struct {
	// Store knows the controller and its user; nil is the caller's own, as the juju command has it.
	Store jujuclient.ClientStore
	// Name is the controller's; empty is the current one.
	Name string
	// Images are what an operator's directory has for scenarios, by name: references of OCI images.
	Images map[string]string
}

// Model is a model that was added for a test.
type Model struct {
	name       string
	tag        names.ModelTag
	images     map[string]string
	controller api.Connection
	conn       api.Connection
}

// updateStatus is how often the model's units have update-status; scenarios wait for it.
const updateStatus = "10s"

// AddModel adds an empty model of that name. Close ends the connection to it, Destroy ends the model.
func (c Controller) AddModel(name string) (*Model, error) {
	if c.Store == nil {
		osenv.SetJujuXDGDataHome(osenv.JujuXDGDataHomeDir())
		c.Store = jujuclient.NewFileClientStore()
	}
	if c.Name == "" {
		current, err := c.Store.CurrentController()
		if err != nil {
			return nil, fmt.Errorf("cannot find the current controller: %w", err)
		}
		c.Name = current
	}
	m := &Model{name: name, images: c.Images}
	account, err := c.Store.AccountDetails(c.Name)
	if err != nil {
		return nil, fmt.Errorf("cannot find the user of controller %s: %w", c.Name, err)
	}
	if m.controller, err = c.connect(""); err != nil {
		return nil, err
	}
	config := map[string]any{"update-status-hook-interval": updateStatus}
	info, err := modelmanager.NewClient(m.controller).CreateModel(name, account.User, "", "", names.CloudCredentialTag{}, config)
	if err != nil {
		_ = m.Close() // there is nothing to lose
		return nil, fmt.Errorf("cannot add model %s: %w", name, err)
	}
	m.tag = names.NewModelTag(info.UUID)
	if m.conn, err = c.connect(info.UUID); err != nil {
		return nil, err
	}
	return m, nil
}

func (c Controller) connect(model string) (api.Connection, error) {
	dialer, err := connector.NewClientStore(connector.ClientStoreConfig{ControllerName: c.Name, ModelUUID: model, ClientStore: c.Store})
	if err == nil {
		var conn api.Connection
		if conn, err = dialer.Connect(); err == nil {
			return conn, nil
		}
	}
	return nil, fmt.Errorf("cannot connect to controller %s: %w", c.Name, err)
}

// Name is the model's.
func (m *Model) Name() string { return m.name }

// Close ends the connections; the model stays.
func (m *Model) Close() error {
	var err error
	for _, conn := range []api.Connection{m.conn, m.controller} {
		if conn != nil {
			if closeErr := conn.Close(); err == nil {
				err = closeErr
			}
		}
	}
	return err
}

// Destroy removes the model with its storage. It returns when the controller has taken that up.
func (m *Model) Destroy() error {
	storage, force := true, true
	wait, limit := time.Minute, 10*time.Minute
	if err := modelmanager.NewClient(m.controller).DestroyModel(m.tag, &storage, &force, &wait, &limit); err != nil {
		return fmt.Errorf("cannot destroy model %s: %w", m.name, err)
	}
	return nil
}

// poll tries until it is done, fails or the context ends.
func poll(ctx context.Context, every time.Duration, try func() (done bool, err error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		done, err := try()
		if err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
