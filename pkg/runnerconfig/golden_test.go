package runnerconfig_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
)

// databag reads one of the databags that configurators have published, Juju's own keys among them. They stay as they are,
// whatever becomes of the contract: a new key stands in a new file.
func databag(t *testing.T, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	require.NoError(t, err)
	var bag map[string]string
	require.NoError(t, json.Unmarshal(text, &bag))
	return bag
}

// openstack is the provider of all of them.
func openstack(name, passwordSecret string) runnerconfig.Provider {
	return runnerconfig.Provider{
		ProviderName: name, AuthURL: "https://keystone.example.com:5000/v3", Username: "ci", ProjectName: "runners",
		UserDomainName: "Default", ProjectDomainName: "Default", RegionName: "RegionOne", Network: "runners",
		PasswordSecret: passwordSecret,
	}
}

// A garm of today follows what a configurator of any day has published, the Python charm's included.
func TestDecodeOfPublishedDatabags(t *testing.T) {
	const (
		image  = "6e9ee2fb-9e2b-4e4c-9c39-0f2a4ab0d0a1"
		secret = "secret://062e14e3-821f-49a0-852f-2a8633e4b295/cuvb1k3i8q5s73a0d0"
		ghes   = "https://ghes.example.com:8443"
	)
	proxied := runnerconfig.Options{
		DockerHubMirror: "https://mirror.example.com", RunnerHTTPProxy: "http://proxy.example.com:3128",
		AproxyExcludeAddresses: runnerconfig.List{"10.0.0.0/8", "192.0.2.7"},
		AproxyRedirectPorts:    runnerconfig.List{"80", "443", "8000-8080"},
		OTelCollectorEndpoint:  "http://otel.example.com:4317",
	}
	python, app := proxied, proxied
	python.PreJobScript = "#!/bin/bash\necho '{{.Names}}'"
	app.PreJobScript = "#!/bin/bash\necho '{{.Names}}' # 🦀"
	app.RefuseExternalContributor, app.UseRunnerProxyForTmate = true, true
	for name, want := range map[string]runnerconfig.ScaleSet{
		"python": {
			Name: "small", Provider: openstack("small-0", "secret:cuvb1k3i8q5s73a0d0a0"), Repo: "acme/widgets",
			App: runnerconfig.App{AppID: 42, InstallationID: 7, PrivateKeySecret: "secret:cuvb1k3i8q5s73a0d0b0"},
			Machine: runnerconfig.Machine{
				ImageID: image, Flavor: "m1.small", OSArch: "amd64",
				PreInstallScripts: runnerconfig.Scripts{"pre_install.sh": "#!/bin/sh\necho ä\n"},
			},
			Options: python, RunnerGroup: "Default", Labels: runnerconfig.List{"gpu", "large"},
			MaxRunner: 1, BootstrapTimeoutMinutes: 20,
		},
		"app": {
			Name: "small", Provider: openstack("small", secret+"a0"), Org: "acme",
			Forge: runnerconfig.Forge{GitHubURL: ghes, GitHubAPIURL: ghes + "/rest", GitHubUploadURL: "https://uploads.example.com"},
			App:   runnerconfig.App{AppID: 42, InstallationID: 7, PrivateKeySecret: secret + "b0"},
			Machine: runnerconfig.Machine{
				ImageID: image, Flavor: "m1.small", OSArch: "amd64",
				PreInstallScripts: runnerconfig.Scripts{"10-a": "#!/bin/sh\ntrue\n", "20-b": "echo ä"},
			},
			Options: app, RunnerGroup: "builders", Labels: runnerconfig.List{"gpu", "large"},
			MinIdleRunner: 1, MaxRunner: 3, RunnerPrefix: "ci", BootstrapTimeoutMinutes: 45,
		},
		"token": {
			Name: "small", Provider: openstack("small", secret+"a0"), Enterprise: "acme-inc",
			Forge:       runnerconfig.Forge{GitHubURL: ghes, GitHubCACertificate: databag(t, "token")["github_ca_certificate"]},
			TokenSecret: secret + "b0",
			Machine:     runnerconfig.Machine{ImageID: image, Flavor: "m1.small", OSArch: "amd64"},
			RunnerGroup: "Default", MaxRunner: 1, BootstrapTimeoutMinutes: 20,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := runnerconfig.Decode(databag(t, name))
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
}

// No key of the contract is without a databag that holds it to what it was.
func TestPublishedDatabagsHaveEveryKey(t *testing.T) {
	all := databag(t, "python")
	maps.Copy(all, databag(t, "app"))
	maps.Copy(all, databag(t, "token"))
	assert.Subset(t, slices.Collect(maps.Keys(all)), runnerconfig.Keys())
}
