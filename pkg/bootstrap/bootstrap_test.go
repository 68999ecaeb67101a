package bootstrap_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/bootstrap"
)

const smallBase = "#!/bin/bash\nset -e\n" + `sendStatus "configuring runner"` + "\n{{- if .UseJITConfig }}\necho jit\n{{- end }}\n"

// garmTemplate is the template that GARM serves to GitHub's Linux runners, out of GARM's own module.
func garmTemplate(t testing.TB) []byte {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/cloudbase/garm").Output()
	require.NoError(t, err)
	require.NotEmpty(t, bytes.TrimSpace(dir), "go mod download github.com/cloudbase/garm")
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "internal/templates/userdata/github_linux_userdata.tmpl"))
	require.NoError(t, err)
	return text
}

func all() bootstrap.Options {
	return bootstrap.Options{
		DockerHubMirror:        "https://mirror.example",
		RunnerHTTPProxy:        "http://proxy.example:3128",
		AproxyExcludeAddresses: "10.0.0.0/8, 192.0.2.7",
		AproxyRedirectPorts:    "443, 80, 8000-8100",
		OTelCollectorEndpoint:  "https://otel.example:4317",
		PreJobScript:           "#!/bin/sh\ndocker ps --format '{{.Names}}'\n",

		RefuseExternalContributor: true,
		Tmate:                     tmate(),
		UseRunnerProxyForTmate:    true,
	}
}

func tmate() bootstrap.Tmate {
	return bootstrap.Tmate{Host: "192.0.2.22", Port: "10022", RSAFingerprint: "SHA256:rsa+/0=", ED25519Fingerprint: "SHA256:ed+/0="}
}

// combinations are the options with each of the seven parts set or not.
func combinations() []bootstrap.Options {
	var list []bootstrap.Options
	for mask := range 1 << 7 {
		o := all()
		if mask&1 == 0 {
			o.DockerHubMirror = ""
		}
		if mask&2 == 0 {
			o.RunnerHTTPProxy, o.AproxyExcludeAddresses, o.AproxyRedirectPorts = "", "", ""
		}
		if mask&4 == 0 {
			o.OTelCollectorEndpoint = ""
		}
		if mask&8 == 0 {
			o.PreJobScript = ""
		}
		o.RefuseExternalContributor = mask&16 != 0
		if mask&32 == 0 {
			o.Tmate = bootstrap.Tmate{}
		}
		o.UseRunnerProxyForTmate = mask&64 != 0
		list = append(list, o)
	}
	return list
}

func TestRenderMatchesTheGoldenFiles(t *testing.T) {
	tests := []struct {
		name    string
		options bootstrap.Options
	}{
		{"none", bootstrap.Options{}},
		{"mirror", bootstrap.Options{DockerHubMirror: all().DockerHubMirror}},
		{"proxy", bootstrap.Options{RunnerHTTPProxy: all().RunnerHTTPProxy}},
		{"collector", bootstrap.Options{OTelCollectorEndpoint: all().OTelCollectorEndpoint}},
		{"script", bootstrap.Options{PreJobScript: all().PreJobScript}},
		{"contributor", bootstrap.Options{RefuseExternalContributor: true}},
		{"tmate", bootstrap.Options{Tmate: tmate()}},
		{"all", all()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b, err := bootstrap.Render(test.options)
			require.NoError(t, err)
			golden := filepath.Join("testdata", test.name+".golden")
			got := shorten(t, b.Host+b.Runner)
			if os.Getenv("UPDATE_GOLDEN") != "" {
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), got, "UPDATE_GOLDEN=1 writes the file anew")
		})
	}
}

// shorten puts the name of each file of blocks/ in place of its content, so that a golden file shows what is put
// together and with which values.
func shorten(t *testing.T, text string) string {
	t.Helper()
	files, err := fs.Glob(os.DirFS("blocks"), "*.sh")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join("blocks", file))
		require.NoError(t, err)
		if strings.Count(string(content), "\n") > 1 {
			text = strings.ReplaceAll(text, string(content), "<blocks/"+file+">\n")
		}
	}
	return text
}

