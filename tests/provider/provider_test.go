package provider_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/garm-charms/garm-charms/tests/parts"
	"github.com/garm-charms/garm-charms/tests/provider"
)

const (
	config = "cloud = \"lab\"\nnetwork_id = \"net\"\nuse_config_drive = true\n[credentials]\nclouds = \"CLOUDS\"\n"
	clouds = `clouds:
  lab:
    auth:
      auth_url: https://keystone.test
      username: runner
      password: "pass:word#1"
      project_name: ci
      user_domain_name: Default
      project_domain_name: Default
    region_name: RegionOne
`
)

// garm calls the provider as GARM does.
type garm struct {
	t      *testing.T
	binary string
	dir    string // the cloud
	config string
	clouds string
}

func newGARM(t *testing.T) garm {
	t.Helper()
	binary, err := parts.Provider(t.Context())
	require.NoError(t, err)
	dir := t.TempDir()
	g := garm{t, binary, filepath.Join(dir, "cloud"), filepath.Join(dir, "provider.toml"), filepath.Join(dir, "clouds.yaml")}
	g.write(g.config, strings.Replace(config, "CLOUDS", g.clouds, 1))
	g.write(g.clouds, clouds)
	return g
}

func (g garm) write(path, content string) {
	g.t.Helper()
	require.NoError(g.t, os.WriteFile(path, []byte(content), 0o600))
}

// call returns the exit code, what the provider printed and what it said of its failure.
func (g garm) call(command, instance, stdin string) (code int, stdout, stderr string) {
	g.t.Helper()
	cmd := exec.CommandContext(g.t.Context(), g.binary)
	cmd.Env = []string{
		"GARM_COMMAND=" + command, "GARM_CONTROLLER_ID=controller", "GARM_POOL_ID=pool", "GARM_INSTANCE_ID=" + instance,
		"GARM_PROVIDER_CONFIG_FILE=" + g.config, "CLOUD_DIR=" + g.dir,
	}
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		require.NoError(g.t, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), strings.TrimSpace(errs.String())
}

func (g garm) cloud() provider.Cloud {
	g.t.Helper()
	cloud, err := provider.Open(g.dir)
	require.NoError(g.t, err)
	return cloud
}

func bootstrap(name, extraSpecs string) string {
	return `{"name":"` + name + `","pool_id":"pool","image":"img","flavor":"m1","os_type":"linux","arch":"arm64",
	"repo_url":"https://github.com/acme","callback-url":"http://garm/api/v1/callbacks","metadata-url":"http://garm/api/v1/metadata",
	"instance-token":"token","jit_config_enabled":true,"extra_specs":` + extraSpecs + `,
	"tools":[{"os":"linux","architecture":"arm64","download_url":"https://github.com/runner.tar.gz","filename":"runner.tar.gz"}]}`
}

func TestMachineLives(t *testing.T) {
	g := newGARM(t)
	code, out, said := g.call("CreateInstance", "", bootstrap("m-1", `{"pre_install_scripts":{"10-a":"aGVsbG8="},"disable_updates":true}`))
	require.Zero(t, code, said)
	var created struct {
		ID string `json:"provider_id"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &created))

	instances, err := g.cloud().Instances()
	require.NoError(t, err)
	require.Len(t, instances, 1)
	m := instances[0]
	assert.Equal(t, "m-1", m.Name)
	assert.Equal(t, created.ID, m.ProviderID)
	assert.Equal(t, "running", m.Status)
	assert.Equal(t, "token", m.Bootstrap.InstanceToken)
	assert.Equal(t, "pool", m.Env["GARM_POOL_ID"])
	assert.Contains(t, m.Config, `cloud = "lab"`)
	assert.Equal(t, clouds, m.Clouds)
	scripts, err := m.Bootstrap.PreInstallScripts()
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"10-a": "hello"}, scripts)

	var init struct {
		PackageUpgrade bool     `yaml:"package_upgrade"`
		RunCmd         []string `yaml:"runcmd"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(m.UserData), &init))
	assert.False(t, init.PackageUpgrade)
	assert.Equal(t, []string{
		"/garm-pre-install/10-a", "rm -rf /garm-pre-install", "su -l -c /install_runner.sh runner", "rm -f /install_runner.sh",
	}, init.RunCmd)

	code, out, said = g.call("GetInstance", created.ID, "")
	require.Zero(t, code, said)
	assert.Contains(t, out, `"name":"m-1"`)
	code, _, said = g.call("StopInstance", "m-1", "")
	require.Zero(t, code, said)
	stopped, err := g.cloud().Instance("m-1")
	require.NoError(t, err)
	assert.Equal(t, "stopped", stopped.Status)
	code, out, said = g.call("ListInstances", "", "")
	require.Zero(t, code, said)
	assert.Contains(t, out, created.ID)

	for range 2 { // deleting twice is no error
		code, _, said = g.call("DeleteInstance", created.ID, "")
		require.Zero(t, code, said)
	}
	code, _, _ = g.call("GetInstance", "m-1", "")
	assert.Equal(t, 30, code, "garm-provider-common's exit code for what does not exist")
	_, err = g.cloud().Instance("m-1")
	require.ErrorIs(t, err, fs.ErrNotExist)
	deleted, err := g.cloud().Deleted()
	require.NoError(t, err)
	require.Len(t, deleted, 1)
	assert.Equal(t, "m-1", deleted[0].Name)
}

