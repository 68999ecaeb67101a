package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/juju/charm/v12"
	charmresource "github.com/juju/charm/v12/resource"
	"github.com/juju/juju/api/client/application"
	"github.com/juju/juju/api/client/charms"
	"github.com/juju/juju/api/client/modelconfig"
	"github.com/juju/juju/api/client/resources"
	apicharm "github.com/juju/juju/api/common/charm"
	corebase "github.com/juju/juju/core/base"
	"github.com/juju/juju/core/model"
	"github.com/juju/juju/storage"
	"github.com/juju/version/v2"

	"github.com/garm-charms/garm-charms/tests/juju"
)

func (m *Model) applications() *application.Client { return application.NewClient(m.conn) }

// Deploy is juju deploy.
func (m *Model) Deploy(_ context.Context, d juju.Deployment) error {
	id, meta, err := m.upload(d.Charm)
	if err != nil {
		return fmt.Errorf("cannot deploy %s: %w", d.Application, err)
	}
	pending, err := m.uploadImages(d.Application, meta, d.Resources)
	if err != nil {
		return fmt.Errorf("cannot deploy %s: %w", d.Application, err)
	}
	directives := map[string]storage.Constraints{}
	for name, text := range d.Storage {
		if directives[name], err = storage.ParseConstraints(text); err != nil {
			return fmt.Errorf("cannot deploy %s: %w", d.Application, err)
		}
	}
	config := maps.Clone(d.Config)
	if d.Trust {
		if config == nil {
			config = map[string]string{}
		}
		config["trust"] = "true"
	}
	err = m.applications().Deploy(application.DeployArgs{
		CharmID: id, CharmOrigin: id.Origin, ApplicationName: d.Application, NumUnits: d.Units, Config: config,
		Storage: directives, Resources: pending,
	})
	if err != nil {
		return fmt.Errorf("cannot deploy %s: %w", d.Application, err)
	}
	return nil
}

// upload gives the controller a packed charm.
func (m *Model) upload(path string) (id application.CharmID, meta *charm.Meta, err error) {
	archive, err := charm.ReadCharmArchive(path)
	if err != nil {
		return id, nil, fmt.Errorf("cannot read charm: %w", err)
	}
	manifest := archive.Manifest()
	if manifest == nil || len(manifest.Bases) == 0 {
		return id, nil, fmt.Errorf("cannot use %s: its manifest has no base", path)
	}
	first := manifest.Bases[0]
	base, err := corebase.ParseBase(first.Name, first.Channel.String())
	if err != nil {
		return id, nil, fmt.Errorf("cannot use %s: %w", path, err)
	}
	client, err := charms.NewLocalCharmClient(m.conn)
	if err != nil {
		return id, nil, fmt.Errorf("cannot upload charm: %w", err)
	}
	agent, _ := m.conn.ServerVersion()
	url, err := client.AddLocalCharm(&charm.URL{Schema: "local", Name: archive.Meta().Name}, archive, false, releaseOf(agent))
	if err != nil {
		return id, nil, fmt.Errorf("cannot upload charm: %w", err)
	}
	id = application.CharmID{URL: url.String(), Origin: apicharm.Origin{Source: apicharm.OriginLocal, Base: base}}
	if len(first.Architectures) > 0 {
		id.Origin.Architecture = first.Architectures[0]
	}
	return id, archive.Meta(), nil
}

// releaseOf is the version without its build.
func releaseOf(v version.Number) version.Number {
	v.Build = 0
	return v
}

// uploadImages gives the controller the references of the images, and returns its IDs for them by resource.
func (m *Model) uploadImages(app string, meta *charm.Meta, given map[string]string) (map[string]string, error) {
	client, err := resources.NewClient(m.conn)
	if err != nil {
		return nil, fmt.Errorf("cannot upload resources: %w", err)
	}
	pending := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		described, known := meta.Resources[name]
		if !known {
			return nil, fmt.Errorf("cannot upload resource %s: the charm has none of that name", name)
		}
		text, err := m.image(given[name])
		if err != nil {
			return nil, err
		}
		resource := charmresource.Resource{Meta: described, Origin: charmresource.OriginUpload}
		if pending[name], err = client.UploadPendingResource(app, resource, name+".json", bytes.NewReader(text)); err != nil {
			return nil, fmt.Errorf("cannot upload resource %s: %w", name, err)
		}
	}
	return pending, nil
}

// image is what Juju wants of an OCI image as a resource (core/resources/docker.go). Scenarios name images by paths in the
// operator's directory.
func (m *Model) image(path string) ([]byte, error) {
	reference, known := m.images[filepath.Base(path)]
	if !known {
		return nil, fmt.Errorf("cannot find an image for %s: there are %v", filepath.Base(path), slices.Sorted(maps.Keys(m.images)))
	}
	return json.Marshal(map[string]string{"ImageName": reference})
}

