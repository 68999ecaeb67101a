package runner_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/parts"
	"github.com/garm-charms/garm-charms/tests/provider"
	"github.com/garm-charms/garm-charms/tests/runner"
	"github.com/garm-charms/garm-charms/tests/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Init()
	if code, inside := sandbox.World(); !inside {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// site is the world around a runner: a network with GARM's side of a boot, a proxy, and a web server on a host of its own.
type site struct {
	t       *testing.T
	network *sandbox.Network
	web     *sandbox.Host
	jit     bool
	agent   bool
	script  []byte // what the runner fetches

	mu       sync.Mutex
	statuses []string
	proxied  []string
	users    []string // that the proxy was told
}

// foreign is an address that nothing answers at: what arrives anywhere from it came through the proxy.
const foreign = "198.51.100.9"

// newSite makes the network of that number, which no other test has.
func newSite(t *testing.T, number int, jit bool) *site {
	t.Helper()
	s := &site{t: t, jit: jit}
	var err error
	s.network, err = sandbox.NewNetwork(t.TempDir(), number)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.network.Close()) })
	s.web, err = s.network.AddHost("web.test")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.web.Close()) })
	direct := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "direct") })
	require.NoError(t, s.web.Do(func() error { s.serve(":80", direct); return nil }))
	gateway := s.network.Gateway()
	require.NoError(t, s.network.SetName("garm.test", gateway))
	require.NoError(t, s.network.SetName("proxy.test", gateway))
	s.serve(gateway.String()+":80", s.garm())
	s.serve(gateway.String()+":3128", http.HandlerFunc(s.proxy))
	return s
}

func (s *site) serve(address string, h http.Handler) {
	s.t.Helper()
	listener, err := net.Listen("tcp", address)
	require.NoError(s.t, err)
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(listener) }() // it ends when the test closes it
	s.t.Cleanup(func() { assert.NoError(s.t, server.Close()) })
}

// behindProxy leaves the proxy as the only way to GARM.
func (s *site) behindProxy() {
	s.t.Helper()
	require.NoError(s.t, s.network.SetName("garm.test", netip.MustParseAddr(foreign)))
}

// proxy connects to GARM when it is asked for that, and plays any other server itself.
func (s *site) proxy(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
		return
	}
	s.mu.Lock()
	s.proxied = append(s.proxied, r.Host)
	s.users = append(s.users, account(r))
	s.mu.Unlock()
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer client.Close()
	_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n") // like all that is written here, the machine misses it when it fails
	if r.Host != "garm.test:80" {
		_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\nby the proxy")
		return
	}
	up, err := net.Dial("tcp", s.network.Gateway().String()+":80")
	if err != nil {
		return
	}
	defer up.Close()
	go func() { _, _ = io.Copy(up, client) }()
	_, _ = io.Copy(client, up)
}

// account is who a client of the proxy says it is.
func account(r *http.Request) string {
	asked := &http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
	user, password, _ := asked.BasicAuth()
	return user + ":" + password
}

func (s *site) accounts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.users...)
}

// garm answers what a runner asks for while it boots (GARM apiserver/routers/routers.go).
func (s *site) garm() http.Handler {
	mux := http.NewServeMux()
	text := func(path, content string) {
		mux.HandleFunc("GET /api/v1/metadata/"+path, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, content) })
	}
	text("credentials/runner", `{"agentId": 5}`)
	text("credentials/credentials", "{}")
	text("credentials/credentials_rsaparams", "{}")
	text("system/service-name", "actions.runner.acme")
	text("runner-registration-token/", "registration-token")
	text("systemd/unit-file", "[Service]\nExecStart=/home/runner/actions-runner/runsvc.sh\nUser=runner\nWorkingDirectory=/home/runner/actions-runner\n")
	mux.HandleFunc("GET /api/v1/metadata/install-script/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer instance-token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write(s.script)
	})
	mux.HandleFunc("POST /api/v1/callbacks/status", func(_ http.ResponseWriter, r *http.Request) {
		var status struct{ Status, Message string }
		if json.NewDecoder(r.Body).Decode(&status) != nil {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.statuses = append(s.statuses, status.Status+": "+status.Message)
	})
	mux.HandleFunc("POST /api/v1/callbacks/system-info/", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /garm-agent", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "#!/bin/bash\nexec /bin/bash -C /home/runner/actions-runner/run.sh\n") // as its configuration says
	})
	mux.HandleFunc("GET /runner.tar.gz", func(w http.ResponseWriter, _ *http.Request) {
		archive, err := runner.Tarball()
		if err == nil {
			_, err = w.Write(archive)
		}
		assert.NoError(s.t, err)
	})
	return mux
}

func (s *site) said() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.statuses...)
}

func (s *site) throughProxy() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.proxied...)
}

// options are those of pkg/bootstrap.
type options map[string]any

// userData renders what the charm would give to GARM, takes GARM's part of it, and has the provider make the user data.
func (s *site) userData(o options, custom map[string]string) []byte {
	s.t.Helper()
	base := garmFile(s.t, "github_linux_userdata.tmpl")
	got := render(s.t, []request{{Base: base, Options: o, Custom: custom}})[0]
	s.script = execute(s.t, string(got.Template), s.installContext())
	wrapper := execute(s.t, string(garmFile(s.t, "linux_wrapper.tmpl")), map[string]any{
		"MetadataURL": "http://garm.test/api/v1/metadata", "CallbackToken": "instance-token",
	})
	return cloudUserData(s.t, map[string]any{
		"runner_install_template": wrapper, "pre_install_scripts": got.PreInstall, "disable_updates": true,
	})
}

