package github_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/github"
	"github.com/garm-charms/garm-charms/tests/parts"
	"github.com/garm-charms/garm-charms/tests/provider"
	"github.com/garm-charms/garm-charms/tests/sandbox"
)

// bed is the real GARM in its image, on a host of its own whose /etc/hosts says that github.com is the simulator.
type bed struct {
	client // of the simulator, as any host

	cloud provider.Cloud
	key   *rsa.PrivateKey // of app 42, installation 7
	api   string          // GARM's
	token string
	log   *bytes.Buffer
}

const garmConfig = `
[logging]
log_level = "debug"
[metrics]
enable = true
disable_auth = true
[jwt_auth]
secret = "tYq8Zr2Wx5Vb7Nm3Kp9Ls4Hd6Gf1Jc0Q"
time_to_live = "8760h"
[apiserver]
bind = "0.0.0.0"
port = 8080
use_tls = false
[database]
backend = "sqlite3"
passphrase = "tYq8Zr2Wx5Vb7Nm3Kp9Ls4Hd6Gf1Jc0Q"
[database.sqlite3]
db_file = "/var/lib/garm/garm.db"
[[provider]]
name = "lab"
provider_type = "external"
[provider.external]
config_file = "/etc/garm/provider.toml"
provider_executable = "/opt/garm/providers.d/garm-provider-openstack"
`

// enterpriseServer is another name of the simulator.
const enterpriseServer = "ghes.example.test"

const providerConfig = `
cloud = "lab"
network_id = "net"
use_config_drive = true
[credentials]
clouds = "/etc/garm/clouds.yaml"
`

const cloudsConfig = `
clouds:
  lab:
    region_name: RegionOne
    auth: {auth_url: "https://keystone.test", username: u, password: p, project_name: p, user_domain_name: d, project_domain_name: d}
`

// newBed starts everything and takes GARM to where it knows the app's credentials (id 1) and answers every route. The
// number keeps the networks of tests apart.
func newBed(t *testing.T, number int) *bed {
	t.Helper()
	server, err := github.New(github.Options{})
	require.NoError(t, err)
	require.NoError(t, server.AddEntity(github.Organization("acme"), "big"))
	require.NoError(t, server.AddEntity(github.Repository("acme", "widgets")))
	key := newKey(t)
	server.AddApp(42, 7, &key.PublicKey)

	network, err := sandbox.NewNetwork(t.TempDir(), number)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, network.Close()) })
	b := &bed{client: newClient(t, server, serveOn(t, server, network)), key: key, log: &bytes.Buffer{}}
	b.cloud, err = provider.Open(filepath.Join(t.TempDir(), "cloud"))
	require.NoError(t, err)
	b.startGARM(network)
	b.setUp()
	return b
}

func serveOn(t *testing.T, server *github.Server, network *sandbox.Network) (addr string) {
	t.Helper()
	for _, name := range append(github.Names(), enterpriseServer) {
		require.NoError(t, network.SetName(name, network.Gateway()))
	}
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(network.Gateway(), 443)))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
	})
	return listener.Addr().String()
}

func (b *bed) startGARM(network *sandbox.Network) {
	b.t.Helper()
	dir := b.t.TempDir()
	image, etc, data := filepath.Join(dir, "image"), filepath.Join(dir, "etc"), filepath.Join(dir, "data")
	require.NoError(b.t, parts.Image(b.t.Context(), parts.Upstream, image, b.server.CA()))
	require.NoError(b.t, os.MkdirAll(data, 0o700))
	require.NoError(b.t, os.MkdirAll(etc, 0o700))
	for name, content := range map[string]string{"config.toml": garmConfig, "provider.toml": providerConfig, "clouds.yaml": cloudsConfig} {
		require.NoError(b.t, os.WriteFile(filepath.Join(etc, name), []byte(content), 0o600))
	}
	host, err := network.AddHost("garm")
	require.NoError(b.t, err)
	b.t.Cleanup(func() { assert.NoError(b.t, host.Close()) })
	ctx, stop := context.WithCancel(context.WithoutCancel(b.t.Context()))
	cmd := sandbox.Command(ctx, sandbox.Spec{
		Lower: image, Host: host, Hostname: "garm", PIDs: true,
		Binds: []sandbox.Bind{
			{Source: etc, Target: "/etc/garm", ReadOnly: true},
			{Source: data, Target: "/var/lib/garm"},
			{Source: b.cloud.Dir(), Target: "/cloud"},
		},
	}, "/bin/garm", "--config", "/etc/garm/config.toml")
	cmd.Env = []string{}
	cmd.Stdout, cmd.Stderr = b.log, b.log
	require.NoError(b.t, cmd.Start())
	b.t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was killed
		if b.t.Failed() {
			b.t.Logf("GARM's log:\n%s", b.log)
		}
	})
	b.api = fmt.Sprintf("http://%s/api/v1", netip.AddrPortFrom(host.Addr(), 8080))
}

