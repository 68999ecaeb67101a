package bootstrap_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/bootstrap"
)

// texts are operator texts that a template, a heredoc or a shell could change.
func texts() map[string]string {
	return map[string]string{
		"plain":                  "#!/bin/bash\necho hello\n",
		"no final newline":       "#!/bin/sh\necho hello",
		"only newlines":          "\n\n\n",
		"trailing blank lines":   "#!/bin/sh\n\n\n\n",
		"carriage returns":       "#!/bin/sh\r\necho\r\n\r",
		"workflow expression":    "echo ${{ github.ref }} ${{github.sha}}\n",
		"docker format":          "docker ps --format '{{.Names}}' --filter '{{- printf \"%q\" . -}}'\n",
		"template actions":       "{{ .CallbackToken }} {{/* gone */}} {{- trimmed -}} {{`raw`}} {{\"{{\"}}\n",
		"many braces":            "{{{ {{{{ }}} }}}} {}{}{{}}{{{}}}{ { } }\n{{",
		"shell":                  "$(id) `id` ${HOME} $HOME \\$HOME \\\\ \"'\"'\" !! ~ * ;&|<>\n",
		"heredoc words":          "cat <<EOF\nEOF\nEND_OF_FILE\nEND_OF_FILE_\n'END_OF_FILE'\n",
		"our markers":            "# END garm-runner\n# BEGIN garm-runner\n# END garm-runner_\n",
		"GARM's line":            "#!/bin/bash\nsendStatus \"configuring runner\"\nfail now\n",
		"end of the subshell":    ") </dev/null || true\nexit 1\nfi\ndone\n",
		"tabs and spaces":        "\t\t leading\n trailing \t\n",
		"other alphabets":        "echo 'héllo 日本語 🏃 \u202e \u2028 \ufeff'\n",
		"control characters":     "\x01\x02\x7f\x1b[31m\x08\x0c\n",
		"bytes that are no text": "\xff\xfe\x80\xc3(\n",
		"64 KiB":                 strings.Repeat("0123456789abcd{{\n", 4096),
		"one line of 64 KiB":     strings.Repeat("'", 65536),
	}
}

func TestPreJobScriptArrivesByteForByte(t *testing.T) {
	for name, text := range texts() {
		t.Run(name, func(t *testing.T) {
			assertArrives(t, garmTemplate(t), text)
		})
	}
}

func FuzzPreJobScriptArrivesByteForByte(f *testing.F) {
	for _, text := range texts() {
		if len(text) < 1000 {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" || strings.ContainsRune(text, 0) {
			return // not set, and refused: TestHostileValuesAreRefused
		}
		assertArrives(t, []byte(smallBase), text)
	})
}

// assertArrives renders a script into a template, executes the template as GARM does, runs the block as a runner
// does, and compares the file it left.
func assertArrives(t *testing.T, base []byte, text string) {
	t.Helper()
	tpl, err := bootstrap.Template(base, bootstrap.Options{PreJobScript: text})
	require.NoError(t, err)
	b, err := bootstrap.Render(bootstrap.Options{PreJobScript: text})
	require.NoError(t, err)
	script := executed(t, tpl, true)
	require.Contains(t, script, b.Runner)

	machine := newMachine(t)
	out := machine.run(t, script[strings.Index(script, b.Runner):][:len(b.Runner)])
	got, err := os.ReadFile(filepath.Join(machine.root, "opt/garm-runner/pre-job-script"))
	require.NoError(t, err, out)
	assert.Equal(t, text, string(got))
	assert.NotContains(t, out, "cannot")
	hook, err := os.ReadFile(filepath.Join(machine.root, "opt/garm-runner/pre-job.sh"))
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(string(hook), "\nexit 0\n"))
}

// machine is a directory that the blocks take for the root of a machine: its sudo puts it before absolute paths.
type machine struct{ root, home string }