// installContext is what GARM executes an install template with.
func (s *site) installContext() map[string]any {
	return map[string]any{
		"FileName": "runner.tar.gz", "DownloadURL": "http://garm.test/runner.tar.gz", "TempDownloadToken": "",
		"RunnerUsername": "runner", "RunnerGroup": "runner", "RunnerName": "runner-1", "RunnerLabels": "label",
		"RepoURL": "https://github.test/acme", "GitHubRunnerGroup": "",
		"MetadataURL": "http://garm.test/api/v1/metadata", "CallbackURL": "http://garm.test/api/v1/callbacks",
		"CallbackToken": "instance-token", "EnableBootDebug": false, "UseJITConfig": s.jit, "AgentMode": s.agent,
		"AgentDownloadURL": "http://garm.test/garm-agent", "AgentURL": "ws://garm.test/agent", "AgentToken": "agent-token", "AgentShell": "false",
	}
}

// request is one scale set for testdata/render, rendered is what comes of it.
type request struct {
	Base    []byte
	Options options
	Custom  map[string]string
}

type rendered struct {
	Template   []byte
	PreInstall map[string][]byte
}

// render runs pkg/bootstrap, in its own module.
func render(t *testing.T, requests []request) []rendered {
	t.Helper()
	var in, stderr bytes.Buffer
	for _, r := range requests {
		require.NoError(t, json.NewEncoder(&in).Encode(r))
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", "-C", "../..", "./tests/runner/testdata/render/main.go")
	cmd.Stdin, cmd.Stderr = &in, &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	decoder := json.NewDecoder(bytes.NewReader(out))
	var list []rendered
	for range requests {
		var r rendered
		require.NoError(t, decoder.Decode(&r))
		list = append(list, r)
	}
	return list
}

// garmFile is a file of GARM's own module.
func garmFile(t *testing.T, name string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-C", "../tools", "-m", "-f", "{{.Dir}}", "github.com/cloudbase/garm")
	dir, err := cmd.Output()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "internal/templates/userdata", name))
	require.NoError(t, err)
	return text
}

func execute(t *testing.T, text string, data map[string]any) []byte {
	t.Helper()
	parsed, err := template.New("").Option("missingkey=error").Parse(text)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, parsed.Execute(&out, data))
	return out.Bytes()
}

// cloudUserData is what the test cloud's provider boots a machine with.
func cloudUserData(t *testing.T, specs map[string]any) []byte {
	t.Helper()
	binary, err := parts.Provider(t.Context())
	require.NoError(t, err)
	dir := t.TempDir()
	config, clouds := filepath.Join(dir, "provider.toml"), filepath.Join(dir, "clouds.yaml")
	require.NoError(t, os.WriteFile(config, []byte("cloud = \"lab\"\nnetwork_id = \"net\"\n[credentials]\nclouds = \""+clouds+"\"\n"), 0o600))
	require.NoError(t, os.WriteFile(clouds, []byte("clouds: {lab: {auth: {auth_url: https://keystone.test, username: u, password: p,"+
		" project_name: p, user_domain_name: d, project_domain_name: d}, region_name: r}}\n"), 0o600))
	call, err := json.Marshal(map[string]any{
		"name": "runner-1", "pool_id": "pool", "image": "img", "flavor": "m1", "os_type": "linux", "arch": "amd64",
		"repo_url": "https://github.test/acme", "callback-url": "http://garm.test/api/v1/callbacks",
		"metadata-url": "http://garm.test/api/v1/metadata", "instance-token": "instance-token", "jit_config_enabled": true,
		"extra_specs": specs,
		"tools": []map[string]string{{
			"os": "linux", "architecture": "x64", "filename": "runner.tar.gz",
			"download_url": "http://garm.test/runner.tar.gz",
		}},
	})
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = []string{
		"GARM_COMMAND=CreateInstance", "GARM_CONTROLLER_ID=controller", "GARM_POOL_ID=pool",
		"GARM_PROVIDER_CONFIG_FILE=" + config, "CLOUD_DIR=" + filepath.Join(dir, "cloud"),
	}
	cmd.Stdin = bytes.NewReader(call)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	cloud, err := provider.Open(filepath.Join(dir, "cloud"))
	require.NoError(t, err)
	instance, err := cloud.Instance("runner-1")
	require.NoError(t, err)
	return []byte(instance.UserData)
}

// boot boots a machine of the site, which ends with the test.
func (s *site) boot(c runner.Config) *runner.Machine {
	s.t.Helper()
	c.Network, c.Name = s.network, "runner-1"
	if c.Dir == "" {
		c.Dir = s.t.TempDir()
	}
	// A runner that cannot reach GARM tries for long.
	ctx, cancel := context.WithTimeout(s.t.Context(), 3*time.Minute)
	defer cancel()
	m, err := runner.Boot(ctx, c)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { assert.NoError(s.t, m.Close()) })
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Logf("console:\n%s", m.Log())
		}
	})
	return m
}

// get is what a program on the machine gets from a URL.
func get(ctx context.Context, t *testing.T, m *runner.Machine, url string) string {
	t.Helper()
	out, err := m.Command(ctx, "runner", "curl", "--silent", "--show-error", "--max-time", "30", url).CombinedOutput()
	if err != nil {
		return strings.TrimSpace(string(out)) + ": " + err.Error()
	}
	return string(out)
}
