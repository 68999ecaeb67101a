package garmapi_test

import (
	"encoding/json"
	"testing"
	"time"

	common "github.com/cloudbase/garm-provider-common/params"
	"github.com/cloudbase/garm/params"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/garmapi"
	"github.com/garm-charms/garm-charms/pkg/garmapi/garmtest"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

// soon is far longer than anything here takes.
const soon = time.Minute

// lab is a GARM on a GitHub of its own.
type lab struct {
	*garmapi.Client

	server *garmtest.Server
	forge  *garmtest.Forge
	org    garmapi.EntityRef // acme
	repo   garmapi.EntityRef // acme/widgets
}

func newLab(t *testing.T) lab {
	t.Helper()
	forge := garmtest.GitHub(t)
	forge.Do(t, "POST", "/tokens", `{"token":"ghp_sesame"}`)
	forge.Do(t, "POST", "/entities", `{"entity":"orgs/acme","runner_groups":["big"]}`)
	forge.Do(t, "POST", "/entities", `{"entity":"repos/acme/widgets"}`)

	server := garmtest.Start(t, garmtest.Options{Provider: "cloud", Forge: forge})
	c := open(t, server, garmapi.Options{})
	_, err := c.CreateEndpoint(t.Context(), params.CreateGithubEndpointParams{
		Name: "ghes", BaseURL: forge.URL, APIBaseURL: forge.URL + "/api/v3", UploadBaseURL: forge.URL + "/api/uploads", CACertBundle: forge.CA(t),
	})
	require.NoError(t, err)
	_, err = c.CreateCredential(t.Context(), token("pat"))
	require.NoError(t, err)
	org, err := c.CreateEntity(t.Context(), params.ForgeEntityTypeOrganization, "acme", "pat")
	require.NoError(t, err)
	repo, err := c.CreateEntity(t.Context(), params.ForgeEntityTypeRepository, "acme/widgets", "pat")
	require.NoError(t, err)
	return lab{c, server, forge, org.EntityRef, repo.EntityRef}
}

func scaleSet(minIdle uint) params.CreateScaleSetParams {
	return params.CreateScaleSetParams{
		Name: "small", ProviderName: "cloud", Image: "noble", Flavor: "m1.small", OSType: common.Linux, OSArch: common.Amd64,
		MinIdleRunners: minIdle, MaxRunners: 2, Enabled: true, Labels: []string{"x64"}, ExtraSpecs: json.RawMessage(`{"disable_updates":true}`),
	}
}

func TestScaleSetFromCreateToDelete(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	l := newLab(t)

	body := scaleSet(1)
	body.GitHubRunnerGroup = "big"
	created, err := l.CreateScaleSet(ctx, l.org, body)
	require.NoError(t, err)
	_, err = l.CreateScaleSet(ctx, l.org, body)
	assert.True(t, garmapi.IsConflict(err), err)
	other, err := l.CreateScaleSet(ctx, l.repo, scaleSet(0))
	require.NoError(t, err, "another entity may have one of that name")

	list, err := l.ScaleSets(ctx)
	require.NoError(t, err)
	assert.Equal(t, []string{"acme small", "acme/widgets small"},
		names(list, func(s params.ScaleSet) string { return s.OrgName + s.RepoName + " " + s.Name }))
	found, err := l.ScaleSet(ctx, created.ID)
	require.NoError(t, err)
	assert.Equal(t, "github_linux", found.TemplateName)
	assert.JSONEq(t, `{"disable_updates":true}`, string(found.ExtraSpecs))

	var runners []params.Instance
	require.Eventually(t, func() bool {
		runners, err = l.Instances(ctx, created.ID)
		return err == nil && len(runners) == 1 && runners[0].Status == common.InstanceRunning
	}, soon, 100*time.Millisecond)
	all, err := l.AllInstances(ctx)
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.Equal(t, created.ID, all[0].ScaleSetID)
	assert.True(t, garmapi.IsInvalid(l.DeleteScaleSet(ctx, created.ID)), "one with runners stays")

	require.NoError(t, l.DeleteInstance(ctx, runners[0].Name))
	drained, err := l.Drain(ctx, created.ID)
	require.NoError(t, err)
	assert.False(t, drained.Enabled)
	assert.Zero(t, drained.MinIdleRunners)
	assert.Zero(t, drained.MaxRunners)
	require.Eventually(t, func() bool {
		runners, err = l.Instances(ctx, created.ID)
		return err == nil && len(runners) == 0
	}, soon, 100*time.Millisecond)

	require.NoError(t, l.DeleteScaleSet(ctx, created.ID))
	_, err = l.ScaleSet(ctx, created.ID)
	assert.True(t, garmapi.IsNotFound(err), err)
	assert.True(t, garmapi.IsInvalid(l.DeleteEntity(ctx, l.repo)), "it still has a scale set")
	_, err = l.Drain(ctx, other.ID)
	require.NoError(t, err)
	// GARM would crash over one that goes while it still listens (util/github/scalesets, DeleteMessageSession).
	require.Eventually(t, func() bool { return l.forge.Do(t, "GET", "/sessions", "") == "[]" }, soon, 100*time.Millisecond)
	require.NoError(t, l.DeleteScaleSet(ctx, other.ID))
	assert.Equal(t, "[]", l.forge.Do(t, "GET", "/scalesets", ""))
}

func TestScaleSetTemplate(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	l := newLab(t)
	mine, err := l.CreateTemplate(ctx, params.CreateTemplateParams{
		Name: "github_linux", Data: []byte("#!/bin/bash\n"), OSType: common.Linux, ForgeType: params.GithubEndpointType,
	})
	require.NoError(t, err)
	body := scaleSet(0)
	body.TemplateID = &mine.ID
	set, err := l.CreateScaleSet(ctx, l.org, body)
	require.NoError(t, err)
	assert.Equal(t, mine.ID, set.TemplateID)
	assert.True(t, garmapi.IsInvalid(l.DeleteTemplate(ctx, mine.ID)), "a template in use stays")

	none := uint(0)
	_, err = l.UpdateScaleSet(ctx, set.ID, params.UpdateScaleSetParams{TemplateID: &none})
	assert.True(t, garmapi.IsNotFound(err), "0 does not mean GARM's own: %v", err)

	list, err := l.Templates(ctx)
	require.NoError(t, err)
	system, ok := garmapi.SystemTemplate(list, common.Linux, params.GithubEndpointType)
	require.True(t, ok)
	set, err = l.UpdateScaleSet(ctx, set.ID, params.UpdateScaleSetParams{TemplateID: &system.ID})
	require.NoError(t, err)
	assert.Equal(t, system.ID, set.TemplateID)
	assert.Equal(t, uint(2), set.MaxRunners, "what is not sent stays")
	assert.NoError(t, l.DeleteTemplate(ctx, mine.ID))
}

func TestScaleSetThatGARMKeeps(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	l := newLab(t)
	body := scaleSet(0)
	body.Enabled = false
	set, err := l.CreateScaleSet(ctx, l.org, body)
	require.NoError(t, err)

	l.forge.Do(t, "POST", "/faults", `{"method":"DELETE","path":"/runnerscalesets/[0-9]+$","status":500}`)
	err = l.DeleteScaleSet(ctx, set.ID)
	require.ErrorIs(t, err, garmapi.ErrStillThere)
	assert.ErrorContains(t, err, "cannot delete scale set 1: GARM said yes but kept it")

	l.forge.Do(t, "DELETE", "/faults", "")
	assert.NoError(t, l.DeleteScaleSet(ctx, set.ID))
}

func TestGitHubThatHangs(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	l := newLab(t)
	l.forge.Do(t, "POST", "/faults", `{"method":"POST","path":"/runnerscalesets$","hang":true}`)
	impatient := garmapi.New(l.server.URL, garmapi.Options{WriteLimit: 2 * time.Second})
	require.NoError(t, impatient.Login(ctx, "admin", secret.New(password)))

	_, err := impatient.CreateScaleSet(ctx, l.org, scaleSet(0))
	assert.True(t, garmapi.IsTimeout(err), err)
	assert.ErrorContains(t, err, `cannot create scale set "small": no answer from GARM within `)
	assert.GreaterOrEqual(t, waited(t, err), 2*time.Second)
	_, err = l.ScaleSets(ctx)
	assert.NoError(t, err, "GARM still answers reads")

	// The abandoned call holds locks in GARM, which would not stop while it does.
	l.forge.Do(t, "DELETE", "/faults", "")
}

func TestNoSuchScaleSet(t *testing.T) {
	t.Parallel()
	c := session(t, garmapi.Options{})
	list, err := c.ScaleSets(t.Context())
	require.NoError(t, err)
	assert.Empty(t, list)
	_, err = c.ScaleSet(t.Context(), 99)
	assert.True(t, garmapi.IsNotFound(err), err)
	_, err = c.Drain(t.Context(), 99)
	assert.True(t, garmapi.IsNotFound(err), err)
	assert.NoError(t, c.DeleteScaleSet(t.Context(), 99))
	all, err := c.AllInstances(t.Context())
	require.NoError(t, err)
	assert.Empty(t, all)
	assert.True(t, garmapi.IsNotFound(c.DeleteInstance(t.Context(), "none")))
}
