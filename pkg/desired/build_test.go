package desired_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/bootstrap"
	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

// base is the least that runner options can be put into.
const base = "#!/bin/bash\nset -e\nsendStatus \"configuring runner\"\nrun\n"

// declared is a declaration without runner options; each change makes it another.
func declared(application string, changes ...func(*desired.Declaration)) desired.Declaration {
	d := desired.Declaration{
		Application: application,
		PrivateKey:  secret.New(pkcs1PEM(keyOne())),
		ScaleSet: runnerconfig.ScaleSet{
			Name:          application,
			Org:           "acme",
			Provider:      runnerconfig.Provider{ProviderName: application},
			App:           runnerconfig.App{AppID: 42, InstallationID: 7},
			Machine:       runnerconfig.Machine{ImageID: "ubuntu", Flavor: "m1.small", OSArch: "amd64"},
			RunnerGroup:   "Default",
			MinIdleRunner: 1,
			MaxRunner:     3,
		},
	}
	for _, change := range changes {
		change(&d)
	}
	return d
}

func name(name string) func(*desired.Declaration) {
	return func(d *desired.Declaration) { d.Name = name }
}

func repo(name string) func(*desired.Declaration) {
	return func(d *desired.Declaration) { d.Org, d.Repo = "", name }
}

func org(name string) func(*desired.Declaration) {
	return func(d *desired.Declaration) { d.Org = name }
}

func provider(name string) func(*desired.Declaration) {
	return func(d *desired.Declaration) { d.ProviderName = name }
}

func app(id, installation int64) func(*desired.Declaration) {
	return func(d *desired.Declaration) { d.AppID, d.InstallationID = id, installation }
}

func key(pem string) func(*desired.Declaration) {
	return func(d *desired.Declaration) { d.PrivateKey = secret.New(pem) }
}

func mirror(url string) func(*desired.Declaration) {
	return func(d *desired.Declaration) { d.DockerHubMirror = url }
}

// shown is a state in one line for each object.
func shown(s desired.State) string {
	var lines []string
	for _, c := range s.Credentials {
		lines = append(lines, fmt.Sprintf("credential %s: App %d, installation %d at %s", c.Name, c.AppID, c.InstallationID, c.Endpoint))
	}
	for _, e := range s.Entities {
		lines = append(lines, fmt.Sprintf("%s: %s", e, e.Credential))
	}
	for _, t := range s.Templates {
		lines = append(lines, "template "+t.Name)
	}
	for _, set := range s.ScaleSets {
		lines = append(lines, fmt.Sprintf("%s: %s with %s, template %q", set, set.Application, set.Provider, set.Template))
	}
	return strings.Join(lines, "\n")
}

func TestBuild(t *testing.T) {
	const mirrorURL = "https://mirror.example.com"
	for _, row := range []struct {
		summary      string
		declarations []desired.Declaration
		want         string
	}{
		{"nothing is declared", nil, ``},
		{"one scale set without options has no template", []desired.Declaration{declared("small")}, `
credential app-42-7: App 42, installation 7 at github.com
organization acme: app-42-7
scale set small of organization acme: small with small, template ""`},
		{"one App and one entity serve many, however they are spelt", []desired.Declaration{
			declared("small"), declared("large", org("ACME")), declared("arm", repo("Acme/Widgets")),
		}, `
credential app-42-7: App 42, installation 7 at github.com
organization acme: app-42-7
repository acme/widgets: app-42-7
scale set large of organization acme: large with large, template ""
scale set small of organization acme: small with small, template ""
scale set arm of repository acme/widgets: arm with arm, template ""`},
		{"two installations of one App", []desired.Declaration{
			declared("small"), declared("other", org("other"), app(42, 8)),
		}, `
credential app-42-7: App 42, installation 7 at github.com
credential app-42-8: App 42, installation 8 at github.com
organization acme: app-42-7
organization other: app-42-8
scale set small of organization acme: small with small, template ""
scale set other of organization other: other with other, template ""`},
		{"options give a template of its own", []desired.Declaration{
			declared("plain"), declared("small", name("smaller"), mirror(mirrorURL)),
		}, `
credential app-42-7: App 42, installation 7 at github.com
organization acme: app-42-7
template github_linux-smaller
scale set plain of organization acme: plain with plain, template ""
scale set smaller of organization acme: small with small, template "github_linux-smaller"`},
		{"two entities may have a scale set of one name", []desired.Declaration{
			declared("a", name("small"), mirror(mirrorURL)), declared("b", name("small"), repo("acme/widgets"), mirror(mirrorURL)),
		}, `
credential app-42-7: App 42, installation 7 at github.com
organization acme: app-42-7
repository acme/widgets: app-42-7
template github_linux-small-acme-26bdda83
template github_linux-small-acme-widgets-6b81eb36
scale set small of organization acme: a with a, template "github_linux-small-acme-26bdda83"
scale set small of repository acme/widgets: b with b, template "github_linux-small-acme-widgets-6b81eb36"`},
	} {
		t.Run(row.summary, func(t *testing.T) {
			state, conflicts := desired.Build(row.declarations, []byte(base))
			assert.Empty(t, conflicts)
			assert.Equal(t, strings.TrimPrefix(row.want, "\n"), shown(state))
		})
	}
}

