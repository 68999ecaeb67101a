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

			BootstrapTimeoutMinutes: 20,
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

func token(token string) func(*desired.Declaration) {
	return func(d *desired.Declaration) {
		d.App, d.PrivateKey, d.Token = runnerconfig.App{}, secret.Value{}, secret.New(token)
	}
}

func enterprise(slug string) func(*desired.Declaration) {
	return func(d *desired.Declaration) { d.Org, d.Enterprise = "", slug }
}

func server(url, certificate string) func(*desired.Declaration) {
	return func(d *desired.Declaration) { d.GitHubURL, d.GitHubCACertificate = url, certificate }
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
	for _, e := range s.Endpoints {
		lines = append(lines, fmt.Sprintf("endpoint %s: %s, %s, %s, certificate %q", e.Name, e.BaseURL, e.APIURL, e.UploadURL, e.CACertificate))
	}
	for _, c := range s.Credentials {
		if c.Token.Empty() {
			lines = append(lines, fmt.Sprintf("credential %s: App %d, installation %d at %s", c.Name, c.AppID, c.InstallationID, c.Endpoint))
		} else {
			lines = append(lines, fmt.Sprintf("credential %s: token %s at %s", c.Name, c.Token.Reveal(), c.Endpoint))
		}
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
		{"a token for each entity, an enterprise among them", []desired.Declaration{
			declared("small", token("t1")), declared("large", token("t1")), declared("big", token("t2"), enterprise("Acme-Inc")),
		}, `
credential token-enterprise-acme-inc: token t2 at github.com
credential token-organization-acme: token t1 at github.com
enterprise acme-inc: token-enterprise-acme-inc
organization acme: token-organization-acme
scale set big of enterprise acme-inc: big with big, template ""
scale set large of organization acme: large with large, template ""
scale set small of organization acme: small with small, template ""`},
		{"a server of one's own, shared, and the same App on another", []desired.Declaration{
			declared("dotcom"), declared("small", server("https://ghes:8443", "ca")), declared("large", server("https://ghes:8443", "ca"), token("t1"), org("other")),
		}, `
endpoint ghes-8443: https://ghes:8443, https://ghes:8443/api/v3, https://ghes:8443/api/uploads, certificate "ca"
credential app-42-7: App 42, installation 7 at github.com
credential app-42-7-ghes-8443: App 42, installation 7 at ghes-8443
credential token-organization-other-ghes-8443: token t1 at ghes-8443
organization acme at ghes-8443: app-42-7-ghes-8443
organization other at ghes-8443: token-organization-other-ghes-8443
organization acme: app-42-7
scale set small of organization acme at ghes-8443: small with small, template ""
scale set large of organization other at ghes-8443: large with large, template ""
scale set dotcom of organization acme: dotcom with dotcom, template ""`},
		{"two entities may have a scale set of one name", []desired.Declaration{
			declared("a", name("small"), mirror(mirrorURL)), declared("b", name("small"), repo("acme/widgets"), mirror(mirrorURL)),
		}, `
credential app-42-7: App 42, installation 7 at github.com
organization acme: app-42-7
repository acme/widgets: app-42-7
template github_linux-small/acme-26bdda839895396b
template github_linux-small/acme-widgets-6b81eb364757b358
scale set small of organization acme: a with a, template "github_linux-small/acme-26bdda839895396b"
scale set small of repository acme/widgets: b with b, template "github_linux-small/acme-widgets-6b81eb364757b358"`},
		{"an organisation and an enterprise of one name, with one token", []desired.Declaration{
			declared("a", token("t1"), name("small"), mirror(mirrorURL)), declared("b", token("t1"), name("small"), enterprise("Acme"), mirror(mirrorURL)),
		}, `
credential token-enterprise-acme: token t1 at github.com
credential token-organization-acme: token t1 at github.com
enterprise acme: token-enterprise-acme
organization acme: token-organization-acme
template github_linux-small/acme-26bdda839895396b
template github_linux-small/acme-5c3237dfeda452f6
scale set small of enterprise acme: b with b, template "github_linux-small/acme-5c3237dfeda452f6"
scale set small of organization acme: a with a, template "github_linux-small/acme-26bdda839895396b"`},
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
			"organization acme is registered with the GitHub App or token of first; give both the same",
		},
		{
			"key of an App", declared("second", key(pkcs1PEM(keyTwo()))),
			"first gives another github-app-private-key for the same credential; give both the same",
		},
		{
			"certificate of a server", declared("second", server("https://ghes", "other"), org("another")),
			"zeroth has other URLs or another certificate for the server https://ghes; give both the same",
		},
		{
			"server in the clear", declared("second", server("http://ghes", "ca"), org("another")),
			"zeroth has other URLs or another certificate for the server http://ghes; give both the same",
		},
		{
			"token of an entity", declared("second", server("https://ghes", "ca"), token("t2"), org("tokened")),
			"zeroth gives another github-token for the same credential; give both the same",
		},
		{
			"App of an entity with a token", declared("second", server("https://ghes", "ca"), org("tokened")),
			"organization tokened at ghes is registered with the GitHub App or token of zeroth; give both the same",
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
			zeroth := declared("zeroth", server("https://ghes", "ca"), token("t1"), org("tokened"))
			state, conflicts := desired.Build([]desired.Declaration{zeroth, declared("first"), row.second, declared("third")}, []byte(base))
			assert.Equal(t, []desired.Conflict{{Application: "second", Reason: row.want}}, conflicts)
			others, none := desired.Build([]desired.Declaration{zeroth, declared("first"), declared("third")}, []byte(base))
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
	for _, row := range []struct {
		third desired.Declaration
		want  string
	}{
		{declared("third", app(43, 7)), "the GitHub App or token of first;"},
		{declared("third", key(pkcs1PEM(keyTwo()))), "first gives another github-app-private-key"},
	} {
		_, conflicts := desired.Build([]desired.Declaration{declared("first"), declared("second"), row.third}, []byte(base))
		require.Len(t, conflicts, 1)
		assert.Contains(t, conflicts[0].Reason, row.want)
	}
}

func TestBuildWithTemplateThatHasNoPlaceForOptions(t *testing.T) {
	state, conflicts := desired.Build([]desired.Declaration{declared("plain"), declared("small", mirror("https://mirror"))}, []byte("#!/bin/bash\n"))
	assert.Equal(t, []desired.Conflict{{
		Application: "small",
		Reason: `cannot make the runner template: cannot put runner options into the template: ` +
			`it has the line "sendStatus \"configuring runner\"" 0 times, not once; run garm's action restore-template to have github_linux as GARM ships it, or reset the runner options`,
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
	assert.Contains(t, string(template.Data), "https://mirror.example.com")
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
		Image: "ubuntu", Flavor: "m1.small", OSArch: "amd64", RunnerGroup: "big", MinIdle: 1, Max: 3, Enabled: true, ExtraSpecs: "{}", RunnerPrefix: "garm", BootstrapTimeout: 20,
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

// Names of credentials and endpoints fit GARM's columns of 64 characters, and stay apart.
func TestForgeNamesFit(t *testing.T) {
	host := "https://" + strings.Repeat("h", 200)
	state, conflicts := desired.Build([]desired.Declaration{
		declared("a", token("t1"), repo("acme/"+strings.Repeat("r", 100)), server(host+"1", "")),
		declared("b", token("t2"), repo("acme/"+strings.Repeat("r", 99)+"s"), server(host+"1", "")),
		declared("c", server(host+"2", "")),
	}, []byte(base))
	require.Empty(t, conflicts)
	names := map[string]bool{}
	for _, e := range state.Endpoints {
		names[e.Name] = true
	}
	for _, c := range state.Credentials {
		names[c.Name] = true
	}
	assert.Len(t, names, 5)
	for name := range names {
		assert.LessOrEqual(t, len(name), 64, name)
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

// No scale set may have the name that would give it the template of another one, whose name two entities share.
func TestTemplateNamesAreNobodyElses(t *testing.T) {
	state, conflicts := desired.Build([]desired.Declaration{
		declared("a", name("small"), mirror("https://mirror")), declared("b", name("small"), org("other"), mirror("https://mirror")),
	}, []byte(base))
	require.Empty(t, conflicts)
	require.Len(t, state.Templates, 2)
	for _, template := range state.Templates {
		impostor := declared("c", name(strings.TrimPrefix(template.Name, desired.SystemTemplate+"-"))).ScaleSet
		bag, err := impostor.Encode()
		require.NoError(t, err)
		_, err = runnerconfig.Decode(bag)
		assert.ErrorContains(t, err, "name must")
	}
}
