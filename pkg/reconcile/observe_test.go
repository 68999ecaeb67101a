package reconcile_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	common "github.com/cloudbase/garm-provider-common/params"
	"github.com/cloudbase/garm/params"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/garmapi"
	"github.com/garm-charms/garm-charms/pkg/reconcile"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// What an operator made is seen as it is, and none of it is touched.
func TestObserveWhatWasMadeByHand(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ctx := t.Context()
	l.forge.Do(t, "POST", "/tokens", `{"token":"ghp_sesame"}`)
	_, err := l.client.CreateCredential(ctx, garmapi.Credential{Name: "theirs", Description: "by hand", Endpoint: "github.com", Token: secret.New("ghp_sesame")})
	require.NoError(t, err)
	org, err := l.client.CreateEntity(ctx, params.ForgeEntityTypeOrganization, "Acme", "theirs")
	require.NoError(t, err)
	mine, err := l.client.CreateTemplate(ctx, params.CreateTemplateParams{
		Name: "github_linux", Description: "by hand", Data: []byte("#!/bin/bash\n"), OSType: common.Linux, ForgeType: params.GithubEndpointType,
	})
	require.NoError(t, err)
	made, err := l.client.CreateScaleSet(ctx, org.EntityRef, params.CreateScaleSetParams{
		Name: "theirs", ProviderName: "cloud", Image: "noble", Flavor: "m1.small", OSType: common.Linux, OSArch: common.Amd64, MaxRunners: 1,
		Labels: []string{"b", "A"}, TemplateID: &mine.ID,
	})
	require.NoError(t, err)
	_, err = l.client.CreateScaleSet(ctx, org.EntityRef, params.CreateScaleSetParams{
		Name: "wider", ProviderName: "cloud", Image: "noble", Flavor: "m1.small", OSType: common.Linux, OSArch: common.Amd64, MaxRunners: 2, Enabled: true,
		ExtraSpecs: json.RawMessage(`{ "z": 1, "a": "x" }`),
	})
	require.NoError(t, err)

	o := l.observe()
	acme := desired.NewEntityRef(desired.KindOrganization, "acme", "github.com")
	assert.Equal(t, map[string]bool{"cloud": true}, o.Providers)
	assert.Equal(t, params.SystemUser, o.System.Owner)
	assert.Contains(t, string(o.System.Data), "\nsendStatus \"configuring runner\"\n")
	assert.Equal(t, []desired.Template{{ID: mine.ID, Name: "github_linux", Description: "by hand"}}, o.Templates)
	require.Len(t, o.Credentials, 1)
	assert.Equal(t, desired.Credential{ID: o.Credentials[0].ID, Name: "theirs", Endpoint: "github.com", Description: "by hand"}, o.Credentials[0])
	require.Len(t, o.Entities, 1)
	assert.Equal(t, acme, o.Entities[0].EntityRef)
	assert.Equal(t, "theirs", o.Entities[0].Credential)
	require.Len(t, o.ScaleSets, 2)
	assert.Equal(t, desired.Recipe(o.ScaleSets[0].Settings, "by hand"), o.ScaleSets[0].Recipe, "with the template's content, as far as it is known")
	assert.WithinDuration(t, time.Now(), o.ScaleSets[0].Changed, soon)
	o.ScaleSets[0].Recipe, o.ScaleSets[0].Changed = "", time.Time{}
	assert.Equal(t, desired.ScaleSet{
		ScaleSetKey: desired.ScaleSetKey{Entity: acme, Name: "theirs"}, ID: made.ID, Provider: "cloud", Labels: "A,b",
		Settings: desired.Settings{Image: "noble", Flavor: "m1.small", OSArch: "amd64", RunnerGroup: "Default", Max: 1, ExtraSpecs: "{}", Template: "github_linux", RunnerPrefix: "garm", BootstrapTimeout: 20},
	}, o.ScaleSets[0])
	assert.Equal(t, desired.CanonicalSpecs([]byte(`{"a":"x","z":1}`)), o.ScaleSets[1].ExtraSpecs)
	assert.Empty(t, o.ScaleSets[1].Template, "GARM's own has no name here")

	// A wanted one of that name is taken over; the rest stays.
	l.written()
	p, report := l.pass(nil, l.declared("theirs", func(d *desired.Declaration) { d.Labels = []string{"a", "B"} }))
	l.assertPlan(`
create credential app-42-7: a configurator uses it
update scale set theirs of organization acme: max runners 1 -> 2, enabled false -> true, template github_linux -> GARM's own`, p, report)
	assert.Equal(t, []string{"POST /github/credentials", "PUT /scalesets/{scalesetID}"}, l.written())
	l.settle()
	o = l.observe()
	assert.Len(t, o.Templates, 1)
	assert.Len(t, o.Entities, 1)
	require.Len(t, o.ScaleSets, 1)
	assert.Equal(t, "wider", o.ScaleSets[0].Name)
}