func TestBuildConflicts(t *testing.T) {
	const noKey = "github-app-private-key is not an RSA private key in PEM; download it again from the App's settings on GitHub"
	for _, row := range []struct {
		summary string
		second  desired.Declaration
		want    string
	}{
		{
			"scale set", declared("second", name("first"), org("Acme")),
			"scale set first of organization acme is already declared by first; give one of them another name",
		},
		{
			"provider", declared("second", provider("first")),
			"provider first is already declared by first; deploy one of them under another application name",
		},
		{
			"App of an entity", declared("second", app(43, 7)),
			"organization acme is registered with the GitHub App of first; give both the same github-app-id and github-app-installation-id",
		},
		{
			"key of an App", declared("second", key(pkcs1PEM(keyTwo()))),
			"another application gives the same GitHub App another github-app-private-key; give both the same",
		},
		{"no key at all", declared("second", key("not a key")), noKey},
		{"key of another kind", declared("second", key(ellipticPEM())), noKey},
		{"public key", declared("second", key(publicPEM(keyOne()))), noKey},
		{
			"option that cannot be rendered", declared("second", func(d *desired.Declaration) { d.PreJobScript = "a\x00b" }),
			"cannot make the runner template: cannot use the pre-job script: it has a NUL character",
		},
		{"script name that the proxy has", declared("second", func(d *desired.Declaration) {
			d.RunnerHTTPProxy, d.PreInstallScripts = "http://proxy:3128", runnerconfig.Scripts{"00-aproxy": "true"}
		}), `cannot use "00-aproxy" as the name of a pre-install script: 00- and 01- are for those that set up the proxy`},
	} {
		t.Run(row.summary, func(t *testing.T) {
			state, conflicts := desired.Build([]desired.Declaration{declared("first"), row.second, declared("third")}, []byte(base))
			assert.Equal(t, []desired.Conflict{{Application: "second", Reason: row.want}}, conflicts)
			others, none := desired.Build([]desired.Declaration{declared("first"), declared("third")}, []byte(base))
			assert.Empty(t, none)
			assert.Equal(t, others, state, "the others go on, and nothing of the second is left")
		})
	}
}

func TestBuildKeepsTheFirstWhateverItsName(t *testing.T) {
	state, conflicts := desired.Build([]desired.Declaration{declared("z", name("small")), declared("a", name("small"))}, []byte(base))
	require.Len(t, conflicts, 1)
	assert.Equal(t, "a", conflicts[0].Application)
	require.Len(t, state.ScaleSets, 1)
	assert.Equal(t, "z", state.ScaleSets[0].Application)
}

