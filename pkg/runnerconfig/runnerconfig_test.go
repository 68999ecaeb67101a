package runnerconfig_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
)

func validOptions() map[string]string {
	return map[string]string{
		"name":                          "small",
		"openstack-auth-url":            "https://keystone.example.com:5000/v3",
		"openstack-username":            "ci",
		"openstack-project-name":        "runners",
		"openstack-user-domain-name":    "Default",
		"openstack-project-domain-name": "Default",
		"openstack-region-name":         "RegionOne",
		"openstack-network":             "runners-net",
		"openstack-password":            "secret:abc123",
		"github-app-id":                 "42",
		"github-app-installation-id":    "7",
		"github-app-private-key":        "secret:def456",
		"flavor":                        "m1.small",
		"os-arch":                       "amd64",
		"org":                           "acme",
		"max-runner":                    "3",
	}
}

func TestParseRules(t *testing.T) {
	const proxy = "http://proxy.example.com:3128"
	long := strings.Repeat("x", 65537)
	for _, row := range []struct {
		summary string
		set     map[string]string
		want    []string
	}{
		{"complete", nil, nil},
		{"blank is unset", map[string]string{"dockerhub-mirror": "  ", "pre-job-script": "\n"}, nil},
		{"values are stripped", map[string]string{"os-arch": " amd64 "}, nil},
		{"every missing option", map[string]string{"name": "", "flavor": " ", "github-app-id": ""}, []string{"name is required", "github-app-id is required", "flavor is required"}},
		{"no entity", map[string]string{"org": ""}, []string{"org or repo is required"}},
		{"two entities", map[string]string{"repo": "acme/widgets"}, []string{"org and repo are both set; reset one of them"}},
		{"repository", map[string]string{"org": "", "repo": "acme/widgets.go"}, nil},
		{"repository without owner", map[string]string{"org": "", "repo": "widgets"}, []string{"repo must be owner/name"}},
		{"repository with path", map[string]string{"org": "", "repo": "acme/widgets/x"}, []string{"repo must be owner/name"}},
		{"other spelling of architecture", map[string]string{"os-arch": "x64"}, nil},
		{"unknown architecture", map[string]string{"os-arch": "riscv64"}, []string{"os-arch must be one of amd64, arm64, arm"}},
		{"name with slash", map[string]string{"name": "a/b"}, []string{"name must have neither blanks nor slashes"}},
		{"no runner at all", map[string]string{"max-runner": "0"}, []string{"max-runner must be at least 1"}},
		{"one runner", map[string]string{"max-runner": "1"}, nil},
		{"negative idle", map[string]string{"min-idle-runner": "-1"}, []string{"min-idle-runner must be at least 0"}},
		{"as many idle as there may be", map[string]string{"min-idle-runner": "3"}, nil},
		{"more idle than there may be", map[string]string{"min-idle-runner": "4"}, []string{"min-idle-runner must not be greater than max-runner"}},
		{"number that is none", map[string]string{"max-runner": "many"}, []string{"max-runner must be a whole number"}},
		{"NUL", map[string]string{"pre-job-script": "a\x00b"}, []string{"pre-job-script must be text without NUL bytes"}},
		{"not UTF-8", map[string]string{"flavor": "a\xffb"}, []string{"flavor must be text without NUL bytes"}},
		{"beyond the BMP", map[string]string{"pre-job-script": "echo 🦀"}, nil},

		{"http mirror", map[string]string{"dockerhub-mirror": "http://mirror.example.com"}, nil},
		{"mirror of another scheme", map[string]string{"dockerhub-mirror": "ftp://mirror"}, []string{"dockerhub-mirror must be a URL like http://host:port or https://host, without blanks"}},
		{"proxy without scheme", map[string]string{"runner-http-proxy": "proxy:3128"}, []string{"runner-http-proxy must be a URL like http://host:port or https://host, without blanks"}},
		{"proxy with blank", map[string]string{"runner-http-proxy": "http://pro xy:3128"}, []string{"runner-http-proxy must be a URL like http://host:port or https://host, without blanks"}},
		{"proxy with newline", map[string]string{"runner-http-proxy": "http://proxy:3128/\nx"}, []string{"runner-http-proxy must be a URL like http://host:port or https://host, without blanks"}},
		{"highest port", map[string]string{"runner-http-proxy": "http://proxy:65535"}, nil},
		{"port too high", map[string]string{"runner-http-proxy": "http://proxy:65536"}, []string{"runner-http-proxy must be a URL like http://host:port or https://host, without blanks"}},
		{"port zero", map[string]string{"runner-http-proxy": "http://proxy:0"}, []string{"runner-http-proxy must be a URL like http://host:port or https://host, without blanks"}},
		{"empty port", map[string]string{"runner-http-proxy": "http://proxy:"}, []string{"runner-http-proxy must be a URL like http://host:port or https://host, without blanks"}},
		{"collector without host", map[string]string{"otel-collector-endpoint": "http://"}, []string{"otel-collector-endpoint must be a URL like http://host:port or https://host, without blanks"}},

		{"excluded addresses", map[string]string{"runner-http-proxy": proxy, "aproxy-exclude-addresses": "10.0.0.0/8, 192.0.2.7,10.1.2.3/8"}, nil},
		{"excluded host name", map[string]string{"runner-http-proxy": proxy, "aproxy-exclude-addresses": "10.0.0.0/8,example.com"}, []string{`aproxy-exclude-addresses must be a comma-separated list of IPv4 addresses or CIDRs like 10.0.0.0/8; got "example.com"`}},
		{"excluded IPv6", map[string]string{"runner-http-proxy": proxy, "aproxy-exclude-addresses": "::1"}, []string{`aproxy-exclude-addresses must be a comma-separated list of IPv4 addresses or CIDRs like 10.0.0.0/8; got "::1"`}},
		{"empty entry", map[string]string{"runner-http-proxy": proxy, "aproxy-exclude-addresses": "10.0.0.1,,10.0.0.2"}, []string{`aproxy-exclude-addresses must be a comma-separated list of IPv4 addresses or CIDRs like 10.0.0.0/8; got ""`}},
		{"excluded without proxy", map[string]string{"aproxy-exclude-addresses": "10.0.0.1"}, []string{"aproxy-exclude-addresses needs runner-http-proxy to be set"}},
		{"ports", map[string]string{"runner-http-proxy": proxy, "aproxy-redirect-ports": "1,80, 443,8000-8080,65535,7-7"}, nil},
		{"port range upside down", map[string]string{"runner-http-proxy": proxy, "aproxy-redirect-ports": "8080-8000"}, []string{`aproxy-redirect-ports must be a comma-separated list of ports or ranges like 80,8000-8080, each in 1..65535; got "8080-8000"`}},
		{"port out of range", map[string]string{"runner-http-proxy": proxy, "aproxy-redirect-ports": "0"}, []string{`aproxy-redirect-ports must be a comma-separated list of ports or ranges like 80,8000-8080, each in 1..65535; got "0"`}},
		{"port in words", map[string]string{"runner-http-proxy": proxy, "aproxy-redirect-ports": "http"}, []string{`aproxy-redirect-ports must be a comma-separated list of ports or ranges like 80,8000-8080, each in 1..65535; got "http"`}},
		{"ports without proxy", map[string]string{"aproxy-redirect-ports": "80"}, []string{"aproxy-redirect-ports needs runner-http-proxy to be set"}},

		{"largest script", map[string]string{"pre-job-script": long[1:]}, nil},
		{"script too large", map[string]string{"pre-job-script": long}, []string{"pre-job-script must be at most 65536 bytes long"}},
		{"reserved script name", map[string]string{"pre-install-scripts": `{"00-mine": "true"}`}, []string{"pre-install-scripts must name each script with letters, digits, dots, dashes and underscores, and not with 00- or 01- in front"}},
		{"secret that is none", map[string]string{"openstack-password": "hunter2"}, []string{"openstack-password must be a Juju secret like secret:abc123"}},
		{"several at once", map[string]string{"max-runner": "0", "dockerhub-mirror": "x", "flavor": ""}, []string{
			"flavor is required", "dockerhub-mirror must be a URL like http://host:port or https://host, without blanks", "max-runner must be at least 1",
		}},
	} {
		t.Run(row.summary, func(t *testing.T) {
			options := validOptions()
			maps.Copy(options, row.set)
			_, problems := runnerconfig.Parse(options)
			var got []string
			for _, p := range problems {
				got = append(got, p.String())
			}
			assert.ElementsMatch(t, row.want, got)
		})
	}
}

