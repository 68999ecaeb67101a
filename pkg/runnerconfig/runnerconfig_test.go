package runnerconfig_test

import (
	"maps"
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

		"allow-external-contributor": "false", "use-runner-proxy-for-tmate": "true",
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
	assert.Equal(t, "false", bag["allow_external_contributor"])
	assert.Equal(t, "true", bag["use_runner_proxy_for_tmate"])
	assert.Subset(t, runnerconfig.Keys(), []string{"name", "repo", "openstack_password_secret_uri", "github_installation_id"})
}

// What is not said, or said as the default is, does not stand in the databag.
func TestAllowedAndDirectIsTheDefault(t *testing.T) {
	for _, set := range []map[string]string{{}, {"allow-external-contributor": "true", "use-runner-proxy-for-tmate": "false"}} {
		options := validOptions()
		maps.Copy(options, set)
		parsed, problems := runnerconfig.Parse(options)
		require.Empty(t, problems)
		assert.Equal(t, runnerconfig.Options{}, parsed.Options)
		bag, err := parsed.Encode()
		require.NoError(t, err)
		assert.NotContains(t, bag, "allow_external_contributor")
		assert.NotContains(t, bag, "use_runner_proxy_for_tmate")
	}
}

func TestForgeIsNormalised(t *testing.T) {
	parse := func(set map[string]string) runnerconfig.ScaleSet {
		t.Helper()
		options := validOptions()
		maps.Copy(options, set)
		parsed, problems := runnerconfig.Parse(options)
		require.Empty(t, problems)
		return parsed
	}
	assert.Empty(t, parse(map[string]string{"github-url": "https://GitHub.com/"}).GitHubURL)
	server := parse(map[string]string{"github-url": "https://GitHub.Example.com/"})
	assert.Equal(t, "https://github.example.com", server.GitHubURL)
	assert.Equal(t, "https://github.example.com/api/v3", server.APIURL())
	assert.Equal(t, "https://github.example.com/api/uploads", server.UploadURL())
	server = parse(map[string]string{"github-url": "https://g", "github-api-url": "https://API.example.com/V3/", "github-upload-url": "https://u/"})
	assert.Equal(t, "https://api.example.com/V3", server.APIURL())
	assert.Equal(t, "https://u", server.UploadURL())
}

// What an older configurator does not publish is GARM's default.
func TestDecodeWithoutBootstrapTimeout(t *testing.T) {
	parsed, problems := runnerconfig.Parse(validOptions())
	require.Empty(t, problems)
	parsed.ProviderName, parsed.ImageID = "small", "image-1"
	bag, err := parsed.Encode()
	require.NoError(t, err)
	delete(bag, "runner_bootstrap_timeout")
	decoded, err := runnerconfig.Decode(bag)
	require.NoError(t, err)
	assert.Equal(t, 20, decoded.BootstrapTimeoutMinutes)
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
