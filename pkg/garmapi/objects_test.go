package garmapi_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	common "github.com/cloudbase/garm-provider-common/params"
	"github.com/cloudbase/garm/params"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/garmapi"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

// nowhere is a GitHub that refuses connections.
func nowhere(name string) params.CreateGithubEndpointParams {
	return params.CreateGithubEndpointParams{
		Name:          name,
		APIBaseURL:    "http://127.0.0.1:1/api/v3",
		UploadBaseURL: "http://127.0.0.1:1/api/uploads",
		BaseURL:       "http://127.0.0.1:1",
	}
}

func token(name string) garmapi.Credential {
	return garmapi.Credential{Name: name, Endpoint: "ghes", Token: secret.New("ghp_sesame")}
}

func privateKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

func pemOf(kind string, der []byte) secret.Value {
	return secret.New(string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

func names[T any](list []T, name func(T) string) []string {
	var out []string
	for _, item := range list {
		out = append(out, name(item))
	}
	slices.Sort(out)
	return out
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := session(t, garmapi.Options{})

	_, err := c.CreateEndpoint(ctx, nowhere("ghes"))
	require.NoError(t, err)
	_, err = c.CreateEndpoint(ctx, nowhere("GHES"))
	require.True(t, garmapi.IsConflict(err), err)
	assert.ErrorContains(t, err, `cannot create endpoint "GHES": `)

	note := "note"
	updated, err := c.UpdateEndpoint(ctx, "ghes", params.UpdateGithubEndpointParams{Description: &note})
	require.NoError(t, err)
	assert.Equal(t, note, updated.Description)

	list, err := c.Endpoints(ctx)
	require.NoError(t, err)
	assert.Equal(t, []string{"ghes", "github.com"}, names(list, func(e params.ForgeEndpoint) string { return e.Name }))

	_, err = c.CreateCredential(ctx, token("pat"))
	require.NoError(t, err)
	assert.True(t, garmapi.IsInvalid(c.DeleteEndpoint(ctx, "ghes")), "an endpoint in use stays")
	assert.NoError(t, c.DeleteEndpoint(ctx, "github.com"))
	assert.NoError(t, c.DeleteEndpoint(ctx, "none"))
	_, err = c.UpdateEndpoint(ctx, "none", params.UpdateGithubEndpointParams{Description: &note})
	assert.True(t, garmapi.IsNotFound(err), err)
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := session(t, garmapi.Options{})
	_, err := c.CreateEndpoint(ctx, nowhere("ghes"))
	require.NoError(t, err)
	app := garmapi.Credential{
		Name: "app", Description: "digest 1", Endpoint: "ghes",
		App: &garmapi.App{ID: 42, InstallationID: 7, PrivateKey: pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(privateKey(t)))},
	}

	created, err := c.CreateCredential(ctx, app)
	require.NoError(t, err)
	assert.Equal(t, params.ForgeAuthTypeApp, created.AuthType)
	pat, err := c.CreateCredential(ctx, token("pat"))
	require.NoError(t, err)
	assert.Equal(t, params.ForgeAuthTypePAT, pat.AuthType)

	_, err = c.CreateCredential(ctx, app)
	assert.True(t, garmapi.IsConflict(err), err)
	elsewhere := token("elsewhere")
	elsewhere.Endpoint = "none"
	_, err = c.CreateCredential(ctx, elsewhere)
	assert.True(t, garmapi.IsNotFound(err), err)

	app.Description = "digest 2"
	app.App.PrivateKey = pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(privateKey(t)))
	_, err = c.UpdateCredential(ctx, created.ID, app)
	require.NoError(t, err)
	_, err = c.UpdateCredential(ctx, pat.ID, token("pat"))
	require.NoError(t, err)

	list, err := c.Credentials(ctx)
	require.NoError(t, err)
	assert.Equal(t, []string{"app digest 2", "pat "},
		names(list, func(c params.ForgeCredentials) string { return c.Name + " " + c.Description }))

	require.NoError(t, c.DeleteCredential(ctx, pat.ID))
	assert.NoError(t, c.DeleteCredential(ctx, pat.ID))
}

