package github_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/github"
)

// client speaks to a server under any host name.
type client struct {
	t      *testing.T
	server *github.Server
	addr   string
	http   *http.Client
	room   string // runners it may have, as it says when it waits for messages
}

// serve starts a server on loopback with an organisation, a repository of it and an enterprise, all named acme or widgets.
func serve(t *testing.T, options github.Options) client {
	t.Helper()
	server, err := github.New(options)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
	})
	require.NoError(t, server.AddEntity(github.Organization("Acme"), "big"))
	require.NoError(t, server.AddEntity(github.Repository("Acme", "Widgets")))
	require.NoError(t, server.AddEntity(github.Enterprise("acme")))
	server.AddToken("pat")
	return newClient(t, server, listener.Addr().String())
}

func newClient(t *testing.T, server *github.Server, addr string) client {
	t.Helper()
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(server.CA()))
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return client{t, server, addr, &http.Client{Transport: transport, Timeout: 20 * time.Second}, "1"}
}

// do makes a request and decodes the answer's JSON into answer, unless that is nil. It returns the status, 0 when the
// connection broke.
func (c client) do(method, url, token, body string, answer any) int {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, url, strings.NewReader(body))
	require.NoError(c.t, err)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	request.Header.Set("X-ScaleSetMaxCapacity", c.room)
	response, err := c.http.Do(request)
	if err != nil {
		return 0
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	if answer != nil {
		require.NoError(c.t, json.Unmarshal(raw, answer), "%s %s: %s", method, url, raw)
	}
	return response.StatusCode
}

// tenant is an entity's address in the Actions service, and a token for it.
type tenant struct {
	client
	URL   string `json:"url"`
	Token string `json:"token"`
}

// register does what a runner or GARM does to reach the Actions service.
func (c client) register(api, entity, forgeURL string) tenant {
	c.t.Helper()
	registration := struct{ Token string }{}
	require.Equal(c.t, http.StatusCreated, c.do("POST", api+"/"+entity+"/actions/runners/registration-token", "pat", "", &registration))
	answer := tenant{client: c}
	at := strings.TrimSuffix(api, "/api/v3") + "/actions/runner-registration"
	require.Equal(c.t, http.StatusOK, c.do("POST", at, registration.Token, `{"url":"`+forgeURL+`","runner_event":"register"}`, &answer))
	return answer
}

// call makes a request below _apis, and returns the status.
func (e tenant) call(method, path, body string, answer any) int {
	e.t.Helper()
	return e.do(method, e.URL+"_apis/"+path, e.Token, body, answer)
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

// appToken signs an app's token as GitHub documents it.
func appToken(t *testing.T, key *rsa.PrivateKey, issuer any, issued, expires time.Time) string {
	t.Helper()
	encode := func(value any) string {
		raw, err := json.Marshal(value)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	signed := encode(map[string]string{"alg": "RS256", "typ": "JWT"}) + "." +
		encode(map[string]any{"iss": issuer, "iat": issued.Unix(), "exp": expires.Unix()})
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	require.NoError(t, err)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// decodeBase64JSON reads the form that a just-in-time configuration comes in.
func decodeBase64JSON(t *testing.T, text string, value any) {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(bytes.NewReader(raw)).Decode(value))
}
