package apiserver

import (
	"context"
	"fmt"
	"strconv"

	apiservererrors "github.com/juju/juju/apiserver/errors"
	"github.com/juju/juju/rpc/params"
	"github.com/juju/names/v5"

	"github.com/garm-charms/garm-charms/tests/juju"
)

// Application is the facade of deployments.
type Application struct{ s *Server }

// uploaded is the archive of a charm, and the images of resources, that were uploaded before.
func (s *Server) uploaded(url string, pending map[string]string) (archive string, images map[string]string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	archive, known := s.charms[url]
	if !known {
		return "", nil, fmt.Errorf("charm %q not found", url)
	}
	images = map[string]string{}
	for resource, id := range pending {
		if images[resource] = s.images[id]; images[resource] == "" {
			return "", nil, fmt.Errorf("resource %q was not uploaded", resource)
		}
	}
	return archive, images, nil
}

// Deploy deploys what was uploaded.
func (a *Application) Deploy(ctx context.Context, args params.ApplicationsDeploy) (params.ErrorResults, error) {
	return errorResults(args.Applications, func(d params.ApplicationDeploy) error {
		if d.CharmOrigin == nil || d.CharmOrigin.Source != "local" || d.CharmOrigin.Architecture == "" || d.CharmOrigin.Base.Channel == "" {
			return fmt.Errorf("charm origin %v is incomplete", d.CharmOrigin)
		}
		archive, images, err := a.s.uploaded(d.CharmURL, d.Resources)
		if err != nil {
			return err
		}
		deployment := juju.Deployment{
			Charm: archive, Application: d.ApplicationName, Units: d.NumUnits, Config: map[string]string{}, Storage: map[string]string{}, Resources: images,
		}
		for key, value := range d.Config {
			if key == "trust" {
				deployment.Trust = value == "true"
				continue
			}
			deployment.Config[key] = value
		}
		for name, directive := range d.Storage {
			deployment.Storage[name] = strconv.FormatUint(directive.Size, 10) + "M"
		}
		return a.s.model.Deploy(ctx, deployment)
	}), nil
}

// SetCharm refreshes an application.
func (a *Application) SetCharm(ctx context.Context, args params.ApplicationSetCharm) error {
	archive, images, err := a.s.uploaded(args.CharmURL, args.ResourceIDs)
	if err != nil {
		return err
	}
	return a.s.model.Refresh(ctx, args.ApplicationName, archive, images)
}

// DestroyApplication removes applications.
func (a *Application) DestroyApplication(ctx context.Context, args params.DestroyApplicationsParams) (params.DestroyApplicationResults, error) {
	var results params.DestroyApplicationResults
	for _, d := range args.Applications {
		tag, err := names.ParseApplicationTag(d.ApplicationTag)
		if err == nil {
			err = a.s.model.RemoveApplication(ctx, tag.Id())
		}
		results.Results = append(results.Results, params.DestroyApplicationResult{Error: apiservererrors.ServerError(err)})
	}
	return results, nil
}

// ScaleApplications scales applications.
func (a *Application) ScaleApplications(ctx context.Context, args params.ScaleApplicationsParams) (params.ScaleApplicationResults, error) {
	var results params.ScaleApplicationResults
	for _, scale := range args.Applications {
		tag, err := names.ParseApplicationTag(scale.ApplicationTag)
		if err == nil {
			err = a.s.model.Scale(ctx, tag.Id(), scale.Scale)
		}
		results.Results = append(results.Results, params.ScaleApplicationResult{
			Error: apiservererrors.ServerError(err), Info: &params.ScaleApplicationInfo{Scale: scale.Scale},
		})
	}
	return results, nil
}

// ResolveUnitErrors resolves failed hooks.
func (a *Application) ResolveUnitErrors(ctx context.Context, args params.UnitsResolved) (params.ErrorResults, error) {
	return errorResults(args.Tags.Entities, func(e params.Entity) error {
		tag, err := names.ParseUnitTag(e.Tag)
		if err != nil {
			return err
		}
		return a.s.model.Resolve(ctx, tag.Id(), args.Retry)
	}), nil
}

