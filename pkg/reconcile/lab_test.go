package reconcile_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudbase/garm/params"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/garmapi"
	"github.com/garm-charms/garm-charms/pkg/garmapi/garmtest"
	"github.com/garm-charms/garm-charms/pkg/plan"
	"github.com/garm-charms/garm-charms/pkg/reconcile"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

// soon is far longer than anything here takes.
const soon = time.Minute

// lab is the real GARM, whose endpoint github.com is a GitHub of the test's own.
type lab struct {
	t      testing.TB
	forge  *garmtest.Forge
	server *garmtest.Server
	admin  garmapi.Admin
	client *garmapi.Client
	key    secret.Value // of App 42, installation 7

	inventory plan.Inventory
	log       bytes.Buffer

	opts garmapi.Options
	hook context.Context // of passes

	mu     sync.Mutex
	writes []string // requests to GARM that change something
	reads  int
}

func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{t: t, forge: garmtest.GitHub(t), key: newKey(t)}
	l.opts.Trace = func(c garmapi.Call) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if c.Method == http.MethodGet {
			l.reads++
		} else {
			l.writes = append(l.writes, c.Method+" "+c.Path)
		}
	}
	app, err := json.Marshal(map[string]any{"app_id": 42, "installation_id": 7, "key": l.key.Reveal()})
	require.NoError(t, err)
	l.forge.Do(t, "POST", "/apps", string(app))
	l.forge.Do(t, "POST", "/entities", `{"entity":"orgs/acme","runner_groups":["big"]}`)
	l.forge.Do(t, "POST", "/entities", `{"entity":"repos/acme/widgets"}`)
	l.admin = garmapi.Admin{Username: "admin", Password: secret.New("quagmire-lantern-54-ocelot-prairie"), Email: "admin@garm.local", FullName: "Admin"}
	l.hook = t.Context()
	l.startGARM()
	return l
}

// startGARM gives the lab a new GARM.
func (l *lab) startGARM() {
	l.t.Helper()
	l.inventory = plan.Inventory{}
	l.server = garmtest.Start(l.t, garmtest.Options{Provider: "cloud", Forge: l.forge})
	l.client = garmapi.New(l.server.URL, l.opts)
	require.NoError(l.t, l.client.FirstRun(l.t.Context(), l.admin))
	require.NoError(l.t, l.client.Login(l.t.Context(), l.admin.Username, l.admin.Password))
	base := l.server.URL
	_, err := l.client.UpdateController(l.t.Context(), garmapi.URLs{
		Metadata: base + "/api/v1/metadata", Callback: base + "/api/v1/callbacks", Webhook: base + "/webhooks", Agent: base + "/agent",
	})
	require.NoError(l.t, err)
	l.aim()
	l.written()
}

// session is another one with the same GARM, by way of url.
func (l *lab) session(url string, opts garmapi.Options) *garmapi.Client {
	l.t.Helper()
	client := garmapi.New(url, opts)
	require.NoError(l.t, client.Login(l.t.Context(), l.admin.Username, l.admin.Password))
	return client
}

// aim makes GARM's endpoint github.com that GitHub of the test's own.
func (l *lab) aim() {
	l.t.Helper()
	api, upload := l.forge.URL+"/api/v3", l.forge.URL+"/api/uploads"
	_, err := l.client.UpdateEndpoint(l.t.Context(), "github.com", params.UpdateGithubEndpointParams{
		BaseURL: &l.forge.URL, APIBaseURL: &api, UploadBaseURL: &upload, CACertBundle: l.forge.CA(l.t),
	})
	require.NoError(l.t, err)
}

func newKey(t testing.TB) secret.Value {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return secret.New(string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
}

// written returns the changing requests since it was last called.
func (l *lab) written() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	writes := l.writes
	l.writes = nil
	return writes
}

