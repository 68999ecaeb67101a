package api

import (
	"github.com/juju/errors"
	apiservererrors "github.com/juju/juju/apiserver/errors"
	"github.com/juju/juju/core/life"
	"github.com/juju/juju/core/network"
	"github.com/juju/juju/rpc/params"
	"github.com/juju/names/v5"

	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
)

// Uniter is the unit agent's main facade (apiserver/facades/agent/uniter, version 19).
type Uniter struct {
	s *Session
}

// CurrentModel names the model.
func (f *Uniter) CurrentModel() (params.ModelResult, error) {
	return params.ModelResult{Name: f.s.model.Name, UUID: f.s.model.UUID, Type: "caas"}, nil
}

// ModelConfig gives the model's options.
func (f *Uniter) ModelConfig() (params.ModelConfigResult, error) {
	var result params.ModelConfigResult
	f.s.model.View(func() { result.Config = f.s.model.Config.AllAttrs() })
	return result, nil
}

// WatchForModelConfigChanges watches the model's options.
func (f *Uniter) WatchForModelConfigChanges() (params.NotifyWatchResult, error) {
	var result params.NotifyWatchResult
	f.s.model.View(func() { result = notify(f.s, func() any { return f.s.model.Config }) })
	return result, nil
}

// SLALevel is the model's support level.
func (f *Uniter) SLALevel() (params.StringResult, error) {
	return params.StringResult{Result: "unsupported"}, nil
}

// CloudAPIVersion is the version of the cloud's API.
func (f *Uniter) CloudAPIVersion() (params.StringResult, error) {
	return params.StringResult{Result: "1.31.0"}, nil
}

// APIAddresses are the controller's.
func (f *Uniter) APIAddresses() (params.StringsResult, error) {
	return params.StringsResult{Result: []string{"controller-service.controller-test.svc.cluster.local:17070"}}, nil
}

// Life tells the life of the unit and of its application.
func (f *Uniter) Life(args params.Entities) (params.LifeResults, error) {
	return params.LifeResults{Results: bulk(f.s, false, args.Entities, func(e params.Entity) params.LifeResult {
		if e.Tag == f.app() {
			a, err := f.s.model.Application(f.appName())
			if err != nil {
				return params.LifeResult{Error: fault(err)}
			}
			return params.LifeResult{Life: a.Life}
		}
		u, err := f.s.own(e.Tag)
		if err != nil {
			return params.LifeResult{Error: fault(err)}
		}
		return params.LifeResult{Life: u.Life}
	})}, nil
}

func (f *Uniter) appName() string {
	name, _ := names.UnitApplication(f.s.unit.Id())
	return name
}

func (f *Uniter) app() string { return names.NewApplicationTag(f.appName()).String() }

// ownApp gives the session's application when tag is that or its unit.
func (f *Uniter) ownApp(tag string) (*state.Application, error) {
	if tag != f.app() && tag != f.s.unit.String() {
		return nil, apiservererrors.ErrPerm
	}
	return f.s.model.Application(f.appName())
}

// Refresh gives the unit's life and whether the operator resolved its error.
func (f *Uniter) Refresh(args params.Entities) (params.UnitRefreshResults, error) {
	return params.UnitRefreshResults{Results: units(f.s, args, func(u *state.Unit) params.UnitRefreshResult {
		return params.UnitRefreshResult{Life: u.Life, Resolved: u.Resolved, ProviderID: f.s.unit.String()[len("unit-"):]}
	}, func(e *params.Error) params.UnitRefreshResult { return params.UnitRefreshResult{Error: e} })}, nil
}

// Watch watches the unit or its application.
func (f *Uniter) Watch(args params.Entities) (params.NotifyWatchResults, error) {
	return params.NotifyWatchResults{Results: bulk(f.s, false, args.Entities, func(e params.Entity) params.NotifyWatchResult {
		if e.Tag == f.app() {
			return notify(f.s, f.describeApplication)
		}
		if _, err := f.s.own(e.Tag); err != nil {
			return params.NotifyWatchResult{Error: fault(err)}
		}
		return notify(f.s, f.describeUnit)
	})}, nil
}

type described struct {
	life     life.Value
	resolved params.ResolvedMode
	charm    string
	version  int
}

func (f *Uniter) describeUnit() described {
	u, err := f.s.model.Unit(f.s.unit.Id())
	if err != nil {
		return described{life: life.Dead}
	}
	return described{life: u.Life, resolved: u.Resolved, charm: u.CharmURL}
}

func (f *Uniter) describeApplication() described {
	a, err := f.s.model.Application(f.appName())
	if err != nil {
		return described{life: life.Dead}
	}
	return described{life: a.Life, charm: a.Charm.URL, version: a.Version}
}

