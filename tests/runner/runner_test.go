package runner_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/garm-charms/garm-charms/tests/runner"
)

const preJob = "#!/bin/bash\necho \"pre-job of ${GITHUB_REPOSITORY} as $(id -un) {{.Names}}\"\ncat\nexit 3"

func allOptions(s *site) options {
	return options{
		"DockerHubMirror":        "https://mirror.test",
		"RunnerHTTPProxy":        "http://proxy.test:3128",
		"AproxyExcludeAddresses": s.web.Addr().String() + "," + s.web.Addr().String() + "/32,192.0.2.0/24,192.0.2.7,127.0.0.1",
		"OTelCollectorEndpoint":  "http://otel.test:4317",
		"PreJobScript":           preJob,
	}
}

// commands are the recorded command lines of a program.
func commands(t *testing.T, m *runner.Machine, program string) []string {
	t.Helper()
	steps, err := m.Ran()
	require.NoError(t, err)
	var lines []string
	for _, s := range steps {
		if s.Program == program {
			lines = append(lines, strings.Join(s.Args, " "))
		}
	}
	return lines
}

func TestRunnerWithoutOptions(t *testing.T) {
	t.Parallel()
	for number, jit := range []bool{true, false} {
		t.Run(fmt.Sprintf("just in time %t", jit), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 10+number, jit)
			m := s.boot(runner.Config{UserData: s.userData(nil, nil)})
			said := s.said()
			require.NotEmpty(t, said, string(m.Log()))
			assert.Equal(t, "idle: runner successfully installed", said[len(said)-1])
			env, err := m.RunnerEnv(t.Context())
			require.NoError(t, err)
			assert.Equal(t, "/home/runner", env["HOME"])
			assert.NotContains(t, env, "ACTIONS_RUNNER_HOOK_JOB_STARTED")
			result, err := m.RunJob(t.Context(), nil)
			require.NoError(t, err)
			assert.Equal(t, runner.JobResult{}, result)
			assert.Empty(t, commands(t, m, "snap"))
		})
	}
}

func TestRunnerWithAllOptions(t *testing.T) {
	t.Parallel()
	for number, jit := range []bool{true, false} {
		t.Run(fmt.Sprintf("just in time %t", jit), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 20+number, jit)
			data := s.userData(allOptions(s), map[string]string{"10-mine": "#!/bin/sh\nid -un >/opt/mine\nexit 7\n"})
			s.behindProxy()
			m := s.boot(runner.Config{UserData: data, Docker: true, Snap: runner.Snap{StoreBehindProxy: true, Installed: []string{"opentelemetry-collector"}}})

			said := s.said()
			require.NotEmpty(t, said, string(m.Log()))
			assert.Equal(t, "idle: runner successfully installed", said[len(said)-1])
			assert.Contains(t, s.throughProxy(), "garm.test:80", "GARM was reached through the proxy")
			mine, err := m.File("/opt/mine")
			require.NoError(t, err)
			assert.Equal(t, "root\n", string(mine.Content))

			env, err := m.RunnerEnv(t.Context())
			require.NoError(t, err)
			for key, value := range map[string]string{
				"DOCKERHUB_MIRROR":                   "https://mirror.test",
				"CONTAINER_REGISTRY_URL":             "https://mirror.test",
				"ACTION_OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel.test:4317",
				"ACTIONS_RUNNER_HOOK_JOB_STARTED":    "/opt/garm-runner/pre-job.sh",
			} {
				assert.Equal(t, value, env[key], key)
			}
			daemon, err := m.File("/etc/docker/daemon.json")
			require.NoError(t, err)
			assert.JSONEq(t, `{"registry-mirrors":["https://mirror.test"]}`, string(daemon.Content))
			assert.Contains(t, commands(t, m, "systemctl"), "restart docker")

			script, err := m.File("/opt/garm-runner/pre-job-script")
			require.NoError(t, err)
			assert.Equal(t, runner.File{Content: []byte(preJob), Mode: 0o755, Owner: "root:root"}, script)
			aproxy, err := m.File("/opt/garm-runner/aproxy")
			require.NoError(t, err)
			assert.Equal(t, fs.FileMode(0o700), aproxy.Mode, "it may hold the proxy's password")
			dot, err := m.File("/home/runner/actions-runner/.env")
			require.NoError(t, err)
			assert.Equal(t, "runner:runner", dot.Owner)

			assert.Empty(t, leftovers(t, m))
			assert.NotContains(t, strings.Join(said, "\n"), "garm-runner", "nothing was left out")
		})
	}
}