func TestBuildConflictNamesTheFirstOfMany(t *testing.T) {
	_, conflicts := desired.Build([]desired.Declaration{declared("first"), declared("second"), declared("third", app(43, 7))}, []byte(base))
	require.Len(t, conflicts, 1)
	assert.Contains(t, conflicts[0].Reason, "the GitHub App of first;")
}

func TestBuildWithTemplateThatHasNoPlaceForOptions(t *testing.T) {
	state, conflicts := desired.Build([]desired.Declaration{declared("plain"), declared("small", mirror("https://mirror"))}, []byte("#!/bin/bash\n"))
	assert.Equal(t, []desired.Conflict{{
		Application: "small",
		Reason: `cannot make the runner template: cannot put runner options into the template: ` +
			`it has the line "sendStatus \"configuring runner\"" 0 times, not once; restore github_linux in GARM, or reset the runner options`,
	}}, conflicts)
	require.Len(t, state.ScaleSets, 1, "without options, no place is needed")
}

func TestBuildPutsOptionsIntoGARMsOwnTemplate(t *testing.T) {
	module, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/cloudbase/garm").Output()
	require.NoError(t, err)
	garms, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(module)), "internal", "templates", "userdata", "github_linux_userdata.tmpl"))
	require.NoError(t, err)
	state, conflicts := desired.Build([]desired.Declaration{declared("small", mirror("https://mirror.example.com"))}, garms)
	require.Empty(t, conflicts)
	require.Len(t, state.Templates, 1)
	template := state.Templates[0]
	assert.Contains(t, string(bootstrap.Injected(template.Data)), "https://mirror.example.com")
	assert.Equal(t, desired.Mark(string(template.Data)), template.Description)
}

func TestBuildSettings(t *testing.T) {
	state, conflicts := desired.Build([]desired.Declaration{
		declared("grouped", func(d *desired.Declaration) { d.RunnerGroup, d.Labels = "big", runnerconfig.List{"x64", "Ubuntu"} }),
		declared("ungrouped", repo("acme/widgets"), func(d *desired.Declaration) { d.RunnerGroup = "big" }),
	}, []byte(base))
	require.Empty(t, conflicts)
	require.Len(t, state.ScaleSets, 2)
	assert.Equal(t, desired.Settings{
		Image: "ubuntu", Flavor: "m1.small", OSArch: "amd64", RunnerGroup: "big", MinIdle: 1, Max: 3, Enabled: true, ExtraSpecs: "{}",
	}, state.ScaleSets[0].Settings)
	assert.Equal(t, "Ubuntu,x64", state.ScaleSets[0].Labels)
	assert.Equal(t, "Default", state.ScaleSets[1].RunnerGroup, "a repository has no other group")
	assert.Empty(t, state.ScaleSets[1].LabelList())
}

func TestBuildIsStable(t *testing.T) {
	declarations := []desired.Declaration{
		declared("c", repo("acme/c"), mirror("https://mirror")), declared("a"), declared("b", repo("acme/b"), app(43, 7), mirror("https://mirror")), declared("d", mirror("https://mirror")),
	}
	first, conflicts := desired.Build(declarations, []byte(base))
	require.Empty(t, conflicts)
	for range 20 {
		slices.Reverse(declarations)
		again, _ := desired.Build(declarations, []byte(base))
		require.Equal(t, first, again)
	}
}

// Template names fit GARM's column of 128 characters, also the longest that the contract allows.
func TestTemplateNamesFit(t *testing.T) {
	long, owner := strings.Repeat("n", 64), strings.Repeat("o", 39)
	state, conflicts := desired.Build([]desired.Declaration{
		declared("a", name(long), mirror("https://mirror"), repo(owner+"/"+strings.Repeat("r", 100))),
		declared("b", name(long), mirror("https://mirror"), repo(owner+"/"+strings.Repeat("r", 99)+"s")),
	}, []byte(base))
	require.Empty(t, conflicts)
	require.Len(t, state.Templates, 2)
	assert.NotEqual(t, state.Templates[0].Name, state.Templates[1].Name)
	for _, template := range state.Templates {
		assert.LessOrEqual(t, len(template.Name), 128)
	}
}
