package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cloudbase/garm-provider-common/params"
	garmparams "github.com/cloudbase/garm/params"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/garmapi"
	"github.com/garm-charms/garm-charms/pkg/plan"
)

// Outcome is what became of a change.
type Outcome struct {
	plan.Change

	// Err is why the change was not made; nil when it was.
	Err error
}

// SkippedError says that a change was not tried because one that it needs failed.
type SkippedError struct{ Needed string }

func (e *SkippedError) Error() string { return "cannot go on without " + e.Needed }

// Report is what became of a plan.
type Report struct {
	Outcomes []Outcome
	// Inventory is what is the charm's own afterwards, for the next plan.
	Inventory plan.Inventory
	// TemplateIDs has the charm's templates by name, and GARM's own under the empty name.
	TemplateIDs map[string]uint
}

// Err is the first failure of a change that was tried, nil when there is none.
func (r Report) Err() error {
	for _, o := range r.Outcomes {
		var skipped *SkippedError
		if o.Err != nil && !errors.As(o.Err, &skipped) {
			return o.Err
		}
	}
	return nil
}

// Apply carries the changes out in their order, those of scale sets side by side. One that fails keeps those that need it
// from being tried, and no others; but once GARM does not answer in time, nothing more is tried: when GitHub hangs, GARM
// hangs with it, and every further change could take as long. When ctx ends, nothing more is begun, and what has begun is
// waited for: a scale set whose making is given up may be left on GitHub without one in GARM. Each change is logged once,
// with its reason.
func Apply(ctx context.Context, client *garmapi.Client, from Observation, p plan.Plan, inventory plan.Inventory, log *slog.Logger) Report {
	a := applier{
		client:    client,
		log:       log,
		failed:    map[string]bool{},
		templates: map[string]uint{"": from.System.ID},
		entities:  map[desired.EntityRef]string{},
		inUse:     map[string]bool{},
		inventory: inventory.Clone(),
	}
	for _, t := range from.Templates {
		a.templates[t.Name] = t.ID
	}
	for _, e := range from.Entities {
		a.entities[e.EntityRef] = e.ID
		a.inUse[e.Credential] = true
	}
	report := Report{Inventory: a.inventory, TemplateIDs: a.templates}
	for batch := range batches(p.Changes) {
		report.Outcomes = append(report.Outcomes, a.applyAll(ctx, batch)...)
	}
	return report
}

type applier struct {
	client    *garmapi.Client
	log       *slog.Logger
	templates map[string]uint
	entities  map[desired.EntityRef]string
	inUse     map[string]bool // credentials by name: GARM tries those on GitHub as soon as they change

	mu        sync.Mutex      // guards what follows
	failed    map[string]bool // names of objects
	hanging   bool            // GARM did not answer in time
	inventory plan.Inventory
}

func (a *applier) dispatch(ctx context.Context, c plan.Change) error {
	switch {
	case c.Endpoint != nil:
		return a.endpoint(ctx, c.Verb, *c.Endpoint)
	case c.Credential != nil:
		return a.credential(ctx, c.Verb, *c.Credential)
	case c.Entity != nil:
		return a.entity(ctx, c.Verb, *c.Entity)
	case c.Template != nil:
		return a.template(ctx, c)
	case c.ScaleSet != nil:
		return a.scaleSet(ctx, c)
	case c.Runner != nil:
		return a.client.DeleteInstance(ctx, c.Runner.Name)
	}
	return fmt.Errorf("cannot %s %s: the change names no object", c.Verb, c.Name)
}

func (a *applier) endpoint(ctx context.Context, verb plan.Verb, e desired.Endpoint) error {
	var certificate []byte
	if e.CACertificate != "" {
		certificate = []byte(e.CACertificate)
	}
	var err error
	switch verb {
	case plan.Delete:
		return a.client.DeleteEndpoint(ctx, e.Name)
	case plan.Create:
		_, err = a.client.CreateEndpoint(ctx, garmparams.CreateGithubEndpointParams{
			Name: e.Name, Description: e.Description, BaseURL: e.BaseURL, APIBaseURL: e.APIURL, UploadBaseURL: e.UploadURL, CACertBundle: certificate,
		})
	default:
		_, err = a.client.UpdateEndpoint(ctx, e.Name, garmparams.UpdateGithubEndpointParams{
			Description: &e.Description, BaseURL: &e.BaseURL, APIBaseURL: &e.APIURL, UploadBaseURL: &e.UploadURL, CACertBundle: certificate,
		})
	}
	return err
}