func newMachine(t *testing.T) machine {
	t.Helper()
	m := machine{root: t.TempDir(), home: t.TempDir()}
	require.NoError(t, os.Mkdir(filepath.Join(m.root, "bin"), 0o755))
	m.command(t, "sudo", `#!/bin/bash
for word in "$@"; do
	case $word in /opt/* | /etc/*) word=$ROOT$word ;; esac
	words+=("$word")
done
exec "${words[@]}"
`)
	// The machine under the test is not to be touched, and has none of them for sure.
	for _, name := range []string{"snap", "systemctl", "nft", "apt-get"} {
		m.command(t, name, "#!/bin/sh\nexit 1\n")
	}
	m.command(t, "sleep", "#!/bin/sh\n")
	return m
}

func (m machine) command(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(m.root, "bin", name), []byte(text), 0o755))
}

// run returns what a script printed, under the shell settings that GARM's script has by then.
func (m machine) run(t *testing.T, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash")
	cmd.Stdin = strings.NewReader("set -exo pipefail\nsendStatus() { echo \"status: $1\"; }\nfail() { echo \"failed: $1\"; }\n" + script + "\necho went on\n")
	cmd.Env = []string{"HOME=" + m.home, "ROOT=" + m.root, "RUN_HOME=" + m.home, "PATH=" + m.root + "/bin:" + os.Getenv("PATH")}
	cmd.Dir = m.home
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.True(t, strings.HasSuffix(string(out), "went on\n"), string(out))
	return string(out)
}

func TestEnvironmentIsMerged(t *testing.T) {
	const mirror = "https://mirror.example/a'b$(touch${IFS}canary)?x=`touch${IFS}canary`&y=1"
	own := "DOCKERHUB_MIRROR=" + mirror + "\nCONTAINER_REGISTRY_URL=" + mirror + "\n"
	tests := []struct {
		name, before, after string
	}{
		{"no file", "", own},
		{"of a prepared image", "LANG=C.UTF-8\n", "LANG=C.UTF-8\n" + own},
		{"without final newline", "LANG=C.UTF-8", "LANG=C.UTF-8\n" + own},
		{"of an earlier boot", own + "LANG=C\n", "LANG=C\n" + own},
		{"with other values", "DOCKERHUB_MIRROR=old\nMY_DOCKERHUB_MIRROR=kept\n", "MY_DOCKERHUB_MIRROR=kept\n" + own},
		{"not text", "X=\xff\x01\n", "X=\xff\x01\n" + own},
	}
	b, err := bootstrap.Render(bootstrap.Options{DockerHubMirror: mirror})
	require.NoError(t, err)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine(t)
			file := filepath.Join(m.home, ".env")
			if test.before != "" {
				require.NoError(t, os.WriteFile(file, []byte(test.before), 0o600))
			}
			for range 2 {
				out := m.run(t, b.Runner)
				got, err := os.ReadFile(file)
				require.NoError(t, err, out)
				after := strings.Replace(string(got), "ACTIONS_RUNNER_HOOK_JOB_STARTED=/opt/garm-runner/pre-job.sh\n", "", 1)
				assert.Equal(t, test.after, after)
			}
			entries, err := os.ReadDir(m.home)
			require.NoError(t, err)
			assert.Len(t, entries, 1, "no other trace")
		})
	}
}

func TestFailuresOfTheBlocksAreSaidAndLeft(t *testing.T) {
	b, err := bootstrap.Render(all())
	require.NoError(t, err)
	m := newMachine(t)
	m.command(t, "sudo", "#!/bin/sh\nexit 1\n")
	out := m.run(t, b.Host+b.Runner)
	for _, line := range []string{
		"cannot write /opt/garm-runner/aproxy", "cannot hold snap refreshes", "cannot write /etc/docker/daemon.json",
		"cannot refresh the package lists", "cannot measure jobs: the image has no snap opentelemetry-collector",
		"cannot relay debug sessions through the proxy: jobs get the address of their server",
		"cannot write /opt/garm-runner/pre-job.sh", "cannot write " + m.home + "/.env",
	} {
		assert.Contains(t, "\n"+out, "\n[garm-runner] "+line+"\n")
		assert.Contains(t, out, "\nstatus: [garm-runner] "+line+"\n")
	}
	assert.NotContains(t, out, "cannot tell who started a job", "there is jq")
	assert.Contains(t, out, "\nfailed: cannot set up the check of who started a job\n", "a runner that cannot refuse jobs must get none")
	left, err := os.ReadDir(m.home)
	require.NoError(t, err)
	assert.Empty(t, left)

	o := all()
	o.RefuseExternalContributor = false
	b, err = bootstrap.Render(o)
	require.NoError(t, err)
	m = newMachine(t)
	require.NoError(t, os.Mkdir(filepath.Join(m.home, ".env"), 0o755))
	out = m.run(t, b.Runner)
	assert.Contains(t, out, "status: [garm-runner] cannot write "+m.home+"/.env")
	assert.NotContains(t, out, "cannot write /opt")
	assert.NotContains(t, out, "failed: ")
}