func TestEncodeDecodeKeepsEverything(t *testing.T) {
	options := validOptions()
	maps.Copy(options, map[string]string{
		"dockerhub-mirror":         "https://mirror.example.com/?a=1&b=<2>",
		"runner-http-proxy":        "http://user:pw@[2001:db8::1]:3128",
		"aproxy-exclude-addresses": "10.0.0.0/8, 192.0.2.7",
		"aproxy-redirect-ports":    "80,443,8000-8080",
		"otel-collector-endpoint":  "http://otel.example.com:4317",
		"pre-job-script":           "#!/bin/bash\ndocker ps --format '{{.Names}}' # 🦀\r\n",
		"pre-install-scripts":      "10-a: |\n  #!/bin/sh\n  true\n",
		"labels":                   "gpu, ,large",
		"min-idle-runner":          "0",
	})
	parsed, problems := runnerconfig.Parse(options)
	require.Empty(t, problems)
	parsed.ProviderName, parsed.ImageID = "small", "image-1"

	bag, err := parsed.Encode()
	require.NoError(t, err)
	decoded, err := runnerconfig.Decode(bag)
	require.NoError(t, err)
	assert.Equal(t, parsed, decoded)

	assert.Equal(t, "0", bag["min_idle_runner"], "a reader that demands the key must find it")
	assert.Equal(t, "10.0.0.0/8,192.0.2.7", bag["aproxy_exclude_addresses"])
	assert.Equal(t, "gpu,large", bag["labels"])
	assert.JSONEq(t, `{"10-a": "#!/bin/sh\ntrue\n"}`, bag["pre_install_scripts"])
	assert.Equal(t, "#!/bin/bash\ndocker ps --format '{{.Names}}' # 🦀", bag["pre_job_script"])
	assert.Equal(t, "Default", bag["runner_group"])
	assert.NotContains(t, bag, "repo")
	assert.Subset(t, runnerconfig.Keys(), []string{"name", "repo", "openstack_password_secret_uri", "github_installation_id"})
}

