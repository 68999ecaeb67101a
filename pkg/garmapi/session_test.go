package garmapi_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/cloudbase/garm/params"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/garmapi"
	"github.com/garm-charms/garm-charms/pkg/garmapi/garmtest"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

const password = "correct-horse-battery-staple"

func admin() garmapi.Admin {
	return garmapi.Admin{Username: "admin", Password: secret.New(password), Email: "admin@garm.local", FullName: "GARM Admin"}
}

func urls(base string) garmapi.URLs {
	return garmapi.URLs{
		Metadata: base + "/api/v1/metadata",
		Callback: base + "/api/v1/callbacks",
		Webhook:  base + "/webhooks",
		Agent:    base + "/agent",
	}
}

// session returns a session with a new GARM that is ready for work.
func session(t *testing.T, opts garmapi.Options) *garmapi.Client {
	t.Helper()
	return open(t, garmtest.Start(t, garmtest.Options{}), opts)
}

// open sets a new GARM up.
func open(t *testing.T, server *garmtest.Server, opts garmapi.Options) *garmapi.Client {
	t.Helper()
	c := garmapi.New(server.URL, opts)
	require.NoError(t, c.FirstRun(t.Context(), admin()))
	require.NoError(t, c.Login(t.Context(), "admin", secret.New(password)))
	_, err := c.UpdateController(t.Context(), urls(server.URL))
	require.NoError(t, err)
	return c
}

// calls records requests.
type calls struct {
	mu   sync.Mutex
	list []garmapi.Call
}

func (c *calls) trace(call garmapi.Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, call)
}

// take returns the recorded requests as "GET /path", and forgets them.
func (c *calls) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, call := range c.list {
		out = append(out, call.Method+" "+call.Path)
	}
	c.list = nil
	return out
}

func TestFirstRunLoginAndURLs(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := garmtest.Start(t, garmtest.Options{Provider: "cloud"})
	c := garmapi.New(server.URL, garmapi.Options{})

	require.NoError(t, c.Ready(ctx), "GARM without an administrator is ready to be asked for one")
	require.ErrorIs(t, c.Login(ctx, "admin", secret.New(password)), garmapi.ErrNotInitialised)
	_, err := c.Controller(ctx)
	require.ErrorIs(t, err, garmapi.ErrNotInitialised)
	assert.False(t, garmapi.IsConflict(err), "an outstanding first run is a 409, but no conflict")

	weak := admin()
	weak.Password = secret.New("Password123!")
	err = c.FirstRun(ctx, weak)
	require.True(t, garmapi.IsInvalid(err), err)
	assert.EqualError(t, err, "cannot make GARM's first run: password is too weak (400)")

	require.NoError(t, c.FirstRun(ctx, admin()))
	assert.True(t, garmapi.IsConflict(c.FirstRun(ctx, admin())))

	err = c.Login(ctx, "admin", secret.New("wrong"))
	require.ErrorIs(t, err, garmapi.ErrBadCredentials)
	assert.True(t, garmapi.IsUnauthorized(err))
	assert.NotContains(t, err.Error(), "wrong")
	require.NoError(t, c.Login(ctx, "admin", secret.New(password)))

	_, err = c.Providers(ctx)
	require.True(t, garmapi.IsURLsRequired(err), err)
	assert.False(t, garmapi.IsConflict(err), "outstanding URLs are a 409, but no conflict")
	info, err := c.Controller(ctx)
	require.NoError(t, err, "the controller can be read before it has URLs")
	assert.Empty(t, info.AgentURL)

	_, err = c.UpdateController(ctx, urls("http://garm.example"))
	require.NoError(t, err)
	info, err = c.Controller(ctx)
	require.NoError(t, err)
	have := garmapi.URLs{Metadata: info.MetadataURL, Callback: info.CallbackURL, Webhook: info.WebhookURL, Agent: info.AgentURL}
	assert.Equal(t, urls("http://garm.example"), have)
	version, err := c.Version(ctx)
	require.NoError(t, err)
	assert.NotEmpty(t, version)

	providers, err := c.Providers(ctx)
	require.NoError(t, err)
	require.Len(t, providers, 1)
	assert.Equal(t, "cloud", providers[0].Name)
}

func TestSessionIsRenewedOnce(t *testing.T) {
	t.Parallel()
	seen := &calls{}
	c := session(t, garmapi.Options{Trace: seen.trace})
	seen.take()

	c.SpoilToken()
	_, err := c.CreateEndpoint(t.Context(), params.CreateGithubEndpointParams{
		Name: "ghes", APIBaseURL: "http://127.0.0.1:1/api/v3", UploadBaseURL: "http://127.0.0.1:1", BaseURL: "http://127.0.0.1:1",
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"POST /github/endpoints", "POST /auth/login", "POST /github/endpoints"}, seen.take())

	_, err = c.Endpoints(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"GET /github/endpoints"}, seen.take(), "the new token is kept")
}

