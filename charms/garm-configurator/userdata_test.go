package garmconfigurator_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cloudbase/garm-provider-common/cloudconfig"
	"github.com/cloudbase/garm-provider-common/params"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/bootstrap"
	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
)

// novaLimit is the most user data that OpenStack takes, base64 encoded (Nova, MAX_USERDATA_SIZE).
const novaLimit = 65535

// Pre-install scripts that the rules allow fit into a machine's user data, with GARM's own part and the scripts for a proxy
// whose options are as long as they are in practice and for debug sessions through it.
func TestLargestScriptsFitIntoUserData(t *testing.T) {
	for _, scripts := range []int{1, 20, 50} {
		each := 24576/scripts - 256
		custom := map[string]string{}
		for i := range scripts {
			custom[fmt.Sprintf("10-script-of-the-operator-%03d", i)] = strings.Repeat("x", each)
		}
		text, err := json.Marshal(custom)
		require.NoError(t, err)
		size := userDataSize(t, map[string]string{
			"pre-install-scripts": string(text), "runner-http-proxy": "http://proxy.internal.example.com:3128",
			"aproxy-exclude-addresses": strings.Repeat("192.168.100.0/24,", 31) + "10.0.0.0/8", "aproxy-redirect-ports": "1-3127,3129-65535",
		})
		t.Logf("%d scripts of %d bytes: %d bytes of user data, %d are left", scripts, each, size, novaLimit-size)
		assert.LessOrEqual(t, size, novaLimit)
	}
}

func userDataSize(t *testing.T, options map[string]string) int {
	t.Helper()
	s, problems := runnerconfig.Parse(options)
	for _, p := range problems {
		require.True(t, p.Missing || p.Option == "max-runner", p.String())
	}
	o := desired.Blocks(s.Options)
	o.Tmate = bootstrap.Tmate{
		Host: "tmate.internal.example.com", Port: "10022",
		RSAFingerprint: "SHA256:" + strings.Repeat("x", 44), ED25519Fingerprint: "SHA256:" + strings.Repeat("x", 44),
	}
	scripts, err := bootstrap.PreInstall(o, s.PreInstallScripts)
	require.NoError(t, err)
	specs, err := json.Marshal(map[string]any{"pre_install_scripts": scripts})
	require.NoError(t, err)
	name, url, token := "actions-runner-linux-x64-2.330.0.tar.gz", "https://github.com/actions/runner/releases/download/v2.330.0/x.tar.gz", ""
	userData, err := cloudconfig.GetCloudConfig(params.BootstrapInstance{
		Name: "garm-0123456789ab", OSType: params.Linux, OSArch: params.Amd64, ExtraSpecs: specs, JitConfigEnabled: true,
		MetadataURL: "https://garm.ci.svc.cluster.local:8080/api/v1/metadata", CallbackURL: "https://garm.ci.svc.cluster.local:8080/api/v1/callbacks",
		InstanceToken: strings.Repeat("t", 600), RepoURL: "https://github.com/acme",
	}, params.RunnerApplicationDownload{Filename: &name, DownloadURL: &url, TempDownloadToken: &token}, "garm-0123456789ab")
	require.NoError(t, err)
	return base64.StdEncoding.EncodedLen(len(userData))
}