// leftovers are files that a boot should not have left.
func leftovers(t *testing.T, m *runner.Machine) []string {
	t.Helper()
	files, err := m.Files()
	require.NoError(t, err)
	var left []string
	for _, file := range files {
		switch {
		case strings.HasPrefix(file, "/home/runner/"), strings.HasPrefix(file, "/opt/garm-runner/"), strings.HasPrefix(file, "/var/"):
		case strings.HasPrefix(file, "/etc/passwd"), strings.HasPrefix(file, "/etc/shadow"), strings.HasPrefix(file, "/etc/group"),
			strings.HasPrefix(file, "/etc/gshadow"), strings.HasPrefix(file, "/etc/sub"), strings.HasPrefix(file, "/etc/.pwd"):
		case file == "/etc/sudoers.d/90-cloud-init-users", strings.HasPrefix(file, "/etc/systemd/system/actions.runner"):
		case file == "/etc/docker/daemon.json", file == "/opt/mine",
			file == "/etc/systemd/system/tmate-proxy.service":
		default:
			left = append(left, file)
		}
	}
	return left
}

func TestConnectionsGoThroughTheProxy(t *testing.T) {
	t.Parallel()
	s := newSite(t, 41, true)
	m := s.boot(runner.Config{UserData: s.userData(allOptions(s), nil)})

	assert.Equal(t, "by the proxy", get(t.Context(), t, m, "http://"+foreign+"/"))
	assert.Contains(t, s.throughProxy(), foreign+":80")
	assert.Contains(t, commands(t, m, "aproxy"), foreign+":80 "+foreign)
	assert.Equal(t, "by the proxy", getFromContainer(t, m, "http://"+foreign+"/"))
	assert.Contains(t, getFromContainer(t, m, "http://web.test/"), "exit status", "excluded, and the machine does not forward")
	assert.Equal(t, "direct", get(t.Context(), t, m, "http://web.test/"), "excluded")
	assert.NotContains(t, strings.Join(s.throughProxy(), " "), "web.test")
	assert.Contains(t, get(t.Context(), t, m, "http://"+foreign+":8080/"), "exit status", "no port of those")
	out, err := m.Command(t.Context(), "root", "nft", "-j", "list", "ruleset").Output()
	require.NoError(t, err)
	assert.True(t, json.Valid(out))
	assert.Contains(t, string(out), `"right": {"set": [80, 443]}`)
}

// getFromContainer is what a program gets in a container of the machine, whose connections come in through a bridge.
func getFromContainer(t *testing.T, m *runner.Machine, url string) string {
	t.Helper()
	const container = `set -e
		if ! ip netns list | grep -q container; then
			ip netns add container
			ip link add bridge type veth peer name eth0 netns container
			ip address add 172.30.0.1/24 dev bridge
			ip link set bridge up
			ip -n container address add 172.30.0.2/24 dev eth0
			ip -n container link set eth0 up
			ip -n container route add default via 172.30.0.1
		fi
		ip netns exec container curl --silent --show-error --max-time 5 "$0"`
	out, err := m.Command(t.Context(), "root", "/bin/sh", "-c", container, url).CombinedOutput()
	if err != nil {
		return strings.TrimSpace(string(out)) + ": " + err.Error()
	}
	return string(out)
}

func TestRouteThatComesLate(t *testing.T) {
	t.Parallel()
	s := newSite(t, 46, true)
	const late = `route=$(ip route show default); ip route delete default; (sleep 3; ip route add $route) >/dev/null 2>&1 &`
	m := s.boot(runner.Config{UserData: s.userData(options{"RunnerHTTPProxy": "http://proxy.test:3128"}, nil), Prepare: late})
	assert.Equal(t, "by the proxy", get(t.Context(), t, m, "http://"+foreign+"/"))
	assert.NotContains(t, string(m.Log()), "cannot")
}

func TestProxyIsNeverRedirectedToItself(t *testing.T) {
	t.Parallel()
	s := newSite(t, 42, true)
	o := options{"RunnerHTTPProxy": "http://user:secret@proxy.test:3128", "AproxyRedirectPorts": "1-65535"}
	m := s.boot(runner.Config{UserData: s.userData(o, nil)})
	assert.Equal(t, "by the proxy", get(t.Context(), t, m, "http://web.test/"))
	assert.Equal(t, "by the proxy", get(t.Context(), t, m, "http://"+foreign+":8080/"))
	env, err := m.RunnerEnv(t.Context())
	require.NoError(t, err)
	assert.NotContains(t, env, "http_proxy")
	assert.NotContains(t, string(m.Log()), "secret")
}