func TestMissingJqIsSaid(t *testing.T) {
	b, err := bootstrap.Render(bootstrap.Options{RefuseExternalContributor: true})
	require.NoError(t, err)
	m := newMachine(t)
	m.only(t, "sort", "grep", "rm", "mktemp", "id")
	assert.Contains(t, m.run(t, b.Runner), "status: [garm-runner] cannot tell who started a job: the image has no jq")
}

// What is reported goes into JSON as it is.
func TestReportsAreSafeInJSON(t *testing.T) {
	b, err := bootstrap.Render(bootstrap.Options{PreJobScript: "#!/bin/sh\n"})
	require.NoError(t, err)
	m := newMachine(t)
	m.home = filepath.Join(m.home, "it\"s \\n\tno\"where")
	require.NoError(t, os.MkdirAll(filepath.Join(m.home, ".env"), 0o755))
	out := m.run(t, b.Runner)
	assert.Contains(t, out, "status: [garm-runner] cannot write "+strings.NewReplacer("\"", " ", "\\", " ", "\t", " ").Replace(m.home)+"/.env")
}

func TestPackageListsAreTriedAgain(t *testing.T) {
	b, err := bootstrap.Render(bootstrap.Options{PreJobScript: "#!/bin/sh\n"})
	require.NoError(t, err)
	for _, failures := range []int{0, 3, 6, 7} {
		m := newMachine(t)
		m.command(t, "apt-get", fmt.Sprintf("#!/bin/sh\necho \"apt-get $*\" >>%[1]s/calls\n[ \"$(wc -l <%[1]s/calls)\" -gt %[2]d ]\n", m.root, failures))
		m.command(t, "sleep", fmt.Sprintf("#!/bin/sh\necho \"$1\" >>%s/pauses\n", m.root))
		out := m.run(t, b.Host)
		calls, err := os.ReadFile(filepath.Join(m.root, "calls"))
		require.NoError(t, err)
		assert.Equal(t, min(failures+1, 7), strings.Count(string(calls), " update\n"))
		pauses, err := os.ReadFile(filepath.Join(m.root, "pauses"))
		assert.Equal(t, failures > 0, err == nil)
		assert.Equal(t, strings.Join([]string{"1", "2", "4", "8", "16", "32", "0"}[:failures], "\n"), strings.TrimSpace(string(pauses)))
		assert.Equal(t, failures > 6, strings.Contains(out, "[garm-runner] cannot refresh the package lists"))
	}
}