// SetConfigs sets options.
func (a *Application) SetConfigs(ctx context.Context, args params.ConfigSetArgs) (params.ErrorResults, error) {
	return errorResults(args.Args, func(c params.ConfigSet) error { return a.s.model.SetConfig(ctx, c.ApplicationName, c.Config, nil) }), nil
}

// UnsetApplicationsConfig resets options.
func (a *Application) UnsetApplicationsConfig(ctx context.Context, args params.ApplicationConfigUnsetArgs) (params.ErrorResults, error) {
	return errorResults(args.Args, func(c params.ApplicationUnset) error {
		return a.s.model.SetConfig(ctx, c.ApplicationName, nil, c.Options)
	}), nil
}

// Get returns an application's options. One that has neither a value nor a default has no value.
func (a *Application) Get(ctx context.Context, args params.ApplicationGet) (params.ApplicationGetResults, error) {
	values, err := a.s.model.Config(ctx, args.ApplicationName)
	if err != nil {
		return params.ApplicationGetResults{}, err
	}
	results := params.ApplicationGetResults{Application: args.ApplicationName, CharmConfig: map[string]any{}}
	for name, value := range values {
		option := map[string]any{"type": "string", "source": "user"}
		if value != "" {
			option["value"] = value
		}
		results.CharmConfig[name] = option
	}
	return results, nil
}

// AddRelation integrates two applications.
func (a *Application) AddRelation(ctx context.Context, args params.AddRelation) (params.AddRelationResults, error) {
	if len(args.Endpoints) != 2 {
		return params.AddRelationResults{}, fmt.Errorf("expected two endpoints, got %v", args.Endpoints)
	}
	return params.AddRelationResults{}, a.s.model.Integrate(ctx, args.Endpoints[0], args.Endpoints[1])
}

// DestroyRelation removes a relation.
func (a *Application) DestroyRelation(ctx context.Context, args params.DestroyRelation) error {
	if len(args.Endpoints) != 2 {
		return fmt.Errorf("expected two endpoints, got %v", args.Endpoints)
	}
	return a.s.model.RemoveRelation(ctx, args.Endpoints[0], args.Endpoints[1])
}

// UnitsInfo shows units with their relations. Juju has a unit's own databag among those of the relation's units.
func (a *Application) UnitsInfo(ctx context.Context, args params.Entities) (params.UnitInfoResults, error) {
	var results params.UnitInfoResults
	for _, e := range args.Entities {
		tag, err := names.ParseUnitTag(e.Tag)
		var info juju.UnitInfo
		if err == nil {
			info, err = a.s.model.ShowUnit(ctx, tag.Id())
		}
		if err != nil {
			results.Results = append(results.Results, params.UnitInfoResult{Error: apiservererrors.ServerError(err)})
			continue
		}
		unit := &params.UnitResult{Tag: e.Tag, Charm: info.Charm, Leader: info.Leader, Address: info.Address, Life: "alive"}
		for _, r := range info.Relations {
			unit.RelationData = append(unit.RelationData, relationData(info.Unit, r))
		}
		results.Results = append(results.Results, params.UnitInfoResult{Result: unit})
	}
	return results, nil
}

func relationData(unit string, r juju.RelationInfo) params.EndpointRelationData {
	data := params.EndpointRelationData{
		RelationId: r.ID, Endpoint: r.Endpoint, RelatedEndpoint: r.RelatedEndpoint, ApplicationData: anys(r.Application),
		UnitRelationData: map[string]params.RelationData{unit: {InScope: true, UnitData: anys(r.Local)}},
	}
	for name, bag := range r.Units {
		data.UnitRelationData[name] = params.RelationData{InScope: true, UnitData: anys(bag)}
	}
	return data
}

func anys(values map[string]string) map[string]any {
	out := map[string]any{}
	for key, value := range values {
		out[key] = value
	}
	return out
}