// What GARM logs of a 500 stands in for the details that its answer lacks, and for no other answer's.
func TestReasonIsAskedFor(t *testing.T) {
	t.Parallel()
	var asked []time.Time
	reason := func(began time.Time) string {
		asked = append(asked, began)
		return "invalid key"
	}
	c := session(t, garmapi.Options{Reason: reason})
	begin := time.Now()
	_, err := c.CreateEntity(t.Context(), params.ForgeEntityTypeOrganization, "", "nobody")
	require.True(t, garmapi.IsInvalid(err))
	der, err := x509.MarshalPKCS8PrivateKey(privateKey(t))
	require.NoError(t, err)
	key := &garmapi.App{ID: 42, InstallationID: 7, PrivateKey: pemOf("PRIVATE KEY", der)}
	_, err = c.CreateCredential(t.Context(), garmapi.Credential{Name: "app", Endpoint: "github.com", App: key})
	require.EqualError(t, err, `cannot create credential "app": invalid key (500)`)
	_, err = c.ScaleSet(t.Context(), 9)
	require.True(t, garmapi.IsNotFound(err))
	require.Len(t, asked, 1)
	assert.WithinRange(t, asked[0], begin, time.Now())
}

func TestRefusedKeyIsNotShown(t *testing.T) {
	t.Parallel()
	c := session(t, garmapi.Options{})
	_, err := c.CreateEndpoint(t.Context(), nowhere("ghes"))
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(privateKey(t))
	require.NoError(t, err)
	key := pemOf("PRIVATE KEY", der)

	_, err = c.CreateCredential(t.Context(), garmapi.Credential{
		Name: "app", Endpoint: "ghes", App: &garmapi.App{ID: 42, InstallationID: 7, PrivateKey: key},
	})
	assert.EqualError(t, err, `cannot create credential "app": GARM answered 500 and tells the reason only in its log`)
	var e *garmapi.Error
	require.ErrorAs(t, err, &e)
	assert.NotContains(t, e.Code+e.Details, strings.Split(key.Reveal(), "\n")[1])
}

