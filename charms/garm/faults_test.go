package garm

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	garmparams "github.com/cloudbase/garm/params"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/garmapi"
	"github.com/garm-charms/garm-charms/pkg/garmapi/garmtest"
	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/configurator"
	"github.com/garm-charms/garm-charms/pkg/plan"
	"github.com/garm-charms/garm-charms/pkg/reconcile"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/secret"
	"github.com/garm-charms/garm-charms/pkg/status"
)

// TestFaults lets every request that changes something in GARM go wrong once, in every way, in the step from one declaration
// to another. The next reconcile ends where one without a fault does, and in between no status says active that is not true.
func TestFaults(t *testing.T) {
	t.Parallel()
	eachFault(t, func(t *testing.T, fault fault) {
		l := newFaultLab(t)
		for _, row := range l.faultRows() {
			l.settle(row.from)
			l.spoil(row, fault)
			var said hook.Status
			said, l.peer = l.reconcile(l.Context(), l.client, row.to)
			l.assertReached(row.to, said, row.String())
		}
	})
}

// eachFault runs a test for each fault. They mostly wait, so more of them go at once than the machine has cores.
func eachFault(t *testing.T, test func(*testing.T, fault)) {
	t.Helper()
	var together sync.WaitGroup
	for name, fault := range faults() {
		together.Go(func() { t.Run(name, func(t *testing.T) { test(t, fault) }) })
	}
	together.Wait()
}

// TestFaultsOfRunners does the same where a runner that could not be set up is taken away: another takes its place, once.
func TestFaultsOfRunners(t *testing.T) {
	t.Parallel()
	eachFault(t, func(t *testing.T, fault fault) {
		l := newFaultLab(t)
		idle := l.declared(func(d *configurator.Declared) { d.ScaleSet.MinIdleRunner = 1 })
		l.settle(idle)
		broken := l.runner(garmparams.RunnerPending)
		l.server.Say(t, broken, "failed", "no disk")

		l.spoil(faultRow{"DELETE", "/instances/" + broken + "$", idle, idle}, fault)
		l.settle(idle) // the first look that takes the runner away tells why it was not set up
		assert.NotEqual(t, broken, l.runner(garmparams.RunnerPending))
	})
}

// TestFaultsOfTheSession does the same to what comes before: GARM's first run, the login and GARM's URLs.
func TestFaultsOfTheSession(t *testing.T) {
	t.Parallel()
	eachFault(t, func(t *testing.T, fault fault) {
		saboteur := newSaboteur(t, garmtest.Start(t, garmtest.Options{}).URL)
		c := charm{
			tools: hook.NewTools(hook.Env{}, &tools{}), log: slog.New(slog.DiscardHandler),
			garm: garmapi.New(saboteur.URL, fault.patience()),
		}
		in := inputs{keys: keys{admin: admin()}}
		for _, route := range []string{"/first-run", "/auth/login", "/controller"} {
			in.options.ExternalURL = "http://garm.example" + route // GARM's URLs are to change each time
			method := http.MethodPost
			if route == "/controller" {
				method = http.MethodPut
			}
			saboteur.arm(method, route+"$", fault.strike)
			ctx, kill := context.WithCancel(t.Context())
			defer kill()
			saboteur.kill = kill
			said, err := c.openSession(ctx, &in)
			require.NoError(t, err)
			require.True(t, saboteur.struck(), "%s: the request was not made", route)
			assert.Equal(t, hook.Maintenance, said.Level, route)
			saboteur.catchUp()

			said, err = c.openSession(t.Context(), &in)
			require.NoError(t, err)
			assert.Empty(t, said, route)
			have, err := c.garm.Controller(t.Context())
			require.NoError(t, err)
			assert.Equal(t, c.urls(&in), garmapi.URLsOf(have), route)
		}
	})
}