func TestRemoveAllInstances(t *testing.T) {
	g := newGARM(t)
	for _, name := range []string{"m-1", "m-2"} {
		code, _, said := g.call("CreateInstance", "", bootstrap(name, "{}"))
		require.Zero(t, code, said)
	}
	code, _, said := g.call("RemoveAllInstances", "", "")
	require.Zero(t, code, said)
	instances, err := g.cloud().Instances()
	require.NoError(t, err)
	assert.Empty(t, instances)
}

func TestRecordsAreTheOwnersAlone(t *testing.T) {
	g := newGARM(t)
	code, _, said := g.call("CreateInstance", "", bootstrap("m-1", "{}"))
	require.Zero(t, code, said)
	require.NoError(t, filepath.WalkDir(g.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			assert.Zero(t, info.Mode().Perm()&0o077, path)
		}
		return err
	}))
}

func TestRefusals(t *testing.T) {
	tests := map[string]struct {
		config, clouds string // replacements "old=>new"
		specs          string
		want           string
	}{
		"no cloud":           {config: `cloud = "lab"=>`, want: "missing cloud"},
		"no network":         {config: `network_id = "net"=>`, want: "missing network_id"},
		"no credentials":     {config: `clouds = "=>x = "`, want: "unknown key credentials.x"},
		"unknown key":        {config: `use_config_drive=>config_drive`, want: "unknown key config_drive"},
		"not TOML":           {config: `"net"=>net`, want: "cannot read"},
		"no clouds file":     {config: `clouds.yaml=>nowhere.yaml`, want: "no such file"},
		"another cloud":      {clouds: `  lab:=>  other:`, want: `cloud "lab" is not in it`},
		"no password":        {clouds: `password=>passwort`, want: `cloud "lab" has no auth.password`},
		"no region":          {clouds: `region_name=>regio`, want: `cloud "lab" has no region_name`},
		"not a URL":          {clouds: `https://=>ftp://`, want: "not an http(s) URL"},
		"not YAML":           {clouds: `"pass:word#1"=>"pass`, want: "cannot parse it as YAML"},
		"unknown extra spec": {specs: `{"volume_type":"ssd"}`, want: `unknown field "volume_type"`},
		"script not base64":  {specs: `{"pre_install_scripts":{"a":"echo hello"}}`, want: "illegal base64"},
		"too large":          {specs: `{"pre_install_scripts":{"a":"` + strings.Repeat("AAAA", 12000) + `"}}`, want: "user data too large"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := newGARM(t)
			replaceIn(t, g.config, test.config)
			replaceIn(t, g.clouds, test.clouds)
			specs := test.specs
			if specs == "" {
				specs = "{}"
			}
			code, _, said := g.call("CreateInstance", "", bootstrap("m-1", specs))
			assert.Equal(t, 1, code)
			assert.Contains(t, said, test.want)
			assert.NotContains(t, said, "pass:word")
			calls, err := g.cloud().Calls()
			require.NoError(t, err)
			require.Len(t, calls, 1)
			assert.Equal(t, "CreateInstance", calls[0].Command)
			assert.Equal(t, said, calls[0].Error)
			instances, err := g.cloud().Instances()
			require.NoError(t, err)
			assert.Empty(t, instances)
		})
	}
}

func replaceIn(t *testing.T, path, change string) {
	t.Helper()
	old, replacement, _ := strings.Cut(change, "=>")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(raw), old)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(raw), old, replacement, 1)), 0o600))
}

func TestFaults(t *testing.T) {
	g := newGARM(t)
	require.NoError(t, g.cloud().SetFaults(map[string]provider.Fault{
		"CreateInstance": {Message: "no valid host was found"},
		"ListInstances":  {Delay: 200 * time.Millisecond},
	}))
	code, _, said := g.call("CreateInstance", "", bootstrap("m-1", "{}"))
	assert.Equal(t, 1, code)
	assert.Equal(t, "no valid host was found", said)

	start := time.Now()
	code, out, said := g.call("ListInstances", "", "")
	assert.Zero(t, code, said)
	assert.Equal(t, "[]", out)
	assert.GreaterOrEqual(t, time.Since(start), 200*time.Millisecond)

	require.NoError(t, g.cloud().SetFaults(nil))
	code, _, said = g.call("CreateInstance", "", bootstrap("m-1", "{}"))
	assert.Zero(t, code, said)
	calls, err := g.cloud().Calls()
	require.NoError(t, err)
	require.Len(t, calls, 3)
	assert.Equal(t, "no valid host was found", calls[0].Error)
	assert.Equal(t, provider.Call{Time: calls[2].Time, Command: "CreateInstance", Pool: "pool", Instance: "m-1"}, calls[2])
}