func TestBrokenProxyLeavesTheNetworkAlone(t *testing.T) {
	tests := []struct {
		name   string
		proxy  string
		config runner.Config
		log    string
	}{
		{"no snap", "http://proxy.test:3128", runner.Config{Snap: runner.Snap{Absent: true}}, "there is no snap"},
		{"store down", "http://proxy.test:3128", runner.Config{Snap: runner.Snap{StoreDown: true}}, "cannot install aproxy"},
		{"no nft", "http://proxy.test:3128", runner.Config{Without: []string{"nft"}}, "there is no nft"},
		{"unknown proxy", "http://nowhere.test:3128", runner.Config{}, "the proxy's name does not resolve"},
		{"no default route", "http://proxy.test:3128", runner.Config{Prepare: "ip route delete default"}, "this machine has no default route: RTNETLINK answers: Network is unreachable"},
		{"aproxy does not listen", "http://proxy.test:3128", runner.Config{Snap: runner.Snap{AproxyDeaf: true}}, "aproxy does not listen on port 54969"},
	}
	t.Parallel()
	for number, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 30+number, true)
			test.config.UserData = s.userData(options{"RunnerHTTPProxy": test.proxy}, nil)
			m := s.boot(test.config)
			assert.Contains(t, string(m.Log()), "[garm-runner] aproxy: ")
			assert.Contains(t, string(m.Log()), test.log)
			assert.Contains(t, strings.Join(s.said(), "\n"), "\ninstalling: [garm-runner] aproxy: cannot ", "GARM is told")
			assert.Equal(t, "direct", get(t.Context(), t, m, "http://web.test/"))
			said := s.said()
			require.NotEmpty(t, said)
			assert.Equal(t, "idle: runner successfully installed", said[len(said)-1])
		})
	}
}

func TestPreparedImage(t *testing.T) {
	t.Parallel()
	s := newSite(t, 43, true)
	m := s.boot(runner.Config{
		UserData: s.userData(allOptions(s), nil), Baked: true, Docker: true, Without: []string{"jq"},
		Snap:    runner.Snap{StoreDown: true, Installed: []string{"aproxy", "opentelemetry-collector"}},
		Prepare: "mkdir /etc/docker && echo '{\"mtu\": 1400}' >/etc/docker/daemon.json",
	})
	assert.Contains(t, s.said(), "installing: using cached runner found in /home/runner/actions-runner")
	assert.Equal(t, "by the proxy", get(t.Context(), t, m, "http://"+foreign+"/"))
	assert.NotContains(t, strings.Join(commands(t, m, "snap"), "\n"), "install aproxy")
	daemon, err := m.File("/etc/docker/daemon.json")
	require.NoError(t, err)
	assert.Contains(t, string(daemon.Content), "1400")
	env, err := m.RunnerEnv(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "/opt/garm-runner/pre-job.sh", env["ACTIONS_RUNNER_HOOK_JOB_STARTED"])
}

func TestJob(t *testing.T) {
	t.Parallel()
	s := newSite(t, 44, true)
	m := s.boot(runner.Config{
		UserData: s.userData(allOptions(s), nil), Snap: runner.Snap{Installed: []string{"opentelemetry-collector"}},
	})
	const workflow = "it's \"${file:/etc/shadow}\" $(touch /opt/canary) `touch /opt/canary`\n  exporters: {}"
	result, err := m.RunJob(t.Context(), map[string]string{
		"GITHUB_REPOSITORY": "acme/widgets", "GITHUB_WORKFLOW": workflow, "GITHUB_RUN_ID": "42", "GITHUB_JOB": "build",
	})
	require.NoError(t, err)
	assert.Zero(t, result.ExitCode, result.Output)
	assert.Contains(t, result.Output, "[garm-runner] job of repository acme/widgets, workflow it's \"${file:/etc/shadow}\"")
	assert.Contains(t, result.Output, ", run 42\n")
	assert.Contains(t, result.Output, "pre-job of acme/widgets as runner {{.Names}}\n")
	assert.Contains(t, result.Output, "[garm-runner] the pre-job script failed with exit code 3\n")
	assert.NotContains(t, result.Output, "cannot")
	assert.Contains(t, commands(t, m, "snap"), "start opentelemetry-collector")

	collector, err := m.File("/etc/otelcol/config.d/github.yaml")
	require.NoError(t, err)
	var config struct {
		Processors map[string]struct {
			Attributes []struct{ Key, Value string }
		}
	}
	require.NoError(t, yaml.Unmarshal(collector.Content, &config))
	assert.Contains(t, config.Processors["resource/job"].Attributes, struct{ Key, Value string }{
		"github.workflow", strings.ReplaceAll(strings.ReplaceAll(workflow, "\n", " "), "$", "$$"),
	})
	_, err = m.File("/opt/canary")
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestUserDataThatCloudInitWouldNotTake(t *testing.T) {
	for name, text := range map[string]string{
		"no head": "runcmd: []\n", "no YAML": "#cloud-config\n{", "unknown module": "#cloud-config\nbootcmd: [x]\n", "no user": "#cloud-config\n{}\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := runner.Boot(t.Context(), runner.Config{Name: "x", UserData: []byte(text)})
			assert.ErrorContains(t, err, "cannot boot x: cannot read user data: ")
		})
	}
}