// TestOtherPasswordIsRefused has a GARM whose admin has another password than the secret says: nothing is set up anew.
func TestOtherPasswordIsRefused(t *testing.T) {
	t.Parallel()
	server := garmtest.Start(t, garmtest.Options{})
	require.NoError(t, garmapi.New(server.URL, garmapi.Options{}).FirstRun(t.Context(), admin()))
	c := charmWith(t, &tools{})
	c.garm = garmapi.New(server.URL, garmapi.Options{})
	in := inputs{keys: keys{admin: admin()}}
	in.keys.admin.Password = secret.New("another-quagmire-54-ocelot-prairie")
	said, err := c.openSession(t.Context(), &in)
	require.NoError(t, err)
	assert.Equal(t, status.LoginRefused(), said)
	assert.Equal(t, 1, strings.Count(server.Log(t), "uri=/api/v1/first-run "), "the test's own")
}

func admin() garmapi.Admin {
	return garmapi.Admin{Username: "admin", Password: secret.New("quagmire-lantern-54-ocelot-prairie"), Email: "admin@garm.local", FullName: "Admin"}
}

// faultRow is one request that goes wrong on the way from one declaration to another; nil is none.
type faultRow struct {
	method, path string // path is a regular expression, below /api/v1
	from, to     *configurator.Declared
}

func (r faultRow) String() string { return r.method + " " + r.path }

func (l *faultLab) faultRows() []faultRow {
	const id = "/[^/]+$"
	org, token := l.declared(), func(text string) func(*configurator.Declared) {
		return func(d *configurator.Declared) { d.Secrets.Token = secret.New(text) }
	}
	app := func(d *configurator.Declared) {
		d.Secrets.Token, d.Secrets.PrivateKey, d.ScaleSet.App = secret.Value{}, l.key, runnerconfig.App{AppID: 42, InstallationID: 7}
	}
	repo := func(d *configurator.Declared) { d.ScaleSet.Org, d.ScaleSet.Repo = "", "acme/widgets" }
	enterprise := l.declared(func(d *configurator.Declared) { d.ScaleSet.Org, d.ScaleSet.Enterprise = "", "acme-inc" })
	mirror := func(url string) func(*configurator.Declared) {
		return func(d *configurator.Declared) { d.ScaleSet.DockerHubMirror = url }
	}
	certificate := func(d *configurator.Declared) {
		d.ScaleSet.GitHubCACertificate += "\n" + d.ScaleSet.GitHubCACertificate
	}
	one, two := l.declared(mirror("https://one.example.com")), l.declared(mirror("https://two.example.com"))
	// Most rows begin where the one before ends, which saves the way there.
	return []faultRow{
		{"POST", "/github/endpoints$", nil, org},
		{"PUT", "/scalesets" + id, org, nil}, // drain
		{"POST", "/github/credentials$", nil, org},
		{"DELETE", "/scalesets" + id, org, nil},
		{"POST", "/organizations$", nil, org},
		{"DELETE", "/organizations" + id, org, nil},
		{"POST", "/organizations/.*/scalesets$", nil, org},
		{"DELETE", "/github/credentials" + id, org, nil},
		{"PUT", "/github/endpoints" + id, org, l.declared(certificate)},
		{"DELETE", "/github/endpoints" + id, l.declared(certificate), nil},
		{"PUT", "/github/credentials" + id, org, l.declared(token("second"))},
		{"PUT", "/organizations" + id, org, l.declared(app)},
		{"POST", "/templates$", org, one},
		{"PUT", "/templates" + id, one, two},
		{"DELETE", "/templates" + id, two, org},
		{"PUT", "/scalesets" + id, org, one},
		{"POST", "/repositories$", nil, l.declared(repo)},
		{"DELETE", "/repositories" + id, l.declared(repo), nil},
		{"POST", "/repositories/.*/scalesets$", nil, l.declared(repo)},
		{"PUT", "/repositories" + id, l.declared(repo), l.declared(repo, app)},
		{"POST", "/enterprises$", nil, enterprise},
		{"DELETE", "/enterprises" + id, enterprise, nil},
		{"POST", "/enterprises/.*/scalesets$", nil, enterprise},
	}
}

