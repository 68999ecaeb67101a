package bootstrap_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/bootstrap"
)

// aproxyValues are the assignments at the top of the aproxy script, as bash reads them.
func aproxyValues(t *testing.T, o bootstrap.Options) map[string]string {
	t.Helper()
	scripts, err := bootstrap.PreInstall(o, nil)
	require.NoError(t, err)
	head, _, found := strings.Cut(string(scripts["00-aproxy"]), "\n# ")
	require.True(t, found)
	cmd := exec.CommandContext(t.Context(), "bash", "-c", head+
		"\nprintf '%s\\0' \"$proxy_url\" \"$proxy_address\" \"$proxy_host\" \"$exclude\" \"$ports\"")
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	require.NoError(t, err)
	left, err := filepath.Glob(filepath.Join(cmd.Dir, "*"))
	require.NoError(t, err)
	require.Empty(t, left, "a value was run")
	fields := strings.Split(string(out), "\x00")
	return map[string]string{"url": fields[0], "address": fields[1], "host": fields[2], "exclude": fields[3], "ports": fields[4]}
}

func TestProxyIsTakenApart(t *testing.T) {
	tests := []struct{ url, address, host string }{
		{"http://proxy.example:3128", "proxy.example:3128", "proxy.example"},
		{"http://proxy.example", "proxy.example:80", "proxy.example"},
		{"https://proxy.example", "proxy.example:443", "proxy.example"},
		{"http://proxy.example:", "proxy.example:80", "proxy.example"},
		{"HTTP://proxy.example:3128/", "proxy.example:3128", "proxy.example"},
		{"http://proxy.example:3128/path?query#fragment", "proxy.example:3128", "proxy.example"},
		{"http://user:p%40ss@proxy.example:3128", "user:p%40ss@proxy.example:3128", "proxy.example"},
		{"http://user@proxy.example", "user@proxy.example:80", "proxy.example"},
		{"http://[2001:db8::1]:3128", "[2001:db8::1]:3128", "2001:db8::1"},
		{"http://[2001:db8::1]", "[2001:db8::1]:80", "2001:db8::1"},
		{"http://192.0.2.1:8080", "192.0.2.1:8080", "192.0.2.1"},
		{"http://u$(id)'&id;':$HOME@proxy.example", "u$(id)'&id;':$HOME@proxy.example:80", "proxy.example"},
	}
	for _, test := range tests {
		t.Run(test.url, func(t *testing.T) {
			values := aproxyValues(t, bootstrap.Options{RunnerHTTPProxy: test.url})
			assert.Equal(t, test.url, values["url"])
			assert.Equal(t, test.address, values["address"])
			assert.Equal(t, test.host, values["host"])
			assert.Equal(t, "80, 443", values["ports"])
			assert.Empty(t, values["exclude"])
		})
	}
}

func TestExcludesAndPortsAreSets(t *testing.T) {
	tests := []struct{ exclude, ports, wantExclude, wantPorts string }{
		{"10.0.0.0/8", "80", "10.0.0.0/8", "80"},
		{" 10.1.2.3/8 , 192.0.2.1 ,0.0.0.0/0", "443,80", "10.0.0.0/8, 192.0.2.1/32, 0.0.0.0/0", "80, 443"},
		{"", "80,80-90,85-100,100,102", "", "80-100, 102"},
		{" ", "1-65535,443", "", "1-65535"},
	}
	for _, test := range tests {
		values := aproxyValues(t, bootstrap.Options{
			RunnerHTTPProxy: "http://proxy.example", AproxyExcludeAddresses: test.exclude, AproxyRedirectPorts: test.ports,
		})
		assert.Equal(t, test.wantExclude, values["exclude"])
		assert.Equal(t, test.wantPorts, values["ports"])
	}
}