// Refresh is juju refresh --path; without a path the application keeps its charm and gets new resources.
func (m *Model) Refresh(_ context.Context, app, path string, images map[string]string) error {
	if path == "" {
		return m.attach(app, images)
	}
	id, meta, err := m.upload(path)
	if err != nil {
		return fmt.Errorf("cannot refresh %s: %w", app, err)
	}
	pending, err := m.uploadImages(app, meta, images)
	if err != nil {
		return fmt.Errorf("cannot refresh %s: %w", app, err)
	}
	err = m.applications().SetCharm(model.GenerationMaster, application.SetCharmConfig{ApplicationName: app, CharmID: id, ResourceIDs: pending})
	if err != nil {
		return fmt.Errorf("cannot refresh %s: %w", app, err)
	}
	return nil
}

func (m *Model) attach(app string, images map[string]string) error {
	client, err := resources.NewClient(m.conn)
	if err != nil {
		return fmt.Errorf("cannot attach resources to %s: %w", app, err)
	}
	for _, name := range slices.Sorted(maps.Keys(images)) {
		text, err := m.image(images[name])
		if err != nil {
			return err
		}
		if err := client.Upload(app, name, name+".json", "", bytes.NewReader(text)); err != nil {
			return fmt.Errorf("cannot attach resource %s to %s: %w", name, app, err)
		}
	}
	return nil
}

// RemoveApplication is juju remove-application --destroy-storage.
func (m *Model) RemoveApplication(_ context.Context, app string) error {
	results, err := m.applications().DestroyApplications(application.DestroyApplicationsParams{Applications: []string{app}, DestroyStorage: true})
	if err == nil && len(results) == 1 && results[0].Error != nil {
		err = results[0].Error
	}
	if err != nil {
		return fmt.Errorf("cannot remove %s: %w", app, err)
	}
	return nil
}

// Scale is juju scale-application.
func (m *Model) Scale(_ context.Context, app string, units int) error {
	result, err := m.applications().ScaleApplication(application.ScaleApplicationParams{ApplicationName: app, Scale: units})
	if err == nil && result.Error != nil {
		err = result.Error
	}
	if err != nil {
		return fmt.Errorf("cannot scale %s: %w", app, err)
	}
	return nil
}

// Resolve is juju resolve, with or without --no-retry.
func (m *Model) Resolve(_ context.Context, unit string, retry bool) error {
	if err := m.applications().ResolveUnitErrors([]string{unit}, false, retry); err != nil {
		return fmt.Errorf("cannot resolve %s: %w", unit, err)
	}
	return nil
}

// SetConfig is juju config key=value... --reset key,...
func (m *Model) SetConfig(_ context.Context, app string, set map[string]string, reset []string) error {
	var errs []error
	if len(reset) > 0 {
		errs = append(errs, m.applications().UnsetApplicationConfig(model.GenerationMaster, app, reset))
	}
	if len(set) > 0 {
		errs = append(errs, m.applications().SetConfig(model.GenerationMaster, app, "", set))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot configure %s: %w", app, err)
	}
	return nil
}

// Config is juju config: the options with their defaults; one that is unset is empty.
func (m *Model) Config(_ context.Context, app string) (map[string]string, error) {
	got, err := m.applications().Get(model.GenerationMaster, app)
	if err != nil {
		return nil, fmt.Errorf("cannot read configuration of %s: %w", app, err)
	}
	values := map[string]string{}
	for name, described := range got.CharmConfig {
		values[name] = ""
		if option, is := described.(map[string]any); is && option["value"] != nil {
			values[name] = fmt.Sprint(option["value"])
		}
	}
	return values, nil
}

// SetModelConfig is juju model-config key=value...
func (m *Model) SetModelConfig(_ context.Context, set map[string]string) error {
	values := map[string]any{}
	for key, value := range set {
		values[key] = value
	}
	if err := modelconfig.NewClient(m.conn).ModelSet(values); err != nil {
		return fmt.Errorf("cannot configure model %s: %w", m.name, err)
	}
	return nil
}

// Integrate is juju integrate.
func (m *Model) Integrate(_ context.Context, a, b string) error {
	if _, err := m.applications().AddRelation([]string{a, b}, nil); err != nil {
		return fmt.Errorf("cannot integrate %s with %s: %w", a, b, err)
	}
	return nil
}

// RemoveRelation is juju remove-relation.
func (m *Model) RemoveRelation(_ context.Context, a, b string) error {
	if err := m.applications().DestroyRelation(nil, nil, a, b); err != nil {
		return fmt.Errorf("cannot remove relation of %s and %s: %w", a, b, err)
	}
	return nil
}