// declared is a scale set of the organisation acme without runner options.
func (l *lab) declared(application string, changes ...func(*desired.Declaration)) desired.Declaration {
	d := desired.Declaration{
		Application: application,
		PrivateKey:  l.key,
		ScaleSet: runnerconfig.ScaleSet{
			Name:        application,
			Org:         "acme",
			Provider:    runnerconfig.Provider{ProviderName: "cloud"},
			App:         runnerconfig.App{AppID: 42, InstallationID: 7},
			Machine:     runnerconfig.Machine{ImageID: "noble", Flavor: "m1.small", OSArch: "amd64"},
			RunnerGroup: "Default",
			MaxRunner:   2,

			BootstrapTimeoutMinutes: 20,
		},
	}
	for _, change := range changes {
		change(&d)
	}
	return d
}

func mirror(url string) func(*desired.Declaration) {
	return func(d *desired.Declaration) { d.DockerHubMirror = url }
}

func org(name string) func(*desired.Declaration) {
	return func(d *desired.Declaration) { d.Org = name }
}

func (l *lab) observe() reconcile.Observation {
	l.t.Helper()
	o, err := reconcile.Observe(l.t.Context(), l.client)
	require.NoError(l.t, err)
	return o
}

// pass is one reconcile, as the charm does it, and returns what was planned and what became of it. Two declarations may
// share the one provider here, which desired.Build would refuse: want may be changed before it is followed.
func (l *lab) pass(change func(*desired.State), declarations ...desired.Declaration) (plan.Plan, reconcile.Report) {
	l.t.Helper()
	before := l.observe()
	for i := range declarations {
		declarations[i].ProviderName = declarations[i].Application
	}
	want, conflicts := desired.Build(declarations, before.System.Data)
	require.Empty(l.t, conflicts)
	for i := range want.ScaleSets {
		want.ScaleSets[i].Provider = "cloud"
	}
	if change != nil {
		change(&want)
	}
	inventory := l.inventory.Settle(before.State, want)
	p := plan.Diff(before.State, want, plan.Scope{Inventory: inventory, Providers: before.Providers})
	report := reconcile.Apply(l.hook, l.client, before, p, inventory, slog.New(slog.NewTextHandler(&l.log, nil)))
	l.inventory = report.Inventory
	assert.NotContains(l.t, l.log.String(), "PRIVATE KEY")
	return p, report
}

// settle makes passes until one has nothing to change and nothing to wait for.
func (l *lab) settle(declarations ...desired.Declaration) {
	l.t.Helper()
	require.Eventually(l.t, func() bool {
		p, _ := l.pass(nil, declarations...)
		return p.String() == ""
	}, soon, 200*time.Millisecond)
}

func (l *lab) assertPlan(want string, p plan.Plan, r reconcile.Report) {
	l.t.Helper()
	assert.Equal(l.t, strings.TrimSpace(want), strings.TrimSpace(p.String()))
	require.NoError(l.t, r.Err())
}

// outcomes are the errors by what was to be done; what was done has none.
func outcomes(r reconcile.Report) map[string]string {
	errors := map[string]string{}
	for _, o := range r.Outcomes {
		errors[string(o.Verb)+" "+o.Name] = ""
		if o.Err != nil {
			errors[string(o.Verb)+" "+o.Name] = o.Err.Error()
		}
	}
	return errors
}

// onGitHub are the scale sets of GitHub by name.
func (l *lab) onGitHub() map[string]int {
	l.t.Helper()
	var list []struct {
		ID   int    `json:"id"`
		Name string `json:"name"`
	}
	require.NoError(l.t, json.Unmarshal([]byte(l.forge.Do(l.t, "GET", "/scalesets", "")), &list))
	ids := map[string]int{}
	for _, set := range list {
		ids[set.Name] = set.ID
	}
	return ids
}

// assertBare asserts that GARM has nothing but its own endpoint.
func (l *lab) assertBare(o reconcile.Observation) {
	l.t.Helper()
	require.Len(l.t, o.Endpoints, 1)
	assert.Equal(l.t, desired.GitHubCom, o.Endpoints[0].Name)
	o.Endpoints = nil
	assert.Equal(l.t, desired.State{}, o.State)
}
