// Package reconcile reads what GARM has and carries a plan out. It is the only code that writes to GARM, and it decides
// nothing: what to do, in which order and why is pkg/plan's.
package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cloudbase/garm-provider-common/params"
	garmparams "github.com/cloudbase/garm/params"
	"golang.org/x/sync/errgroup"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/garmapi"
)

// Observation is what GARM has at one moment.
type Observation struct {
	desired.State

	// Providers are the names of those that GARM has loaded.
	Providers map[string]bool
	// System is GARM's own template for Linux runners of GitHub, with its data.
	System garmparams.Template
}

// Observe reads everything that a plan is made from: one request for each kind of object, whatever their number, one for
// the system template's content, and one for each entity that GARM does not work for, each runner that has failed and each
// scale set whose extra specs the list lacks.
//
// GARM that has just started knows of no credential whether GitHub takes it: it is given a few seconds to ask.
func Observe(ctx context.Context, client *garmapi.Client) (Observation, error) {
	o, err := observe(ctx, client)
	for limit := time.Now().Add(letInLimit); err == nil && o.isAsking() && time.Now().Before(limit) && ctx.Err() == nil; {
		pause(ctx, letInPause)
		o, err = observe(ctx, client)
	}
	return o, err
}

// isAsking tells whether GARM is about to use an entity's credential for the first time. When it works for an entity it has
// (GARM workers/cache/tool_cache.go), and when GitHub refuses, the entity's events say so.
func (o *Observation) isAsking() bool {
	return slices.ContainsFunc(o.Entities, func(e desired.Entity) bool {
		isIts := func(c desired.Credential) bool { return c.Name == e.Credential && c.Unanswered }
		return IsStarting(e.Failure) && slices.ContainsFunc(o.Credentials, isIts)
	})
}

func observe(ctx context.Context, client *garmapi.Client) (Observation, error) {
	var o Observation
	var lists lists
	if err := lists.read(ctx, client); err != nil {
		return o, err
	}
	o.System = lists.system
	o.Providers = make(map[string]bool, len(lists.providers))
	for _, p := range lists.providers {
		o.Providers[p.Name] = true
	}
	o.takeForge(lists)
	templates := o.takeTemplates(lists)
	if err := o.takeScaleSets(ctx, client, lists, templates); err != nil {
		return o, err
	}
	if err := o.takeEntities(ctx, client, lists); err != nil {
		return o, err
	}
	o.Sort()
	return o, nil
}

// lists are GARM's answers.
type lists struct {
	templates   []garmparams.Template
	system      garmparams.Template
	endpoints   []garmparams.ForgeEndpoint
	credentials []garmparams.ForgeCredentials
	entities    [3][]garmapi.Entity
	providers   []garmparams.Provider
	scaleSets   []garmparams.ScaleSet
	instances   []garmparams.Instance
}

// readsAtOnce is how many requests GARM has to answer at a time. It keeps as many idle connections to its database (the default of
// database/sql), and opens others for more, which takes longer than to wait.
const readsAtOnce = 2

// read asks for everything, for the longest list first.
func (l *lists) read(ctx context.Context, client *garmapi.Client) error {
	reads, ctx := errgroup.WithContext(ctx)
	reads.SetLimit(readsAtOnce)
	list(ctx, reads, &l.scaleSets, client.ScaleSets)
	reads.Go(func() error { return l.readTemplates(ctx, client) })
	list(ctx, reads, &l.endpoints, client.Endpoints)
	list(ctx, reads, &l.credentials, client.Credentials)
	list(ctx, reads, &l.providers, client.Providers)
	list(ctx, reads, &l.instances, client.AllInstances)
	for i, kind := range []garmparams.ForgeEntityType{
		garmparams.ForgeEntityTypeOrganization, garmparams.ForgeEntityTypeRepository, garmparams.ForgeEntityTypeEnterprise,
	} {
		list(ctx, reads, &l.entities[i], func(ctx context.Context) ([]garmapi.Entity, error) { return client.Entities(ctx, kind) })
	}
	return reads.Wait()
}

func list[T any](ctx context.Context, reads *errgroup.Group, into *[]T, read func(context.Context) ([]T, error)) {
	reads.Go(func() (err error) {
		*into, err = read(ctx)
		return err
	})
}

func (l *lists) readTemplates(ctx context.Context, client *garmapi.Client) (err error) {
	if l.templates, err = client.Templates(ctx); err != nil {
		return err
	}
	system, found := garmapi.SystemTemplate(l.templates, params.Linux, garmparams.GithubEndpointType)
	if !found {
		return fmt.Errorf("cannot find GARM's system template %s; run garm's action restore-template", desired.SystemTemplate)
	}
	l.system, err = client.Template(ctx, system.ID)
	return err
}

// RestoreSystemTemplate puts Observation.System back to what the release of GARM ships.
func RestoreSystemTemplate(ctx context.Context, client *garmapi.Client) error {
	return client.RestoreSystemTemplate(ctx, params.Linux, garmparams.GithubEndpointType)
}