// CharmURL is the charm of the unit or of its application.
func (f *Uniter) CharmURL(args params.Entities) (params.StringBoolResults, error) {
	return params.StringBoolResults{Results: bulk(f.s, false, args.Entities, func(e params.Entity) params.StringBoolResult {
		a, err := f.ownApp(e.Tag)
		if err != nil {
			return params.StringBoolResult{Error: fault(err)}
		}
		if e.Tag == f.app() {
			return params.StringBoolResult{Result: a.Charm.URL}
		}
		u, err := f.s.own(e.Tag)
		if err != nil {
			return params.StringBoolResult{Error: fault(err)}
		}
		return params.StringBoolResult{Result: u.CharmURL, Ok: u.CharmURL != ""}
	})}, nil
}

// SetCharmURL records the charm that the unit runs.
func (f *Uniter) SetCharmURL(args params.EntitiesCharmURL) (params.ErrorResults, error) {
	return changes(f.s, args.Entities, func(e params.EntityCharmURL) error {
		u, err := f.s.own(e.Tag)
		if err == nil {
			u.CharmURL = e.CharmURL
		}
		return err
	}), nil
}

// CharmModifiedVersion is the version that pods are made for.
func (f *Uniter) CharmModifiedVersion(args params.Entities) (params.IntResults, error) {
	return params.IntResults{Results: bulk(f.s, false, args.Entities, func(e params.Entity) params.IntResult {
		a, err := f.ownApp(e.Tag)
		if err != nil {
			return params.IntResult{Error: fault(err)}
		}
		return params.IntResult{Result: a.Version}
	})}, nil
}

// CharmArchiveSha256 is the digest of a charm that the application has.
func (f *Uniter) CharmArchiveSha256(args params.CharmURLs) (params.StringResults, error) {
	return params.StringResults{Results: bulk(f.s, false, args.URLs, func(c params.CharmURL) params.StringResult {
		a, err := f.s.model.Application(f.appName())
		if err == nil && a.Charm.URL != c.URL {
			err = apiservererrors.ErrPerm
		}
		if err != nil {
			return params.StringResult{Error: fault(err)}
		}
		return params.StringResult{Result: a.Charm.SHA256}
	})}, nil
}

// ConfigSettings are the options as config-get gives them.
func (f *Uniter) ConfigSettings(args params.Entities) (params.ConfigSettingsResults, error) {
	return params.ConfigSettingsResults{Results: units(f.s, args, func(u *state.Unit) params.ConfigSettingsResult {
		return params.ConfigSettingsResult{Settings: params.ConfigSettings(u.Settings())}
	}, func(e *params.Error) params.ConfigSettingsResult { return params.ConfigSettingsResult{Error: e} })}, nil
}

// WatchConfigSettingsHash watches the options.
func (f *Uniter) WatchConfigSettingsHash(args params.Entities) (params.StringsWatchResults, error) {
	return f.watchHash(args, (*state.Unit).ConfigHash)
}

// WatchTrustConfigSettingsHash watches the application's trust.
func (f *Uniter) WatchTrustConfigSettingsHash(args params.Entities) (params.StringsWatchResults, error) {
	return f.watchHash(args, func(u *state.Unit) string { return u.App.TrustHash() })
}

// WatchUnitAddressesHash watches the address of the application's service, which never changes in Kubernetes.
func (f *Uniter) WatchUnitAddressesHash(args params.Entities) (params.StringsWatchResults, error) {
	return f.watchHash(args, func(u *state.Unit) string { return u.App.Name })
}

func (f *Uniter) watchHash(args params.Entities, of func(*state.Unit) string) (params.StringsWatchResults, error) {
	now := func() string {
		if u, err := f.s.model.Unit(f.s.unit.Id()); err == nil {
			return of(u)
		}
		return ""
	}
	return f.watchStrings(args, func() params.StringsWatchResult { return hashes(f.s, now) })
}

func (f *Uniter) watchStrings(args params.Entities, start func() params.StringsWatchResult) (params.StringsWatchResults, error) {
	return params.StringsWatchResults{Results: units(f.s, args, func(*state.Unit) params.StringsWatchResult {
		return start()
	}, func(e *params.Error) params.StringsWatchResult { return params.StringsWatchResult{Error: e} })}, nil
}

// ClearResolved takes the operator's mark from the unit.
func (f *Uniter) ClearResolved(args params.Entities) (params.ErrorResults, error) {
	return f.change(args, func(u *state.Unit) error {
		u.Resolved = params.ResolvedNone
		return nil
	})
}

func (f *Uniter) change(args params.Entities, do func(*state.Unit) error) (params.ErrorResults, error) {
	return changes(f.s, args.Entities, func(e params.Entity) error {
		u, err := f.s.own(e.Tag)
		if err != nil {
			return err
		}
		return do(u)
	}), nil
}

