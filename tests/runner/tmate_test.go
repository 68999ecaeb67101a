package runner_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/runner"
)

func tmateOptions(host string, relayed bool) options {
	return options{
		"RunnerHTTPProxy":        "http://u%20ser:p%3Ass@proxy.test:3128",
		"Tmate":                  map[string]string{"Host": host, "Port": "10022", "RSAFingerprint": "SHA256:rsa", "ED25519Fingerprint": "SHA256:ed"},
		"UseRunnerProxyForTmate": relayed,
	}
}

func TestDebugSessionsGoThroughTheProxy(t *testing.T) {
	t.Parallel()
	s := newSite(t, 70, true)
	m := s.boot(runner.Config{UserData: s.userData(tmateOptions("198.51.100.22", true), nil)})
	env, err := m.RunnerEnv(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1", env["TMATE_SERVER_HOST"])
	assert.Equal(t, "3129", env["TMATE_SERVER_PORT"])
	assert.Equal(t, "SHA256:rsa", env["TMATE_SERVER_RSA_FINGERPRINT"])
	assert.Equal(t, "SHA256:ed", env["TMATE_SERVER_ED25519_FINGERPRINT"])

	// The session is one of the runner's account: what the server behind the proxy says arrives there.
	out, err := m.Command(t.Context(), "runner", "curl", "--silent", "--show-error", "--max-time", "30",
		"--retry", "30", "--retry-connrefused", "--retry-delay", "1", "http://127.0.0.1:3129/").CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, "by the proxy", string(out))
	assert.Contains(t, s.throughProxy(), "198.51.100.22:10022")
	assert.Contains(t, s.accounts(), "u ser:p:ss")

	processes, err := m.Command(t.Context(), "root", "ps", "-eo", "args").Output()
	require.NoError(t, err)
	assert.Contains(t, string(processes), "socat TCP-LISTEN:3129")
	assert.NotContains(t, string(processes), "p:ss", "a password is on no command line")
	for _, file := range []string{"/opt/garm-runner/tmate-proxy", "/opt/garm-runner/tmate-proxy.authorization"} {
		secret, err := m.File(file)
		require.NoError(t, err)
		assert.Zero(t, secret.Mode.Perm()&0o077, file)
	}
}

func TestDebugSessionsGoStraightUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	s := newSite(t, 71, true)
	m := s.boot(runner.Config{UserData: s.userData(tmateOptions("198.51.100.22", false), nil)})
	env, err := m.RunnerEnv(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "198.51.100.22", env["TMATE_SERVER_HOST"])
	assert.Equal(t, "10022", env["TMATE_SERVER_PORT"])
	_, err = m.File("/etc/systemd/system/tmate-proxy.service")
	require.NoError(t, err, "it is there for an action to start")
	assert.NotContains(t, strings.Join(commands(t, m, "systemctl"), "\n"), "restart tmate-proxy")

	s = newSite(t, 72, true)
	o := tmateOptions("192.0.2.3", true)
	delete(o, "RunnerHTTPProxy")
	m = s.boot(runner.Config{UserData: s.userData(o, nil)})
	env, err = m.RunnerEnv(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "192.0.2.3", env["TMATE_SERVER_HOST"])
	_, err = m.File("/etc/systemd/system/tmate-proxy.service")
	require.ErrorIs(t, err, fs.ErrNotExist, "there is no proxy")
}

func TestDebugSessionsWithoutRelay(t *testing.T) {
	t.Parallel()
	s := newSite(t, 73, true)
	m := s.boot(runner.Config{UserData: s.userData(tmateOptions("198.51.100.22", true), nil), Without: []string{"socat"}})
	env, err := m.RunnerEnv(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "198.51.100.22", env["TMATE_SERVER_HOST"])
	assert.Contains(t, string(m.Log()), "[garm-runner] tmate: cannot relay debug sessions: there is no socat")
	said := strings.Join(s.said(), "\n")
	assert.Contains(t, said, "installing: [garm-runner] cannot relay debug sessions through the proxy")
	assert.Contains(t, said, "idle: runner successfully installed")
}