// faultLab is the charm's reconcile between a GARM that is reached through a saboteur and a memory that is lost with the hook.
type faultLab struct {
	*testing.T

	forge    *garmtest.Forge
	server   *garmtest.Server
	saboteur *saboteur
	client   *garmapi.Client
	key      secret.Value
	peer     peer
}

func newFaultLab(t *testing.T, providers ...string) *faultLab {
	t.Helper()
	l := &faultLab{T: t, forge: garmtest.GitHub(t), key: newKey(t)}
	app, err := json.Marshal(map[string]any{"app_id": 42, "installation_id": 7, "key": l.key.Reveal()})
	require.NoError(t, err)
	l.forge.Do(t, "POST", "/apps", string(app))
	for _, text := range []string{"first", "second"} {
		l.forge.Do(t, "POST", "/tokens", fmt.Sprintf(`{"token":%q}`, text))
	}
	for _, entity := range []string{"orgs/acme", "repos/acme/widgets", "enterprises/acme-inc"} {
		l.forge.Do(t, "POST", "/entities", fmt.Sprintf(`{"entity":%q}`, entity))
	}
	l.server = garmtest.Start(t, garmtest.Options{Provider: "cloud", Others: providers, Forge: l.forge})
	l.saboteur = newSaboteur(t, l.server.URL)
	l.client = garmapi.New(l.saboteur.URL, garmapi.Options{})
	require.NoError(t, l.client.FirstRun(t.Context(), admin()))
	require.NoError(t, l.client.Login(t.Context(), admin().Username, admin().Password))
	_, err = l.client.UpdateController(t.Context(), charm{env: hook.Env{AppName: "garm"}}.urls(&inputs{}))
	require.NoError(t, err)
	return l
}

// declared is a scale set of the organisation acme, on a GitHub of the test's own, with a token.
func (l *faultLab) declared(changes ...func(*configurator.Declared)) *configurator.Declared {
	l.Helper()
	d := configurator.Declared{
		Application: "small", RelationID: "garm-configurator:1",
		ScaleSet: runnerconfig.ScaleSet{
			Name: "small", Org: "acme", RunnerGroup: "Default", MaxRunner: 2, BootstrapTimeoutMinutes: 20,
			Provider: runnerconfig.Provider{ProviderName: "cloud"},
			Machine:  runnerconfig.Machine{ImageID: "noble", Flavor: "m1.small", OSArch: "amd64"},
			Forge:    runnerconfig.Forge{GitHubURL: l.forge.URL, GitHubCACertificate: string(l.forge.CA(l))},
		},
		Secrets: configurator.Secrets{Token: secret.New("first")},
	}
	for _, change := range changes {
		change(&d)
	}
	return &d
}

// spoil goes one row's way, from where it begins, with the fault in it.
func (l *faultLab) spoil(row faultRow, fault fault) {
	l.Helper()
	l.saboteur.arm(row.method, row.path, fault.strike)
	ctx, kill := context.WithCancel(l.Context())
	defer kill()
	l.saboteur.kill = kill
	said, memory := l.reconcile(ctx, l.session(fault.patience()), row.to)
	require.True(l, l.saboteur.struck(), "%s: the request was not made", row)
	if ctx.Err() == nil {
		l.peer = memory
		assert.NotEqual(l, hook.Active, said.Level, "%s: %s", row, said.Message)
	}
	l.saboteur.catchUp()
}

// runner is the only one, once it is running and its state is as given.
func (l *faultLab) runner(state garmparams.RunnerStatus) (name string) {
	l.Helper()
	require.Eventually(l, func() bool {
		runners, err := l.client.AllInstances(l.Context())
		if err != nil || len(runners) != 1 || runners[0].Status != "running" || runners[0].RunnerStatus != state {
			return false
		}
		name = runners[0].Name
		return true
	}, 60*time.Second, 100*time.Millisecond)
	return name
}