func TestTemplateExecutesWithGARMsOwnTemplate(t *testing.T) {
	base := garmTemplate(t)
	for _, o := range combinations() {
		text, err := bootstrap.Template(base, o)
		require.NoError(t, err)
		b, err := bootstrap.Render(o)
		require.NoError(t, err)
		for _, jit := range []bool{true, false} {
			script := executed(t, text, jit)
			plain := executed(t, base, jit)
			assert.Equal(t, plain, strings.Replace(strings.Replace(script, b.Host, "", 1), b.Runner, "", 1),
				"nothing of GARM's may change")
			if o == all() {
				bashAccepts(t, script)
			}
		}
	}
}

func TestTemplateStandsAroundTheBase(t *testing.T) {
	b, err := bootstrap.Render(all())
	require.NoError(t, err)
	text, err := bootstrap.Template([]byte(smallBase), all())
	require.NoError(t, err)
	want := "#!/bin/bash\n" + b.Host + "set -e\n" + b.Runner + `sendStatus "configuring runner"` + "\necho jit\n"
	assert.Equal(t, want, executed(t, text, true))

	text, err = bootstrap.Template([]byte("#!/bin/bash\n"+`sendStatus "configuring runner"`), all())
	require.NoError(t, err)
	assert.Equal(t, "#!/bin/bash\n"+b.Host+b.Runner+`sendStatus "configuring runner"`, executed(t, text, true), "a base without final newline")
}

func TestTemplateIsTheBaseWithoutOptions(t *testing.T) {
	base := []byte("anything, even {{ broken")
	text, err := bootstrap.Template(base, bootstrap.Options{})
	require.NoError(t, err)
	assert.Equal(t, base, text)
}

func TestTemplateRefusesABaseWithoutPlace(t *testing.T) {
	line := `sendStatus "configuring runner"` + "\n"
	tests := []struct {
		name  string
		base  string
		count int
	}{
		{"no line", "#!/bin/bash\necho\n", 0},
		{"line twice", "#!/bin/bash\n" + line + line, 2},
		{"line is indented", "#!/bin/bash\n\t" + line, 0},
		{"line goes on", "#!/bin/bash\n" + strings.TrimSpace(line) + " || true\n", 0},
		{"no shebang", line, 0},
		{"empty", "", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := bootstrap.Template([]byte(test.base), all())
			var anchor *bootstrap.AnchorError
			require.ErrorAs(t, err, &anchor)
			assert.Equal(t, test.count, anchor.Count)
		})
	}
}

func TestTemplateRefusesABaseThatDoesNotExecute(t *testing.T) {
	tests := map[string]string{
		"broken action":    "#!/bin/bash\n{{ if }}\n" + `sendStatus "configuring runner"` + "\n",
		"unknown function": "#!/bin/bash\n${{ github.ref }}\n" + `sendStatus "configuring runner"` + "\n",
		"field of a text":  "#!/bin/bash\n{{ .RunnerName.Nope }}\n" + `sendStatus "configuring runner"` + "\n",
		"trimmed line":     "#!/bin/bash\n{{ .RunnerName -}}\n\n" + `sendStatus "configuring runner"` + "\n",
		"left out":         "#!/bin/bash\n{{ if .AgentMode }}\n" + `sendStatus "configuring runner"` + "\n{{ end }}\n",
	}
	for name, base := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := bootstrap.Template([]byte(base), all())
			assert.ErrorContains(t, err, "cannot put runner options into the template")
		})
	}
}

func TestTemplateTakesFieldsOfANewerGARM(t *testing.T) {
	_, err := bootstrap.Template([]byte("#!/bin/bash\n{{ if .Proxy }}{{ .Proxy.URL }}{{ end }}\n"+smallBase[len("#!/bin/bash\n"):]), all())
	assert.NoError(t, err)
}