// template is what a scale set has of one.
type template struct {
	name    string // empty for the system template
	content string // a digest, or else what changes with the content
	changed time.Time
}

// takeTemplates returns all templates by ID.
func (o *Observation) takeTemplates(l lists) map[uint]template {
	known := make(map[uint]template, len(l.templates))
	for _, t := range l.templates {
		known[t.ID] = template{name: t.Name, content: t.Description, changed: t.UpdatedAt}
		if t.Owner != garmparams.SystemUser {
			o.Templates = append(o.Templates, desired.Template{ID: t.ID, Name: t.Name, Description: t.Description})
		}
	}
	known[l.system.ID] = template{content: desired.Mark(string(l.system.Data)), changed: l.system.UpdatedAt}
	return known
}

func (o *Observation) takeForge(l lists) {
	for _, e := range l.endpoints {
		o.Endpoints = append(o.Endpoints, desired.Endpoint{
			Name: e.Name, Description: e.Description, BaseURL: e.BaseURL, APIURL: e.APIBaseURL, UploadURL: e.UploadBaseURL, CACertificate: string(e.CACertBundle),
		})
	}
	for _, c := range l.credentials {
		o.Credentials = append(o.Credentials, desired.Credential{
			ID: c.ID, Name: c.Name, Endpoint: c.Endpoint.Name, Description: c.Description, Unanswered: unanswered(c, time.Now()),
		})
	}
}

// answerLimit is how long GitHub may take to let GARM in with a new credential: GARM asks every 30 s for all (GARM
// workers/cache/cache.go, rateLimitLoop), and at once when one changes that an entity uses.
const answerLimit = 45 * time.Second

// unanswered tells whether GitHub refuses a credential, or cannot be reached. GARM forgets the limits that GitHub sets when it
// changes the credential or starts, and says so nowhere else for an hour: until it renews the list of runner releases.
func unanswered(c garmparams.ForgeCredentials, now time.Time) bool {
	return hasLimits(c.Endpoint.Name) && c.RateLimit == nil && now.Sub(c.CreatedAt) > answerLimit
}

// hasLimits tells whether the GitHub of an endpoint has limits. A GitHub Enterprise Server has none unless it is told to.
func hasLimits(endpoint string) bool { return endpoint == desired.GitHubCom }

func (o *Observation) takeEntities(ctx context.Context, client *garmapi.Client, l lists) error {
	for _, entities := range l.entities {
		for _, e := range entities {
			why, err := failure(ctx, client, e)
			if err != nil {
				return err
			}
			o.Entities = append(o.Entities, desired.Entity{
				EntityRef:  desired.NewEntityRef(string(e.Kind), e.Name, e.Endpoint),
				ID:         e.ID,
				Credential: e.CredentialsName,
				Failure:    why,
			})
		}
	}
	return nil
}

// eventLimit is for how long an error of an entity's counts: GARM tries again, and says so, every one to three minutes.
const eventLimit = 5 * time.Minute

// failure is why GARM does not work for an entity, empty if it does. As long as GitHub refuses, GARM says no more than that
// it is starting; the reason is in the entity's last event (GARM workers/cache/tool_cache.go), which costs a request.
func failure(ctx context.Context, client *garmapi.Client, e garmapi.Entity) (string, error) {
	if e.FailureReason == "" {
		return "", nil
	}
	whole, err := client.Entity(ctx, e.EntityRef)
	if err != nil {
		return "", err
	}
	var last garmparams.EntityEvent
	for _, event := range whole.Events {
		if event.ID >= last.ID && !isOver(event) {
			last = event
		}
	}
	if last.EventLevel == garmparams.EventError {
		return last.Message, nil
	}
	return e.FailureReason, nil
}

// IsStarting tells the reasons that GARM gives for every entity in its first seconds and when it renews the list of runner
// releases (GARM runner/pool/pool.go, Start; cache/tools_cache.go, Get).
func IsStarting(reason string) bool {
	return reason == "pool manager is starting up" ||
		strings.HasPrefix(reason, "no cache found for entity ") || strings.HasPrefix(reason, "cache expired for entity ")
}

// isOver tells whether an event says nothing of the present: it is old, or from the end of a GARM, which cancels what it does and
// then has no watcher any more (GARM database/watcher/watcher.go), or from a worker of GARM's that runs at last (GARM
// workers/entity/controller.go).
func isOver(event garmparams.EntityEvent) bool {
	return time.Since(event.CreatedAt) > eventLimit || strings.Contains(event.Message, "context canceled") ||
		strings.HasSuffix(event.Message, "watcher not initialized") || strings.HasPrefix(event.Message, "worker successfully started")
}

