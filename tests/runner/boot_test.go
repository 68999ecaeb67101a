package runner_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/runner"
)

const dotEnv = "/home/runner/actions-runner/.env"

// TestMachineMadeFromARunnersImage boots a machine from what another one has left: all is there already, with the values
// of before.
func TestMachineMadeFromARunnersImage(t *testing.T) {
	t.Parallel()
	for number, jit := range []bool{true, false} {
		s := newSite(t, 60+number, jit)
		dir := t.TempDir()
		docker := runner.Config{Dir: dir, Docker: true, Snap: runner.Snap{Installed: []string{"opentelemetry-collector"}}}
		docker.UserData = s.userData(allOptions(s), nil)
		first := s.boot(docker)
		before, err := first.File(dotEnv)
		require.NoError(t, err)
		require.NoError(t, first.Close())

		second := s.boot(docker)
		assert.Contains(t, s.said(), "installing: using cached runner found in /home/runner/actions-runner")
		assert.Equal(t, "idle: runner successfully installed", s.said()[len(s.said())-1])
		after, err := second.File(dotEnv)
		require.NoError(t, err)
		assert.ElementsMatch(t, strings.Split(string(before.Content), "\n"), strings.Split(string(after.Content), "\n"), "no line twice")
		daemon, err := second.File("/etc/docker/daemon.json")
		require.NoError(t, err)
		assert.JSONEq(t, `{"registry-mirrors":["https://mirror.test"]}`, string(daemon.Content))
		assert.NotContains(t, commands(t, second, "systemctl"), "restart docker", "nothing changed for it")
		assert.NotContains(t, commands(t, second, "snap"), "install aproxy --edge")
		assert.Equal(t, "by the proxy", get(t.Context(), t, second, "http://"+foreign+"/"))
		result, err := second.RunJob(t.Context(), map[string]string{"GITHUB_REPOSITORY": "acme/widgets"})
		require.NoError(t, err)
		assert.Equal(t, 1, strings.Count(result.Output, "pre-job of acme/widgets"))
		require.NoError(t, second.Close())

		// Another scale set's runner, with other options.
		docker.UserData = s.userData(options{"DockerHubMirror": "https://other.test"}, nil)
		third := s.boot(docker)
		env, err := third.RunnerEnv(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "https://other.test", env["DOCKERHUB_MIRROR"])
		result, err = third.RunJob(t.Context(), map[string]string{"GITHUB_REPOSITORY": "acme/widgets"})
		require.NoError(t, err)
		assert.NotContains(t, result.Output, "pre-job of", "its hook is its own")
		daemon, err = third.File("/etc/docker/daemon.json")
		require.NoError(t, err)
		assert.JSONEq(t, `{"registry-mirrors":["https://other.test","https://mirror.test"]}`, string(daemon.Content))
	}
}

func TestAgentMode(t *testing.T) {
	t.Parallel()
	s := newSite(t, 62, true)
	s.agent = true
	m := s.boot(runner.Config{UserData: s.userData(allOptions(s), nil)})
	said := s.said()
	require.NotEmpty(t, said)
	assert.Equal(t, "idle: runner successfully installed", said[len(said)-1])
	env, err := m.RunnerEnv(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "/opt/garm-runner/pre-job.sh", env["ACTIONS_RUNNER_HOOK_JOB_STARTED"])
	assert.Equal(t, "https://mirror.test", env["DOCKERHUB_MIRROR"])
	result, err := m.RunJob(t.Context(), map[string]string{"GITHUB_REPOSITORY": "acme/widgets"})
	require.NoError(t, err)
	assert.Contains(t, result.Output, "pre-job of acme/widgets")
}

func TestPackageListsAreRefreshed(t *testing.T) {
	t.Parallel()
	s := newSite(t, 63, true)
	m := s.boot(runner.Config{UserData: s.userData(options{"PreJobScript": "#!/bin/sh\n"}, nil), AptFailures: 2})
	assert.Len(t, commands(t, m, "apt-get"), 3)
	assert.NotContains(t, string(m.Log()), "cannot refresh the package lists")
	assert.Contains(t, commands(t, m, "snap"), "refresh --hold=48h")
}