func TestPreInstall(t *testing.T) {
	custom := map[string]string{"10-mine": "#!/bin/sh\r\nexit 3", "b.sh": ""}

	scripts, err := bootstrap.PreInstall(bootstrap.Options{DockerHubMirror: "https://mirror.example"}, custom)
	require.NoError(t, err)
	assert.Equal(t, map[string][]byte{"10-mine": []byte("#!/bin/sh\r\nexit 3"), "b.sh": {}}, scripts)

	scripts, err = bootstrap.PreInstall(all(), custom)
	require.NoError(t, err)
	assert.Len(t, scripts, 4)
	b, err := bootstrap.Render(all())
	require.NoError(t, err)
	assert.Contains(t, b.Host, string(scripts["00-aproxy"]), "both places run one script")

	for _, name := range []string{"", "a b", "../x", "a/b", ".", "..", "x;reboot", "$(id)", "é", "a\nb"} {
		_, err = bootstrap.PreInstall(bootstrap.Options{}, map[string]string{name: "x"})
		assert.ErrorContains(t, err, "as the name of a pre-install script", name)
	}
	for _, name := range []string{"00-aproxy", "01-tmate-proxy", "00-", "01-mine"} {
		_, err = bootstrap.PreInstall(bootstrap.Options{}, map[string]string{name: "x"})
		assert.ErrorContains(t, err, "00- and 01- are for those", name)
	}
}

func TestDebugSessionsAreRelayedOnlyWhereThereIsAProxy(t *testing.T) {
	for _, o := range combinations() {
		scripts, err := bootstrap.PreInstall(o, nil)
		require.NoError(t, err)
		assert.Equal(t, o.RunnerHTTPProxy != "" && o.Tmate != bootstrap.Tmate{}, scripts["01-tmate-proxy"] != nil)
		b, err := bootstrap.Render(o)
		require.NoError(t, err)
		relayed := o.RunnerHTTPProxy != "" && o.Tmate != bootstrap.Tmate{} && o.UseRunnerProxyForTmate
		assert.Equal(t, relayed, strings.Contains(b.Runner, "\ntmate_relayed='true'\n"))
		assert.Equal(t, relayed, strings.Contains(string(scripts["01-tmate-proxy"]), "\nstarted='true'\n"))
	}
	assert.True(t, bootstrap.Options{UseRunnerProxyForTmate: true}.IsZero(), "it asks for nothing by itself")
}

func TestRenderedShellIsClean(t *testing.T) {
	shellcheck, err := exec.LookPath("shellcheck")
	require.NoError(t, err, "apt-get install shellcheck")
	dir := t.TempDir()
	files := make(map[string]bool)
	for _, o := range combinations() {
		for _, script := range scripts(t, o) {
			file := filepath.Join(dir, fmt.Sprintf("%x", len(files)))
			if !files[script] {
				files[script] = true
				bashAccepts(t, script)
				require.NoError(t, os.WriteFile(file, []byte(script), 0o600))
			}
		}
	}
	require.Greater(t, len(files), 10)
	written, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Len(t, written, len(files))
	out, err := exec.CommandContext(t.Context(), shellcheck, append([]string{"--shell=bash"}, written...)...).CombinedOutput()
	assert.NoError(t, err, string(out))
}

// scripts are all scripts that o renders to: both blocks, and the hook and the aproxy script that are texts in them.
func scripts(t *testing.T, o bootstrap.Options) []string {
	t.Helper()
	b, err := bootstrap.Render(o)
	require.NoError(t, err)
	list := []string{b.Host, b.Runner}
	if o.IsZero() {
		return list
	}
	_, hook, found := strings.Cut(b.Runner, "place /opt/garm-runner/pre-job.sh 0755 ")
	require.True(t, found)
	_, hook, found = strings.Cut(hook, "\n")
	require.True(t, found)
	hook, _, found = strings.Cut(hook, "\nEND_OF_FILE\n")
	require.True(t, found)
	list = append(list, hook)
	pre, err := bootstrap.PreInstall(o, nil)
	require.NoError(t, err)
	for _, script := range pre {
		list = append(list, string(script))
	}
	return list
}

// executed is what GARM makes of a template when a runner asks for it. Unlike GARM's, the data here refuses a
// field that is not there.
func executed(t *testing.T, text []byte, jit bool) string {
	t.Helper()
	parsed, err := template.New("").Option("missingkey=error").Parse(string(text))
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, parsed.Execute(&out, bootstrap.InstallContext(jit, false)))
	return out.String()
}

func bashAccepts(t *testing.T, script string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-n")
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Empty(t, string(out))
}

// One for each scale set with options, at every event.
func BenchmarkTemplate(b *testing.B) {
	base := garmTemplate(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bootstrap.Template(base, all()); err != nil {
			b.Fatal(err)
		}
	}
}