func TestDecodeTrustsNothing(t *testing.T) {
	valid := func() map[string]string {
		parsed, problems := runnerconfig.Parse(validOptions())
		require.Empty(t, problems)
		parsed.ProviderName, parsed.ImageID = "small", "image-1"
		bag, err := parsed.Encode()
		require.NoError(t, err)
		return bag
	}

	t.Run("nothing declared", func(t *testing.T) {
		_, err := runnerconfig.Decode(map[string]string{"egress-subnets": "10.0.0.1/32"})
		assert.ErrorIs(t, err, runnerconfig.ErrAbsent)
	})
	t.Run("half written", func(t *testing.T) {
		bag := valid()
		delete(bag, "openstack_auth_url")
		delete(bag, "image_id")
		_, err := runnerconfig.Decode(bag)
		var invalid *runnerconfig.InvalidError
		require.ErrorAs(t, err, &invalid)
		assert.EqualError(t, err, "openstack-auth-url is required; image_id is required")
	})
	t.Run("hostile", func(t *testing.T) {
		bag := valid()
		bag["aproxy_redirect_ports"] = "80; reboot"
		bag["runner_http_proxy"] = "http://p:1"
		bag["os_arch"] = "x\n[evil]"
		_, err := runnerconfig.Decode(bag)
		assert.ErrorContains(t, err, "os-arch must be one of")
		assert.ErrorContains(t, err, "aproxy-redirect-ports must be")
	})
	t.Run("unknown keys", func(t *testing.T) {
		bag := valid()
		bag["credentials_name"] = "from an older charm"
		_, err := runnerconfig.Decode(bag)
		assert.NoError(t, err)
	})
}

func TestScriptsFromText(t *testing.T) {
	for _, row := range []struct {
		summary, text string
		want          runnerconfig.Scripts
	}{
		{"blank", " \n", nil},
		{"one script", "#!/bin/sh\necho a: b\n", runnerconfig.Scripts{"pre_install.sh": "#!/bin/sh\necho a: b\n"}},
		{"one command", "apt-get update", runnerconfig.Scripts{"pre_install.sh": "apt-get update"}},
		{"JSON", `{"10-a": "true"}`, runnerconfig.Scripts{"10-a": "true"}},
		{"YAML", "10-a: |\n  true\n20-b: 'false'\n", runnerconfig.Scripts{"10-a": "true\n", "20-b": "false"}},
		{"YAML that is no map", "[1, 2]", runnerconfig.Scripts{"pre_install.sh": "[1, 2]"}},
	} {
		t.Run(row.summary, func(t *testing.T) {
			var got runnerconfig.Scripts
			require.NoError(t, got.UnmarshalText([]byte(row.text)))
			assert.Equal(t, row.want, got)
		})
	}
}

func TestEqualTakesAbsentForEmpty(t *testing.T) {
	assert.True(t, runnerconfig.Equal(map[string]string{"a": "1", "b": ""}, map[string]string{"a": "1"}))
	assert.False(t, runnerconfig.Equal(map[string]string{"a": "1"}, map[string]string{"a": "2"}))
}