func TestObserveTellsWhyAnEntityDoesNotWork(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.key = newKey(t) // of which GitHub does not know
	_, _ = l.pass(nil, l.declared("small"))
	why := func() string { return l.observe().Entities[0].Failure }
	require.Eventually(t, func() bool { return strings.HasPrefix(why(), "failed to update tools: ") }, soon, 200*time.Millisecond)
	assert.Contains(t, why(), "401")

	// A worker of GARM's may start at its second try after that, which says nothing of GitHub.
	old := false
	started := func(answer *http.Response) error {
		if !strings.HasPrefix(answer.Request.URL.Path, "/api/v1/organizations/") {
			return nil
		}
		var entity params.Organization
		if err := json.NewDecoder(answer.Body).Decode(&entity); err != nil {
			return err
		}
		entity.Events = append(entity.Events, params.EntityEvent{
			ID: 1000, EventType: params.StatusEvent, EventLevel: params.EventInfo, CreatedAt: time.Now(), Message: "worker successfully started after retry for entity: acme",
		}, params.EntityEvent{
			ID: 1001, EventType: params.StatusEvent, EventLevel: params.EventError, CreatedAt: time.Now(), Message: "failed to update tools: context canceled",
		}, params.EntityEvent{
			ID: 1002, EventType: params.StatusEvent, EventLevel: params.EventError, CreatedAt: time.Now(),
			Message: `retry failed for worker acme: starting scale set controller: registering consumer "scaleset-controller-acme": watcher not initialized`,
		})
		for i := range entity.Events {
			if old {
				entity.Events[i].CreatedAt = entity.Events[i].CreatedAt.Add(-6 * time.Minute)
			}
		}
		return replace(answer, entity)
	}
	o, err := reconcile.Observe(t.Context(), l.between(started))
	require.NoError(t, err)
	assert.Contains(t, o.Entities[0].Failure, "401")

	// What GARM said before it was started anew is over.
	old = true
	o, err = reconcile.Observe(t.Context(), l.between(started))
	require.NoError(t, err)
	assert.Equal(t, "pool manager is starting up", o.Entities[0].Failure)
}

// GARM that has just started knows of no credential whether GitHub takes it.
func TestObserveWaitsForGARMToAskGitHub(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.settle(l.declared("small"))
	require.Eventually(t, func() bool { return l.observe().Entities[0].Failure == "" }, soon, 200*time.Millisecond)

	reads, silent, reason := 0, 1, "pool manager is starting up"
	client := l.between(func(answer *http.Response) error {
		switch path := strings.Trim(answer.Request.URL.Path, "/"); {
		case path == "api/v1/github/credentials":
			if reads++; reads > silent {
				return nil
			}
			return alter(answer, func(c *params.ForgeCredentials) { c.RateLimit, c.CreatedAt = nil, time.Time{} })
		case path == "api/v1/organizations" && reason != "":
			return alter(answer, func(o *params.Organization) { o.PoolManagerStatus = params.PoolManagerStatus{FailureReason: reason} })
		}
		return nil
	})
	isUnanswered := func() bool {
		reads = 0
		o, err := reconcile.Observe(t.Context(), client)
		require.NoError(t, err)
		return o.Credentials[0].Unanswered
	}
	assert.False(t, isUnanswered())
	assert.Equal(t, 2, reads)

	silent = 1000
	assert.True(t, isUnanswered(), "it is not waited for without end")
	assert.Greater(t, reads, 1)
	reason = ""
	assert.True(t, isUnanswered())
	assert.Equal(t, 1, reads, "GARM has asked")
}