func TestWithoutLoginGARMRefuses(t *testing.T) {
	t.Parallel()
	server := garmtest.Start(t, garmtest.Options{})
	seen := &calls{}
	c := garmapi.New(server.URL, garmapi.Options{Trace: seen.trace})
	require.NoError(t, c.FirstRun(t.Context(), admin()))
	seen.take()

	_, err := c.Controller(t.Context())
	assert.True(t, garmapi.IsUnauthorized(err), err)
	assert.Equal(t, []string{"GET /controller"}, seen.take())
}

// What answers 200 to everything, such as a proxy in between, has opened no session.
func TestLoginWithoutTokenIsNone(t *testing.T) {
	t.Parallel()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{}"))
	}))
	t.Cleanup(front.Close)
	err := garmapi.New(front.URL, garmapi.Options{}).Login(t.Context(), "admin", secret.New(password))
	require.EqualError(t, err, `cannot log in to GARM as "admin": its answer has no token`)
	assert.False(t, garmapi.IsUnauthorized(err), "it says nothing about the password")
}

func TestReadyWaitsForGARM(t *testing.T) {
	t.Parallel()
	server := garmtest.Start(t, garmtest.Options{})
	server.Stop(t)
	c := garmapi.New(server.URL, garmapi.Options{})

	short, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	err := c.Ready(short)
	require.ErrorIs(t, err, garmapi.ErrStarting)
	assert.EqualError(t, err, "cannot reach GARM at "+server.URL+": GARM does not listen yet")

	ready := make(chan error)
	go func() { ready <- c.Ready(t.Context()) }()
	server.Run(t)
	assert.NoError(t, <-ready)
}

func TestNothingListens(t *testing.T) {
	t.Parallel()
	seen := &calls{}
	c := garmapi.New("http://127.0.0.1:1", garmapi.Options{Trace: seen.trace})

	_, err := c.ScaleSets(t.Context())
	require.ErrorIs(t, err, garmapi.ErrStarting)
	assert.EqualError(t, err, "cannot list scale sets: GARM does not listen yet")
	assert.Len(t, seen.take(), 3, "a read that was not answered is repeated")

	_, err = c.CreateTemplate(t.Context(), params.CreateTemplateParams{Name: "x"})
	require.ErrorIs(t, err, garmapi.ErrStarting)
	assert.Len(t, seen.take(), 1, "a write is not: it may have been done")
}

// waited is how long GARM was waited for, as an error says.
func waited(t *testing.T, err error) time.Duration {
	t.Helper()
	found := regexp.MustCompile(`no answer from GARM within (\S+): `).FindStringSubmatch(err.Error())
	require.Len(t, found, 2, err)
	d, err := time.ParseDuration(found[1])
	require.NoError(t, err)
	return d
}

func TestGARMThatHangs(t *testing.T) {
	t.Parallel()
	// The kernel accepts the connections for it; nobody answers.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.Close()) })
	limit := 300 * time.Millisecond
	c := garmapi.New("http://"+l.Addr().String(), garmapi.Options{ReadLimit: limit, WriteLimit: limit})

	for name, call := range map[string]func() error{
		"read":  func() error { _, err := c.ScaleSets(t.Context()); return err },
		"write": func() error { _, err := c.Drain(t.Context(), 1); return err },
		"login": func() error { return c.Login(t.Context(), "admin", secret.New(password)) },
	} {
		begin := time.Now()
		err := call()
		assert.True(t, garmapi.IsTimeout(err), "%s: %v", name, err)
		took := time.Since(begin)
		assert.GreaterOrEqual(t, waited(t, err), limit, name)
		assert.LessOrEqual(t, waited(t, err), took.Round(100*time.Millisecond), name)
		assert.Less(t, took, 10*limit, name)
	}

	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	err = c.Ready(ctx)
	assert.True(t, garmapi.IsTimeout(err), err)
	assert.NotErrorIs(t, err, garmapi.ErrStarting)
}

func TestCallerThatGivesUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := garmapi.New("http://127.0.0.1:1", garmapi.Options{}).ScaleSets(ctx)
	assert.ErrorIs(t, err, context.Canceled)
}

// Not parallel: it changes the process's environment and standard error.
func TestDebugEnvironmentShowsNoSecrets(t *testing.T) {
	t.Setenv("DEBUG", "1")
	t.Setenv("SWAGGER_DEBUG", "1")
	server := garmtest.Start(t, garmtest.Options{})
	file, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, file.Close()) })

	stderr := os.Stderr
	os.Stderr = file
	err = garmapi.New(server.URL, garmapi.Options{}).FirstRun(t.Context(), admin())
	os.Stderr = stderr

	require.NoError(t, err)
	text, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	assert.NotContains(t, string(text), password)
}