func (a *applier) credential(ctx context.Context, verb plan.Verb, c desired.Credential) error {
	if verb == plan.Delete {
		return a.client.DeleteCredential(ctx, c.ID)
	}
	body := garmapi.Credential{
		Name:        c.Name,
		Description: c.Description,
		Endpoint:    c.Endpoint,
		Token:       c.Token,
	}
	if c.Token.Empty() {
		body.App = &garmapi.App{ID: c.AppID, InstallationID: c.InstallationID, PrivateKey: c.PrivateKey}
	}
	var err error
	if verb == plan.Create {
		_, err = a.client.CreateCredential(ctx, body)
		return err
	}
	if _, err = a.client.UpdateCredential(ctx, c.ID, body); err != nil || !hasLimits(c.Endpoint) || !a.inUse[c.Name] {
		return err
	}
	return a.isLetIn(ctx, c)
}

const (
	letInLimit = 5 * time.Second
	letInPause = 300 * time.Millisecond // GARM shows what it knew of a credential before for a moment
)

// isLetIn waits until GitHub has answered GARM with a credential that is new to it.
func (a *applier) isLetIn(ctx context.Context, c desired.Credential) error {
	for range int(letInLimit / letInPause) {
		pause(ctx, letInPause)
		found, err := a.client.Credential(ctx, c.ID)
		if err != nil || found.RateLimit != nil {
			return err
		}
	}
	return fmt.Errorf("cannot use credential %s: GitHub refuses it, or did not answer GARM within %s", c.Name, letInLimit)
}

func (a *applier) entity(ctx context.Context, verb plan.Verb, e desired.Entity) error {
	kind := garmparams.ForgeEntityType(e.Kind)
	ref := garmapi.EntityRef{Kind: kind, ID: e.ID}
	switch verb {
	case plan.Create:
		created, err := a.client.CreateEntity(ctx, kind, e.Name, e.Credential)
		if err != nil {
			return err
		}
		a.entities[e.EntityRef] = created.ID
		a.inventory.Entities[created.ID] = true
		return nil
	case plan.Delete:
		if err := a.client.DeleteEntity(ctx, ref); err != nil {
			return err
		}
		delete(a.inventory.Entities, e.ID)
		return nil
	default:
		_, err := a.client.UpdateEntity(ctx, ref, e.Credential)
		return err
	}
}

// renew remembers since when the runners of the scale sets that a change renews are outdated, by GARM's clock.
func (a *applier) renew(c plan.Change, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range c.Renews {
		if owned, isOurs := a.inventory.ScaleSets[id]; isOurs {
			owned.Since, owned.Recipe = at, ""
			a.inventory.ScaleSets[id] = owned
		}
	}
}

func (a *applier) template(ctx context.Context, c plan.Change) error {
	t := *c.Template
	switch c.Verb {
	case plan.Create:
		created, err := a.client.CreateTemplate(ctx, garmparams.CreateTemplateParams{
			Name:        t.Name,
			Description: t.Description,
			Data:        t.Data,
			OSType:      params.Linux,
			ForgeType:   garmparams.GithubEndpointType,
		})
		if err != nil {
			return err
		}
		a.templates[t.Name] = created.ID
		return nil
	case plan.Delete:
		return a.client.DeleteTemplate(ctx, t.ID)
	default:
		updated, err := a.client.UpdateTemplate(ctx, t.ID, garmparams.UpdateTemplateParams{Description: &t.Description, Data: t.Data})
		if err == nil {
			a.renew(c, updated.UpdatedAt)
		}
		return err
	}
}