// reconcile is one hook: what it says, and what it would remember.
func (l *faultLab) reconcile(ctx context.Context, client *garmapi.Client, d *configurator.Declared) (hook.Status, peer) {
	l.Helper()
	in := l.inputs(d)
	f := l.follow(ctx, client, &in)
	return f.Summary(f.Judge()), in.peer
}

func (l *faultLab) follow(ctx context.Context, client *garmapi.Client, in *inputs) status.Findings {
	l.Helper()
	before, err := reconcile.Observe(l.Context(), client)
	require.NoError(l, err)
	f, inventory := decide(*in, before)
	f.Report = reconcile.Apply(ctx, client, before, f.Plan, inventory, slog.New(slog.DiscardHandler))
	in.peer.inventory = f.Report.Inventory
	return f
}

// session is another one with the same GARM.
func (l *faultLab) session(opts garmapi.Options) *garmapi.Client {
	l.Helper()
	client := garmapi.New(l.saboteur.URL, opts)
	require.NoError(l, client.Login(l.Context(), admin().Username, admin().Password))
	return client
}

func (l *faultLab) inputs(d *configurator.Declared) inputs {
	in := inputs{peer: l.peer}
	if d != nil {
		in.declared = []configurator.Declared{*d}
	}
	return in
}

// settle goes to a declaration without a fault. GARM refuses an organisation that it has just deleted until it has put away
// what watched it.
func (l *faultLab) settle(d *configurator.Declared) {
	l.Helper()
	var said hook.Status
	settled := func() bool {
		said, l.peer = l.reconcile(l.Context(), l.client, d)
		return said.Level == hook.Active
	}
	if !settled() {
		require.Eventually(l, settled, time.Minute, 100*time.Millisecond, said.Message)
	}
	l.assertReached(d, said, "without a fault")
}

// assertReached asserts that GARM and GitHub have what is declared, once, that nothing remains to do, and that the status says so.
func (l *faultLab) assertReached(d *configurator.Declared, said hook.Status, what string) {
	l.Helper()
	require.Equal(l, hook.Active, said.Level, "%s: %s", what, said.Message)
	now, err := reconcile.Observe(l.Context(), l.client)
	require.NoError(l, err)
	f, inventory := decide(l.inputs(d), now)
	require.Empty(l, f.Plan.String(), what)
	require.Equal(l, inventory.Entities, l.peer.inventory.Entities, what)
	require.Equal(l, owners(inventory), owners(l.peer.inventory), what)

	wanted := len(f.Want.ScaleSets)
	require.Len(l, now.Endpoints, 1+wanted, what)
	require.Len(l, now.Credentials, wanted, what)
	require.Len(l, now.Entities, wanted, what)
	require.Len(l, now.Templates, len(f.Want.Templates), what)
	require.Len(l, now.ScaleSets, wanted, what)
	var twins []struct{ Name string }
	require.NoError(l, json.Unmarshal([]byte(l.forge.Do(l, "GET", "/scalesets", "")), &twins))
	require.Len(l, twins, wanted, what)
	for i, set := range now.ScaleSets {
		require.Equal(l, f.Want.ScaleSets[i].Settings, set.Settings, what)
	}
	for i, c := range now.Credentials {
		require.Equal(l, f.Want.Credentials[i].Description, c.Description, what)
	}
}

// owners is whose each scale set is, without its name and what its runners are like: these are taken down when GARM is next looked at.
func owners(inventory plan.Inventory) map[uint]plan.Owned {
	owned := map[uint]plan.Owned{}
	for id, o := range inventory.ScaleSets {
		o.Recipe, o.Since, o.ScaleSet = "", time.Time{}, ""
		owned[id] = o
	}
	return owned
}