func TestEntities(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := session(t, garmapi.Options{})
	_, err := c.CreateEndpoint(ctx, nowhere("ghes"))
	require.NoError(t, err)
	for _, name := range []string{"first", "second"} {
		_, err = c.CreateCredential(ctx, token(name))
		require.NoError(t, err)
	}

	for _, row := range []struct {
		kind params.ForgeEntityType
		name string
	}{
		{params.ForgeEntityTypeOrganization, "acme"},
		{params.ForgeEntityTypeRepository, "acme/widgets"},
		{params.ForgeEntityTypeEnterprise, "globex"},
	} {
		t.Run(string(row.kind), func(t *testing.T) {
			created, err := c.CreateEntity(ctx, row.kind, row.name, "first")
			require.NoError(t, err)
			assert.Equal(t, row.name, created.Name)
			_, err = c.CreateEntity(ctx, row.kind, strings.ToUpper(row.name), "first")
			require.True(t, garmapi.IsConflict(err), err)

			_, err = c.UpdateEntity(ctx, created.EntityRef, "second")
			require.NoError(t, err)
			list, err := c.Entities(ctx, row.kind)
			require.NoError(t, err)
			require.Len(t, list, 1)
			assert.Equal(t, created.EntityRef, list[0].EntityRef)
			assert.Equal(t, "ghes", list[0].Endpoint)
			assert.Equal(t, "second", list[0].CredentialsName)

			var found garmapi.Entity
			assert.Eventually(t, func() bool {
				found, err = c.Entity(ctx, created.EntityRef)
				return err == nil && found.FailureReason != "" && len(found.Events) > 0
			}, 30*time.Second, 100*time.Millisecond, "GARM says why GitHub cannot be used")
			assert.False(t, found.Running)

			_, err = c.CreateScaleSet(ctx, created.EntityRef, params.CreateScaleSetParams{
				Name: "set", ProviderName: "none", Image: "i", Flavor: "f", MaxRunners: 1, OSType: common.Linux, OSArch: common.Amd64,
			})
			assert.EqualError(t, err, `cannot create scale set "set": GARM answered 500 and tells the reason only in its log`)

			require.NoError(t, c.DeleteEntity(ctx, created.EntityRef))
			gone, err := c.Entity(ctx, created.EntityRef)
			assert.True(t, garmapi.IsNotFound(err), err)
			assert.Zero(t, gone)
		})
	}

	_, err = c.CreateEntity(ctx, params.ForgeEntityTypeOrganization, "acme", "none")
	assert.True(t, garmapi.IsInvalid(err), err)
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	seen := &calls{}
	c := session(t, garmapi.Options{Trace: seen.trace})
	body := params.CreateTemplateParams{
		Name: "github_linux", Description: "ours", Data: []byte("#!/bin/bash\n"), OSType: common.Linux, ForgeType: params.GithubEndpointType,
	}
	mine, err := c.CreateTemplate(ctx, body)
	require.NoError(t, err, "GARM's own template of that name is no obstacle")
	_, err = c.CreateTemplate(ctx, body)
	require.True(t, garmapi.IsConflict(err), err)

	list, err := c.Templates(ctx)
	require.NoError(t, err)
	system, ok := garmapi.SystemTemplate(list, common.Linux, params.GithubEndpointType)
	require.True(t, ok)
	assert.NotEqual(t, mine.ID, system.ID)
	assert.Empty(t, system.Data)
	shipped, err := c.Template(ctx, system.ID)
	require.NoError(t, err)
	assert.Contains(t, string(shipped.Data), "#!/bin/bash")

	for _, bad := range []string{"docker ps --format '{{.Names'", "${{ github.ref }}"} {
		seen.take()
		_, err = c.CreateTemplate(ctx, params.CreateTemplateParams{Name: "bad", Data: []byte(bad)})
		assert.ErrorContains(t, err, `cannot create template "bad": template: `)
		_, err = c.UpdateTemplate(ctx, mine.ID, params.UpdateTemplateParams{Data: []byte(bad)})
		assert.ErrorContains(t, err, "cannot update template")
		assert.Empty(t, seen.take(), "it is not sent")
	}

	_, err = c.UpdateTemplate(ctx, mine.ID, params.UpdateTemplateParams{Data: []byte("#!/bin/sh\n")})
	require.NoError(t, err)
	mine, err = c.Template(ctx, mine.ID)
	require.NoError(t, err)
	assert.Equal(t, "#!/bin/sh\n", string(mine.Data))
	assert.Equal(t, "ours", mine.Description)

	_, err = c.UpdateTemplate(ctx, system.ID, params.UpdateTemplateParams{Data: []byte("edited")})
	require.NoError(t, err)
	require.NoError(t, c.RestoreSystemTemplate(ctx, common.Linux, params.GithubEndpointType))
	restored, err := c.Template(ctx, system.ID)
	require.NoError(t, err)
	assert.Equal(t, shipped.Data, restored.Data)

	require.NoError(t, c.DeleteTemplate(ctx, mine.ID))
	_, err = c.Template(ctx, mine.ID)
	assert.True(t, garmapi.IsNotFound(err), err)
	assert.NoError(t, c.DeleteTemplate(ctx, mine.ID))
	_, err = c.Template(ctx, 12345678)
	assert.True(t, garmapi.IsNotFound(err), "a large id is sent as digits: %v", err)
}

func TestSystemTemplateIsGARMsOwn(t *testing.T) {
	want := params.Template{ID: 4, OSType: common.Linux, ForgeType: params.GithubEndpointType, Owner: "system"}
	mine, windows, gitea := want, want, want
	mine.Owner = "admin"
	windows.OSType = common.Windows
	gitea.ForgeType = params.GiteaEndpointType

	found, ok := garmapi.SystemTemplate([]params.Template{mine, windows, gitea, want}, common.Linux, params.GithubEndpointType)
	assert.True(t, ok)
	assert.Equal(t, want, found)
	_, ok = garmapi.SystemTemplate([]params.Template{mine, windows, gitea}, common.Linux, params.GithubEndpointType)
	assert.False(t, ok)
}