// EnsureDead ends the unit's life.
func (f *Uniter) EnsureDead(args params.Entities) (params.ErrorResults, error) {
	return f.change(args, (*state.Unit).EnsureDead)
}

// Destroy makes the unit dying.
func (f *Uniter) Destroy(args params.Entities) (params.ErrorResults, error) {
	return f.change(args, func(u *state.Unit) error {
		u.Destroy()
		return nil
	})
}

// GetPrincipal answers that the unit is nobody's subordinate: Kubernetes models have none.
func (f *Uniter) GetPrincipal(args params.Entities) (params.StringBoolResults, error) {
	return params.StringBoolResults{Results: make([]params.StringBoolResult, len(args.Entities))}, nil
}

// HasSubordinates answers that the unit has none.
func (f *Uniter) HasSubordinates(args params.Entities) (params.BoolResults, error) {
	return params.BoolResults{Results: make([]params.BoolResult, len(args.Entities))}, nil
}

// CanApplyLXDProfile answers that there is no LXD.
func (f *Uniter) CanApplyLXDProfile(args params.Entities) (params.BoolResults, error) {
	return params.BoolResults{Results: make([]params.BoolResult, len(args.Entities))}, nil
}

// GetMeterStatus answers that nothing is metered.
func (f *Uniter) GetMeterStatus(args params.Entities) (params.MeterStatusResults, error) {
	return params.MeterStatusResults{Results: units(f.s, args, func(*state.Unit) params.MeterStatusResult {
		return params.MeterStatusResult{Code: "AMBER", Info: "not set"}
	}, func(e *params.Error) params.MeterStatusResult { return params.MeterStatusResult{Error: e} })}, nil
}

// NetworkInfo is what network-get shows: the pod's address.
func (f *Uniter) NetworkInfo(args params.NetworkInfoParams) (params.NetworkInfoResults, error) {
	result := params.NetworkInfoResults{Results: map[string]params.NetworkInfoResult{}}
	var err error
	f.s.model.View(func() {
		var u *state.Unit
		if u, err = f.s.own(args.Unit); err == nil {
			f.fillNetwork(u, args, result.Results)
		}
	})
	return result, err
}

func (f *Uniter) fillNetwork(u *state.Unit, args params.NetworkInfoParams, results map[string]params.NetworkInfoResult) {
	info := params.NetworkInfoResult{
		Info:             []params.NetworkInfo{{Addresses: []params.InterfaceAddress{{Address: u.Address}}}},
		IngressAddresses: []string{u.Address},
		EgressSubnets:    network.SubnetsForAddresses([]string{u.Address}),
	}
	relations := u.App.Charm.Archive.Meta().CombinedRelations()
	bindings := u.App.Charm.Archive.Meta().ExtraBindings
	for _, endpoint := range args.Endpoints {
		_, related := relations[endpoint]
		_, bound := bindings[endpoint]
		if endpoint != "" && !related && !bound && endpoint != "juju-info" {
			err := errors.NotValidf("undefined for unit charm: endpoint %q", endpoint)
			results[endpoint] = params.NetworkInfoResult{Error: fault(err)}
			continue
		}
		results[endpoint] = info
	}
}

// PublicAddress is the pod's address.
func (f *Uniter) PublicAddress(args params.Entities) (params.StringResults, error) {
	return params.StringResults{Results: units(f.s, args, func(u *state.Unit) params.StringResult {
		return params.StringResult{Result: u.Address}
	}, func(e *params.Error) params.StringResult { return params.StringResult{Error: e} })}, nil
}

// PrivateAddress is the pod's address.
func (f *Uniter) PrivateAddress(args params.Entities) (params.StringResults, error) {
	return f.PublicAddress(args)
}

// OpenedPortRangesByEndpoint lists what the unit has opened.
func (f *Uniter) OpenedPortRangesByEndpoint() (params.OpenPortRangesByEndpointResults, error) {
	ranges := map[string][]params.OpenUnitPortRangesByEndpoint{}
	f.s.model.View(func() {
		u, err := f.s.model.Unit(f.s.unit.Id())
		if err != nil {
			return
		}
		by := map[string][]params.PortRange{}
		for p := range u.Ports {
			by[p.Endpoint] = append(by[p.Endpoint], params.PortRange{FromPort: p.From, ToPort: p.To, Protocol: p.Protocol})
		}
		for _, endpoint := range sorted(by) {
			ranges[f.s.unit.String()] = append(ranges[f.s.unit.String()],
				params.OpenUnitPortRangesByEndpoint{Endpoint: endpoint, PortRanges: by[endpoint]})
		}
	})
	return params.OpenPortRangesByEndpointResults{
		Results: []params.OpenPortRangesByEndpointResult{{UnitPortRanges: ranges}},
	}, nil
}