func TestHostileValuesAreRefused(t *testing.T) {
	proxy := func(url string) bootstrap.Options { return bootstrap.Options{RunnerHTTPProxy: url} }
	mirror := func(url string) bootstrap.Options { return bootstrap.Options{DockerHubMirror: url} }
	collector := func(url string) bootstrap.Options { return bootstrap.Options{OTelCollectorEndpoint: url} }
	exclude := func(list string) bootstrap.Options {
		return bootstrap.Options{RunnerHTTPProxy: "http://proxy.example", AproxyExcludeAddresses: list}
	}
	ports := func(list string) bootstrap.Options {
		return bootstrap.Options{RunnerHTTPProxy: "http://proxy.example", AproxyRedirectPorts: list}
	}
	var options []bootstrap.Options
	for _, url := range []string{
		"secret", "ftp://secret", "http://", "http:///secret", "http://secret:0", "http://secret:65536", "http://secret:x",
		"http://sec ret", "http://secret\nX=1", "http://secret/\r", "http://secret/\u2028", "http://secret\x00",
		"http://$(secret)", "http://`secret`", "http://-secret", "http://se'cret", "http://..", "http://{{.Secret}}",
	} {
		options = append(options, proxy(url), mirror(url), collector(url))
	}
	for _, list := range []string{"host", "::1", "::ffff:1.2.3.4", "1.2.3.4-1.2.3.9", "10.0.0.0/33", "1.1.1.1 }; flush ruleset; #", "10.0.0.0/8,,", "$(id)"} {
		options = append(options, exclude(list))
	}
	for _, list := range []string{"0", "65536", "90-80", "http", "80 }; flush ruleset; #", "80,,443", "-80", "+80", "80-", "$(id)"} {
		options = append(options, ports(list))
	}
	options = append(options, bootstrap.Options{PreJobScript: "echo\x00secret"}, proxy("http://[fe80::1%25$(secret)]"), proxy("http://u:se%0acret@host"))
	for _, spoil := range []func(*bootstrap.Tmate){
		func(t *bootstrap.Tmate) { t.Host = "" },
		func(t *bootstrap.Tmate) { t.Host = "host,proxyauth=secret" },
		func(t *bootstrap.Tmate) { t.Host = "fe80::1%secret" },
		func(t *bootstrap.Tmate) { t.Host = "host\nsecret" },
		func(t *bootstrap.Tmate) { t.Port = "" },
		func(t *bootstrap.Tmate) { t.Port = "0" },
		func(t *bootstrap.Tmate) { t.Port = "65536" },
		func(t *bootstrap.Tmate) { t.Port = "22 secret" },
		func(t *bootstrap.Tmate) { t.RSAFingerprint = "" },
		func(t *bootstrap.Tmate) { t.RSAFingerprint = "SHA256:" },
		func(t *bootstrap.Tmate) { t.RSAFingerprint = "MD5:secret" },
		func(t *bootstrap.Tmate) { t.ED25519Fingerprint = "SHA256:a\nsecret=1" },
		func(t *bootstrap.Tmate) { t.ED25519Fingerprint = "SHA256:$(secret)" },
	} {
		server := tmate()
		spoil(&server)
		options = append(options, bootstrap.Options{Tmate: server})
	}
	for _, o := range options {
		_, err := bootstrap.Template([]byte(smallBase), o)
		if assert.Error(t, err, "%q", o) {
			assert.True(t, strings.HasPrefix(err.Error(), "cannot "), err.Error())
			assert.NotContains(t, err.Error(), "secret", "a URL may hold a password")
			assert.NotContains(t, err.Error(), "\n")
		}
		if o.RunnerHTTPProxy != "" {
			_, err = bootstrap.PreInstall(o, nil)
			assert.Error(t, err, "%q", o)
		}
	}
}

// A value that passes is data wherever it goes, so that none is run and none is a template action.
func TestHostileValuesLeaveNoTrace(t *testing.T) {
	const evil = "$(touch${IFS}canary)`touch${IFS}canary`'\"{{.CallbackToken}}&<EOF"
	o := bootstrap.Options{
		DockerHubMirror:       "https://mirror.example/" + evil,
		RunnerHTTPProxy:       "http://proxy.example/" + evil,
		OTelCollectorEndpoint: "https://otel.example/" + evil,
		PreJobScript:          evil + "\nEND_OF_FILE\ntouch canary\n",
	}
	tpl, err := bootstrap.Template([]byte(smallBase), o)
	require.NoError(t, err)
	b, err := bootstrap.Render(o)
	require.NoError(t, err)
	require.Contains(t, executed(t, tpl, true), b.Host)

	m := newMachine(t)
	m.run(t, b.Host+b.Runner)
	env, err := exec.CommandContext(t.Context(), "cat", filepath.Join(m.home, ".env")).Output()
	require.NoError(t, err)
	assert.Equal(t, "DOCKERHUB_MIRROR=https://mirror.example/"+evil+"\nCONTAINER_REGISTRY_URL=https://mirror.example/"+evil+
		"\nACTION_OTEL_EXPORTER_OTLP_ENDPOINT=https://otel.example/"+evil+
		"\nACTIONS_RUNNER_HOOK_JOB_STARTED=/opt/garm-runner/pre-job.sh\n", string(env))
	assert.NoFileExists(t, filepath.Join(m.home, "canary"))
	assert.NoFileExists(t, filepath.Join(m.root, "canary"))
}