func TestMirrorIsMergedIntoDockersConfiguration(t *testing.T) {
	b, err := bootstrap.Render(bootstrap.Options{DockerHubMirror: "https://mirror.example"})
	require.NoError(t, err)
	const jq, python, none = "jq", "python3", ""
	mirrored := `{"registry-mirrors":["https://mirror.example"]}`
	tests := []struct {
		name, tool, before, after string
	}{
		{"no file", none, "", mirrored},
		{"empty file", none, " \n", mirrored},
		{"other settings", jq, `{"mtu":1400}`, `{"mtu":1400,"registry-mirrors":["https://mirror.example"]}`},
		{"other settings", python, `{"mtu":1400}`, `{"mtu":1400,"registry-mirrors":["https://mirror.example"]}`},
		{"other settings", none, `{"mtu":1400}`, `{"mtu":1400}`},
		{"other mirror", jq, `{"registry-mirrors":["https://b"]}`, `{"registry-mirrors":["https://mirror.example","https://b"]}`},
		{"other mirror", python, `{"registry-mirrors":["https://b"]}`, `{"registry-mirrors":["https://mirror.example","https://b"]}`},
		{"broken file", jq, `{"mtu":`, `{"mtu":`},
		{"broken file", python, `{"mtu":`, `{"mtu":`},
		{"not an object", jq, `[1]`, `[1]`},
		{"not an object", python, `[1]`, `[1]`},
	}
	for _, test := range tests {
		t.Run(test.name+"/"+test.tool, func(t *testing.T) {
			m := newMachine(t)
			m.only(t, test.tool)
			m.command(t, "docker", "#!/bin/sh\n")
			m.command(t, "systemctl", "#!/bin/sh\necho \"systemctl $*\"\n")
			file := filepath.Join(m.root, "etc/docker/daemon.json")
			if test.before != "" {
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
				require.NoError(t, os.WriteFile(file, []byte(test.before), 0o644))
			}
			first := m.run(t, b.Host)
			got, err := os.ReadFile(file)
			require.NoError(t, err, first)
			if test.before == test.after {
				assert.Equal(t, test.after, string(got))
				assert.Contains(t, first, "cannot add the Docker Hub mirror")
				assert.NotContains(t, first, "restart")
				return
			}
			assert.JSONEq(t, test.after, string(got))
			assert.Contains(t, first, "systemctl restart docker")
			if test.tool != none {
				assert.NotContains(t, m.run(t, b.Host), "restart", "the second time nothing changes")
			}
		})
	}
}

// only leaves the machine with these programs and those that the blocks always need.
func (m machine) only(t *testing.T, tools ...string) {
	t.Helper()
	for _, name := range append(tools, "bash", "sh", "cat", "tee", "mkdir", "install", "head", "timeout", "env") {
		if name == "" {
			continue
		}
		path, err := exec.LookPath(name)
		require.NoError(t, err)
		if name == "python3" { // what is on PATH may be a script that finds the real one
			out, err := exec.CommandContext(t.Context(), path, "-c", "import sys; print(sys.executable)").Output()
			require.NoError(t, err)
			path = strings.TrimSpace(string(out))
		}
		require.NoError(t, os.Symlink(path, filepath.Join(m.root, "bin", name)))
	}
	t.Setenv("PATH", filepath.Join(m.root, "bin"))
}

func FuzzCollectorConfigurationQuotesTheJob(f *testing.F) {
	f.Add("plain", "${file:/etc/shadow} $HOME $$")
	f.Add("o'brien: \"{[#&*!|>%@`", "a\nservice: {}\r\n\x00\x07\u0085\u2028\ufeff\ufffe")
	f.Add(" - leading", "日本語 🏃 \\ trailing \\")
	b, err := bootstrap.Render(bootstrap.Options{OTelCollectorEndpoint: "https://otel.example"})
	require.NoError(f, err)
	_, hook, _ := strings.Cut(b.Runner, "#!/bin/bash\n")
	f.Fuzz(func(t *testing.T, workflow, job string) {
		if !utf8.ValidString(workflow) || !utf8.ValidString(job) {
			return // the runner is a .NET program: its environment is valid UTF-8
		}
		workflow, job = strings.ReplaceAll(workflow, "\x00", ""), strings.ReplaceAll(job, "\x00", "")
		config := configure(t, hook, "GITHUB_WORKFLOW="+workflow, "GITHUB_JOB="+job)
		got := config.job()
		assert.Len(t, got, 8)
		for key, want := range map[string]string{"github.workflow": workflow, "github.job": job} {
			if strings.ContainsFunc(want, notPlain) {
				assert.NotContains(t, strings.ReplaceAll(got[key], "$$", ""), "$")
				continue
			}
			assert.Equal(t, strings.ReplaceAll(want, "$", "$$"), got[key])
		}
		assert.Equal(t, "otel.example:4317", config.Exporters["otlp/self_hosted_runner"].Endpoint)
		assert.False(t, config.Exporters["otlp/self_hosted_runner"].TLS.Insecure)
	})
}

// notPlain are characters that YAML may not hold, or folds: they may become spaces.
func notPlain(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == '\ufeff' || r >= 0xfffe && r <= 0xffff
}
