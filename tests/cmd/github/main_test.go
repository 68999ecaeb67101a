package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// program is a running simulator.
type program struct {
	t       *testing.T
	control string
	forge   *http.Client // reaches it under any name
}

func start(t *testing.T) program {
	t.Helper()
	certs := t.TempDir()
	said, out := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-listen", "127.0.0.1:0", "-control", "127.0.0.1:0", "-certs", certs}, out)
	}()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
	})
	line := make([]byte, 256)
	n, err := said.Read(line)
	require.NoError(t, err)
	found := regexp.MustCompile(`^GitHub: (\S+)\ncontrol: (\S+)\n$`).FindStringSubmatch(string(line[:n]))
	require.Len(t, found, 3)

	ca, err := os.ReadFile(filepath.Join(certs, "ca.pem"))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(ca))
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, found[1])
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return program{t, found[2], &http.Client{Transport: transport, Timeout: 10 * time.Second}}
}

// do makes a control request and returns what it was answered.
func (p program) do(method, path, body string) (status int, answer string) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), method, p.control+path, strings.NewReader(body))
	require.NoError(p.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(p.t, err)
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	require.NoError(p.t, err)
	return response.StatusCode, strings.TrimSpace(string(raw))
}

func (p program) ok(method, path, body string) string {
	p.t.Helper()
	status, answer := p.do(method, path, body)
	require.Equal(p.t, 200, status, answer)
	return answer
}

// onGitHub makes a request of the forge and returns its status and what it was answered.
func (p program) onGitHub(method, url, token, body string) (int, string) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), method, url, strings.NewReader(body))
	require.NoError(p.t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := p.forge.Do(request)
	require.NoError(p.t, err)
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	require.NoError(p.t, err)
	return response.StatusCode, string(raw)
}

func TestControl(t *testing.T) {
	p := start(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&key.PublicKey)})
	app, err := json.Marshal(map[string]any{"app_id": 42, "installation_id": 7, "key": string(text)})
	require.NoError(t, err)
	p.ok("POST", "/apps", string(app))
	p.ok("POST", "/tokens", `{"token":"pat"}`)
	p.ok("POST", "/entities", `{"entity":"orgs/acme","runner_groups":["big"]}`)
	p.ok("POST", "/runner?version=3.2.1", "archive")
	assert.Contains(t, p.ok("GET", "/ca", ""), "BEGIN CERTIFICATE")

	const runners = "https://api.github.com/orgs/acme/actions/runners"
	_, answer := p.onGitHub("GET", runners+"/downloads", "pat", "")
	assert.Contains(t, answer, "actions-runner-linux-arm64-3.2.1.tar.gz")
	p.ok("POST", "/faults", `{"path":"/runners$","status":503,"delay_ms":1}`)
	status, _ := p.onGitHub("GET", runners, "pat", "")
	assert.Equal(t, 503, status)
	p.ok("DELETE", "/faults", "")
	status, _ = p.onGitHub("GET", runners, "pat", "")
	assert.Equal(t, 200, status)
	assert.Contains(t, p.ok("GET", "/requests", ""), `"status":503`)

	id := p.scaleSet()
	assert.Contains(t, p.ok("GET", "/requests?mutating=true", ""), `"method":"POST"`)
	assert.Contains(t, p.ok("GET", "/scalesets?entity=orgs/acme", ""), `"name":"small"`)
	assert.Equal(t, "[]", p.ok("GET", "/scalesets?entity=orgs/other", ""))
	assert.Equal(t, "[]", p.ok("GET", "/runners", ""))
	assert.Equal(t, "[]", p.ok("GET", "/sessions", ""))
	p.ok("DELETE", "/sessions", "")
	p.ok("DELETE", fmt.Sprintf("/scalesets/%d", id), "")
	assert.Equal(t, "[]", p.ok("GET", "/scalesets", ""))

	var job struct{ ID int }
	require.NoError(t, json.Unmarshal([]byte(p.ok("POST", "/jobs", `{"repository":"repos/acme/widgets","name":"build","labels":["small"]}`)), &job))
	assert.Contains(t, p.ok("GET", "/jobs", ""), `"state":"queued"`)
	p.ok("POST", fmt.Sprintf("/jobs/%d", job.ID), `{"result":"canceled"}`)
	assert.Contains(t, p.ok("GET", "/jobs", ""), `"result":"canceled"`)
}

// scaleSet makes one on GitHub and returns its id.
func (p program) scaleSet() (id int) {
	p.t.Helper()
	var token, tenant struct{ Token, URL string }
	_, answer := p.onGitHub("POST", "https://api.github.com/orgs/acme/actions/runners/registration-token", "pat", "")
	require.NoError(p.t, json.Unmarshal([]byte(answer), &token))
	_, answer = p.onGitHub("POST", "https://api.github.com/actions/runner-registration", token.Token, `{"url":"https://github.com/acme"}`)
	require.NoError(p.t, json.Unmarshal([]byte(answer), &tenant))
	var set struct{ ID int }
	_, answer = p.onGitHub("POST", tenant.URL+"_apis/runtime/runnerscalesets", tenant.Token, `{"name":"small","labels":[{"name":"small"}]}`)
	require.NoError(p.t, json.Unmarshal([]byte(answer), &set))
	return set.ID
}

func TestControlRefuses(t *testing.T) {
	p := start(t)
	for _, test := range []struct{ request, want string }{
		{`POST /entities {"entity":"acme"}`, `cannot use "acme" as an entity`},
		{`POST /entities {"entitie":"orgs/acme"}`, `unknown field "entitie"`},
		{`POST /apps {"app_id":1,"installation_id":1,"key":""}`, "cannot read RSA key"},
		{`POST /tokens {}`, "it is empty"},
		{`POST /runner archive`, "want ?version="},
		{`POST /faults {"path":"("}`, "cannot match requests"},
		{`DELETE /scalesets/1 -`, "there is none"},
		{`POST /runners {"entity":"orgs/acme","name":"r","online":true}`, "cannot find runner r"},
		{`POST /jobs {"repository":"orgs/acme","name":"build"}`, "not a repository"},
		{`POST /jobs/take {"entity":"orgs/acme","name":"r"}`, "cannot find runner r"},
		{`POST /jobs/1 {"result":"succeeded"}`, "there is none"},
	} {
		parts := strings.SplitN(test.request, " ", 3)
		status, answer := p.do(parts[0], parts[1], parts[2])
		assert.Equal(t, 400, status, test.request)
		assert.Contains(t, answer, test.want, test.request)
	}
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	certs := t.TempDir()
	assert.ErrorContains(t, run(t.Context(), []string{"-certs", filepath.Join(certs, "none")}, io.Discard), "cannot write the certificate")
	assert.ErrorContains(t, run(t.Context(), []string{"-certs", certs, "-listen", "nowhere:x"}, io.Discard), "cannot be GitHub")
	assert.ErrorContains(t, run(t.Context(), []string{"-certs", certs, "-listen", "127.0.0.1:0", "-control", "nowhere:x"}, io.Discard), "cannot open the control API")
}