func (a *applier) scaleSet(ctx context.Context, c plan.Change) error {
	s := *c.ScaleSet
	switch c.Verb {
	case plan.Create:
		return a.createScaleSet(ctx, s)
	case plan.Update:
		return a.updateScaleSet(ctx, c)
	case plan.Drain:
		_, err := a.client.Drain(ctx, s.ID)
		return err
	default:
		err := a.client.DeleteScaleSet(ctx, s.ID)
		if errors.Is(err, garmapi.ErrStillThere) {
			// GARM makes it anew on GitHub when it starts, and can delete it then (GARM workers/scaleset/scaleset.go, Start).
			return fmt.Errorf("cannot delete %s: if GitHub does not have it any more, restart GARM: juju ssh --container app UNIT /charm/bin/pebble restart app: %w", s, err)
		}
		if err != nil {
			return err
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.inventory.ScaleSets, s.ID)
		return nil
	}
}

func (a *applier) createScaleSet(ctx context.Context, s desired.ScaleSet) error {
	template := a.templates[s.Template]
	owner := garmapi.EntityRef{Kind: garmparams.ForgeEntityType(s.Entity.Kind), ID: a.entities[s.Entity]}
	created, err := a.client.CreateScaleSet(ctx, owner, garmparams.CreateScaleSetParams{
		RunnerPrefix:           garmparams.RunnerPrefix{Prefix: s.RunnerPrefix},
		RunnerBootstrapTimeout: uint(s.BootstrapTimeout),

		Name:              s.Name,
		ProviderName:      s.Provider,
		MaxRunners:        uint(s.Max),
		MinIdleRunners:    uint(s.MinIdle),
		Image:             s.Image,
		Flavor:            s.Flavor,
		OSType:            params.Linux,
		OSArch:            params.OSArch(s.OSArch),
		Enabled:           s.Enabled,
		ExtraSpecs:        []byte(s.ExtraSpecs),
		GitHubRunnerGroup: s.RunnerGroup,
		TemplateID:        &template,
		Labels:            s.LabelList(),
	})
	if garmapi.IsConflict(err) {
		return fmt.Errorf("cannot create %s: GitHub has one of that name and GARM does not know it; delete it on GitHub, under Settings, Actions, Runners: %w", s, err)
	}
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inventory.ScaleSets[created.ID] = plan.Owned{Application: s.Application, Provider: s.Provider, ScaleSet: s.ScaleSetKey.String()}
	return bearsOut(created, s, template)
}

func (a *applier) updateScaleSet(ctx context.Context, c plan.Change) error {
	s := *c.ScaleSet
	template := a.templates[s.Template]
	minIdle, most, timeout := uint(s.MinIdle), uint(s.Max), uint(s.BootstrapTimeout)
	updated, err := a.client.UpdateScaleSet(ctx, s.ID, garmparams.UpdateScaleSetParams{
		RunnerPrefix:           garmparams.RunnerPrefix{Prefix: s.RunnerPrefix},
		RunnerBootstrapTimeout: &timeout,

		Enabled:           &s.Enabled,
		MaxRunners:        &most,
		MinIdleRunners:    &minIdle,
		Image:             s.Image,
		Flavor:            s.Flavor,
		OSArch:            params.OSArch(s.OSArch),
		ExtraSpecs:        []byte(s.ExtraSpecs),
		GitHubRunnerGroup: &s.RunnerGroup,
		TemplateID:        &template,
		ExtendedState:     reminder(s),
	})
	if err != nil {
		return err
	}
	a.renew(c, updated.UpdatedAt)
	return bearsOut(updated, s, template)
}

// reminder is what makes GARM look at a scale set again that it overlooks runners of: it takes up no request that changes
// nothing (GARM database/sql/scalesets.go, UpdateEntityScaleSet), and has no use of its own for this field.
func reminder(s desired.ScaleSet) *string {
	if s.Overlooked == 0 {
		return nil
	}
	text := "reminded of its runners at " + time.Now().UTC().Format(time.RFC3339)
	return &text
}

// bearsOut returns an error unless GARM's scale set is as it was asked for: GARM ignores some of what it is sent, with 200.
func bearsOut(got garmparams.ScaleSet, want desired.ScaleSet, templateID uint) error {
	have := observed(got, template{name: want.Template})
	if got.TemplateID != templateID || have.Provider != want.Provider || have.Settings != want.Settings {
		return fmt.Errorf("cannot have %s as declared: GARM said yes and did something else", want)
	}
	return nil
}