func (b *bed) setUp() {
	b.t.Helper()
	user := `"username":"admin","password":"correct-horse-battery-staple"`
	require.Eventually(b.t, func() bool {
		return b.garm("POST", "/first-run", `{`+user+`,"email":"admin@example.com","full_name":"Admin"}`, nil) == 200
	}, 30*time.Second, 100*time.Millisecond)
	var login struct{ Token string }
	require.Equal(b.t, 200, b.garm("POST", "/auth/login", `{`+user+`}`, &login))
	b.token = login.Token
	require.Equal(b.t, 200, b.garm("PUT", "/controller", fmt.Sprintf(
		`{"metadata_url":"%[1]s/metadata","callback_url":"%[1]s/callbacks","webhook_url":"%[1]s/webhooks","agent_url":"%[1]s/agent"}`, b.api), nil))
	require.Equal(b.t, 200, b.garm("POST", "/github/credentials", b.credentials("app", b.key), nil))
}

func (b *bed) credentials(name string, key *rsa.PrivateKey) string {
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return fmt.Sprintf(`{"name":%q,"description":"-","endpoint":"github.com","auth_type":"app","app":{"app_id":42,"installation_id":7,"private_key_bytes":%q}}`,
		name, base64.StdEncoding.EncodeToString(text))
}

// garm calls GARM's API as the administrator and returns the status, 0 when GARM cannot be reached.
func (b *bed) garm(method, path, body string, answer any) int {
	b.t.Helper()
	status, raw := b.asToken(b.token, method, b.api+path, body)
	if answer != nil && status == 200 {
		require.NoError(b.t, json.Unmarshal(raw, answer), "%s %s: %s", method, path, raw)
	}
	return status
}

func (b *bed) asToken(token, method, url, body string) (status int, answer []byte) {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), method, url, bytes.NewBufferString(body))
	require.NoError(b.t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Timeout: 20 * time.Second}).Do(request)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = response.Body.Close() }()
	answer, err = io.ReadAll(response.Body)
	require.NoError(b.t, err)
	return response.StatusCode, answer
}

// add makes an entity with the credentials, and a scale set of it, and returns the scale set's id in GARM.
func (b *bed) add(path, entity, scaleSet string) (id int) {
	b.t.Helper()
	var made struct{ ID string }
	require.Equal(b.t, 200, b.garm("POST", path, entity, &made))
	var set struct{ ID int }
	require.Equal(b.t, 200, b.garm("POST", path+"/"+made.ID+"/scalesets", scaleSet, &set))
	return set.ID
}

func scaleSet(name string, idle, most int) string {
	return fmt.Sprintf(`{"name":%q,"provider_name":"lab","image":"img","flavor":"m1","os_type":"linux","os_arch":"amd64","enabled":true,
		"min_idle_runners":%d,"max_runners":%d,"labels":["x64"],"extra_specs":{"disable_updates":true}}`, name, idle, most)
}

// instances waits until the cloud has so many machines and returns them.
func (b *bed) instances(number int) []provider.Instance {
	b.t.Helper()
	var list []provider.Instance
	require.Eventually(b.t, func() bool {
		var err error
		list, err = b.cloud.Instances()
		require.NoError(b.t, err)
		return len(list) == number
	}, time.Minute, 100*time.Millisecond, "wanted %d machines", number)
	return list
}