// Nothing that an option holds runs outside its own script.
func TestHostileOptionsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	s := newSite(t, 64, true)
	const evil = "$(touch${IFS}/opt/canary)`touch${IFS}/opt/canary`'\"{{.CallbackToken}}&&touch${IFS}/opt/canary;<EOF%25n"
	script := evil + "\nEND_OF_FILE\n) || true\nfi\ntouch /opt/canary\n{{ end }}\n# END garm-runner\nsendStatus \"configuring runner\"\ntouch /opt/canary\n"
	o := options{
		"DockerHubMirror":       "https://mirror.test/" + evil,
		"RunnerHTTPProxy":       "http://u$(reboot)'&reboot;':$HOME@proxy.test:3128/" + evil,
		"OTelCollectorEndpoint": "https://otel.test/" + evil,
		"PreJobScript":          script,
		"Tmate": map[string]string{
			"Host": "192.0.2.1", "Port": "22", "RSAFingerprint": "SHA256:a", "ED25519Fingerprint": "SHA256:b",
		},
	}
	m := s.boot(runner.Config{UserData: s.userData(o, map[string]string{"10-inert": "#!/bin/true\n" + script}), Docker: true})
	assert.Equal(t, "idle: runner successfully installed", s.said()[len(s.said())-1])
	_, err := m.File("/opt/canary")
	require.ErrorIs(t, err, fs.ErrNotExist)
	arrived, err := m.File("/opt/garm-runner/pre-job-script")
	require.NoError(t, err)
	assert.Equal(t, script, string(arrived.Content))
	env, err := m.RunnerEnv(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "https://mirror.test/"+evil, env["DOCKERHUB_MIRROR"])
	assert.Equal(t, "https://otel.test/"+evil, env["ACTION_OTEL_EXPORTER_OTLP_ENDPOINT"])
	assert.NotContains(t, string(m.Log()), "instance-token`", "no value is a template's action")
	assert.Empty(t, leftovers(t, m))
}

// What an operator writes reaches the runner byte for byte, whatever it holds; cloud-init runs the scripts by name.
func TestPreInstallScriptsArriveAndRunInOrder(t *testing.T) {
	t.Parallel()
	s := newSite(t, 65, true)
	texts := map[string]string{
		"10-crlf":      "#!/bin/true\r\necho\r\n",
		"20-braces":    "#!/bin/true\n{{ .CallbackToken }} ${{ github.ref }} }} `id` $(id)\nEOF\n",
		"30-no-end":    "#!/bin/true\nno final newline",
		"35-bytes":     "#!/bin/true\n\x01\x7f日本語\u2028\n",
		"9-after-30":   "#!/bin/sh\necho 9 >>/opt/order\n",
		"40-fails":     "#!/bin/sh\necho 40 >>/opt/order\nexit 1\n",
		"50-set-e":     "#!/bin/sh\nset -e\necho 50 >>/opt/order\nfalse\necho never >>/opt/order\n",
		"60-goes-on":   "#!/bin/sh\necho 60 >>/opt/order\n",
		"zz.keep_it-1": "#!/bin/sh\ncp -r /garm-pre-install /opt/kept\n",
	}
	m := s.boot(runner.Config{UserData: s.userData(nil, texts)})
	assert.Equal(t, "idle: runner successfully installed", s.said()[len(s.said())-1])
	for name, text := range texts {
		file, err := m.File("/opt/kept/" + name)
		require.NoError(t, err)
		assert.Equal(t, text, string(file.Content), name)
	}
	order, err := m.File("/opt/order")
	require.NoError(t, err)
	assert.Equal(t, "40\n50\n60\n9\n", string(order.Content), "in the order of their names' bytes, whether one fails or not")
}