// alter changes each object of an answer's list.
func alter[T any](answer *http.Response, change func(*T)) error {
	var list []T
	err := json.NewDecoder(answer.Body).Decode(&list)
	for i := range list {
		change(&list[i])
	}
	return errors.Join(err, replace(answer, list))
}

// replace gives an answer another body.
func replace(answer *http.Response, body any) error {
	text, err := json.Marshal(body)
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	answer.Header.Del("Content-Length")
	return err
}

func TestObserveWithoutSystemTemplate(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	require.NoError(t, l.client.DeleteTemplate(t.Context(), l.observe().System.ID))
	_, err := reconcile.Observe(t.Context(), l.client)
	require.EqualError(t, err, "cannot find GARM's system template github_linux; run garm's action restore-template")
	require.NoError(t, reconcile.RestoreSystemTemplate(t.Context(), l.client))
	l.observe()
}

// Observe takes as many requests for many objects as for none, and fails as a whole: half of what GARM has would look like
// a reason to make the other half.
func TestObserveIsWholeAndShort(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	count := func() int {
		l.reads = 0
		l.observe()
		return l.reads
	}
	none := count()
	_, report := l.pass(nil, l.declared("one", mirror("https://mirror.example.com")), l.declared("two"), l.declared("three"))
	require.NoError(t, report.Err())
	require.Eventually(t, func() bool { return l.observe().Entities[0].Failure == "" }, soon, 200*time.Millisecond)
	assert.Equal(t, none, count())

	for _, route := range []string{"/templates", "/templates/2", "/github/credentials", "/organizations", "/repositories", "/providers", "/scalesets", "/instances"} {
		_, err := reconcile.Observe(t.Context(), l.without(route))
		require.ErrorContains(t, err, "500", route)
	}
}

// without is a session with the same GARM that fails on one route.
func (l *lab) without(route string) *garmapi.Client {
	l.t.Helper()
	return l.between(func(answer *http.Response) error {
		if strings.TrimSuffix(answer.Request.URL.Path, "/") == "/api/v1"+route {
			answer.StatusCode = http.StatusInternalServerError
		}
		return nil
	})
}

// between is a session with the same GARM whose answers are changed.
func (l *lab) between(change func(*http.Response) error) *garmapi.Client {
	l.t.Helper()
	target, err := url.Parse(l.server.URL)
	require.NoError(l.t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = change
	front := httptest.NewServer(proxy)
	l.t.Cleanup(front.Close)
	return l.session(front.URL, l.opts)
}

// GARM v0.2.1 overlooks a few of a hundred jobs, and goes on overlooking each until something else happens to its scale set.
func TestOverlookedJobsAreTakenUp(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var sets []desired.Declaration
	for i := range 40 {
		sets = append(sets, l.declared(fmt.Sprintf("set-%d", i), func(d *desired.Declaration) { d.MaxRunner = 100 }))
	}
	l.settle(sets...)
	listen := func() bool { return strings.Count(l.forge.Do(t, "GET", "/sessions", ""), "scale_set_id") == len(sets) }
	require.Eventually(t, listen, soon, time.Second)
	jobs := 0
	taken := func() bool {
		made, err := l.client.AllInstances(t.Context())
		require.NoError(t, err)
		return len(made) == jobs
	}
	overlooked := false
	for !overlooked {
		require.Less(t, jobs, 20*len(sets), "this GARM overlooks none")
		for _, set := range sets {
			l.forge.Do(t, "POST", "/jobs", fmt.Sprintf(`{"repository":"repos/acme/widgets","name":"build","labels":[%q]}`, set.Name))
			jobs++
		}
		require.Eventually(t, func() bool {
			isOverlooked := func(s desired.ScaleSet) bool { return s.Overlooked > 0 }
			overlooked = slices.ContainsFunc(l.observe().ScaleSets, isOverlooked)
			return overlooked || taken()
		}, soon, time.Second)
	}

	require.Eventually(t, func() bool {
		p, _ := l.pass(nil, sets...)
		return p.Empty() && taken()
	}, 3*soon, time.Second)
	assert.Contains(t, l.log.String(), ": 1 runner needed, and GARM makes none")
}