func (o *Observation) takeScaleSets(ctx context.Context, client *garmapi.Client, l lists, templates map[uint]template) (err error) {
	runners := map[uint][]desired.Runner{}
	changing := map[uint]bool{} // those whose runners the cloud makes or deletes
	for _, i := range l.instances {
		changing[i.ScaleSetID] = changing[i.ScaleSetID] || i.Status != params.InstanceRunning
		r := runner(i)
		if r.Phase == desired.Failed {
			if r.Said, err = lastWords(ctx, client, r.Name); err != nil {
				return err
			}
		}
		runners[i.ScaleSetID] = append(runners[i.ScaleSetID], r)
	}
	for _, s := range l.scaleSets {
		s, err := whole(ctx, client, s)
		if garmapi.IsNotFound(err) {
			continue // it has gone since it was listed
		}
		if err != nil {
			return err
		}
		set := observed(s, templates[s.TemplateID])
		set.Runners = runners[s.ID]
		if !changing[s.ID] {
			set.Overlooked = overlooked(s, len(set.Runners), time.Now())
		}
		o.ScaleSets = append(o.ScaleSets, set)
	}
	return nil
}

// overlookedAfter is how long GARM may take to begin to make a runner: it looks every 5 s whether it has to.
const overlookedAfter = 30 * time.Second

// overlooked is how many runners GARM lacks and will not make by itself. It counts runners by a copy of the scale set, and handles
// the changes of that in any order (GARM v0.2.1, workers/scaleset/scaleset.go, loop and targetRunners), so that it may go on
// with an old one until the next change.
func overlooked(s garmparams.ScaleSet, runners int, now time.Time) int {
	if !s.Enabled || now.Sub(s.UpdatedAt) < overlookedAfter {
		return 0
	}
	return max(min(int(s.MinIdleRunners)+s.DesiredRunnerCount, int(s.MaxRunners))-runners, 0)
}

// whole is a scale set with all that it has. GARM means to leave the extra specs out of its list, and does not (GARM v0.2.1,
// database/sql/scalesets.go, ListAllScaleSets, where one Omit undoes another). Each that the charm made has some.
func whole(ctx context.Context, client *garmapi.Client, listed garmparams.ScaleSet) (garmparams.ScaleSet, error) {
	if len(listed.ExtraSpecs) > 0 {
		return listed, nil
	}
	return client.ScaleSet(ctx, listed.ID)
}

func runner(i garmparams.Instance) desired.Runner {
	r := desired.Runner{Name: i.Name, Phase: desired.Moving, Created: i.CreatedAt}
	running := i.Status == params.InstanceRunning
	switch {
	case i.RunnerStatus == garmparams.RunnerActive:
		r.Phase = desired.Busy
	case running && i.RunnerStatus == garmparams.RunnerIdle:
		r.Phase = desired.Idle
	case running && i.RunnerStatus == garmparams.RunnerFailed:
		r.Phase = desired.Failed
	}
	return r
}

// lastWords is the last message that a runner sent, empty for one that has gone since it was listed.
func lastWords(ctx context.Context, client *garmapi.Client, name string) (string, error) {
	whole, err := client.Instance(ctx, name)
	if err != nil && !garmapi.IsNotFound(err) {
		return "", err
	}
	var last garmparams.StatusMessage
	for _, message := range whole.StatusMessages {
		if !message.CreatedAt.Before(last.CreatedAt) {
			last = message
		}
	}
	return last.Message, nil
}

func observed(s garmparams.ScaleSet, t template) desired.ScaleSet {
	labels := make([]string, len(s.Tags))
	for i, tag := range s.Tags {
		labels[i] = tag.Name
	}
	set := desired.ScaleSet{
		ScaleSetKey: desired.ScaleSetKey{Entity: entityOf(s), Name: s.Name},
		ID:          s.ID,
		Provider:    s.ProviderName,
		Labels:      desired.JoinLabels(labels),
		Settings: desired.Settings{
			Image:       s.Image,
			Flavor:      s.Flavor,
			OSArch:      string(s.OSArch),
			RunnerGroup: s.GitHubRunnerGroup,
			MinIdle:     int(s.MinIdleRunners),
			Max:         int(s.MaxRunners),
			Enabled:     s.Enabled,
			ExtraSpecs:  desired.CanonicalSpecs(s.ExtraSpecs),

			RunnerPrefix:     s.GetRunnerPrefix(),
			BootstrapTimeout: int(s.RunnerBootstrapTimeout),

			Template: t.name,
		},
		Changed: s.UpdatedAt,
	}
	if t.changed.After(set.Changed) {
		set.Changed = t.changed
	}
	set.Recipe = desired.Recipe(set.Settings, t.content)
	return set
}

func entityOf(s garmparams.ScaleSet) desired.EntityRef {
	switch {
	case s.RepoID != "":
		return desired.NewEntityRef(desired.KindRepository, s.RepoName, s.Endpoint.Name)
	case s.OrgID != "":
		return desired.NewEntityRef(desired.KindOrganization, s.OrgName, s.Endpoint.Name)
	}
	return desired.NewEntityRef(desired.KindEnterprise, s.EnterpriseName, s.Endpoint.Name)
}
