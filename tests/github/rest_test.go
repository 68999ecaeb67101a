package github_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/github"
)

const api = "https://api.github.com"

func TestAppTokens(t *testing.T) {
	c := serve(t, github.Options{})
	key, other := newKey(t), newKey(t)
	c.server.AddApp(42, 7, &key.PublicKey)
	now := time.Now()
	soon := now.Add(2 * time.Minute)
	tests := map[string]struct {
		token        string
		installation string
		status       int
		message      string
	}{
		"good":                   {appToken(t, key, "42", now, soon), "7", 201, ""},
		"issuer is a number":     {appToken(t, key, 42, now, soon), "7", 201, ""},
		"signed by another key":  {appToken(t, other, "42", now, soon), "7", 401, "A JSON web token could not be decoded"},
		"no token at all":        {"pat", "7", 401, "A JSON web token could not be decoded"},
		"unknown app":            {appToken(t, key, "43", now, soon), "7", 404, "Integration not found"},
		"issuer is no number":    {appToken(t, key, "acme", now, soon), "7", 401, "'Issuer' claim ('iss') must be an Integer"},
		"unknown installation":   {appToken(t, key, "42", now, soon), "8", 404, "Not Found"},
		"expired":                {appToken(t, key, "42", now.Add(-time.Hour), now.Add(-time.Minute)), "7", 401, "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires"},
		"good for too long":      {appToken(t, key, "42", now, now.Add(time.Hour)), "7", 401, "'Expiration time' claim ('exp') is too far in the future"},
		"issued in the future":   {appToken(t, key, "42", now.Add(time.Minute), soon), "7", 401, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"},
		"not a number in a path": {appToken(t, key, "42", now, soon), "x", 404, "Not Found"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var answer struct{ Message, Token string }
			status := c.do("POST", api+"/app/installations/"+test.installation+"/access_tokens", test.token, "", &answer)
			assert.Equal(t, test.status, status)
			assert.Equal(t, test.message, answer.Message)
			if test.status == http.StatusCreated {
				assert.Equal(t, http.StatusOK, c.do("GET", api+"/orgs/acme/actions/runners", answer.Token, "", nil))
				assert.Equal(t, http.StatusForbidden, c.do("GET", api+"/enterprises/acme/actions/runners", answer.Token, "", nil))
			}
		})
	}

	t.Run("key replaced", func(t *testing.T) {
		c.server.AddApp(42, 7, &other.PublicKey)
		at := api + "/app/installations/7/access_tokens"
		assert.Equal(t, http.StatusUnauthorized, c.do("POST", at, appToken(t, key, "42", now, soon), "", nil))
		assert.Equal(t, http.StatusCreated, c.do("POST", at, appToken(t, other, "42", now, soon), "", nil))
	})
}

func TestPublicKey(t *testing.T) {
	key := newKey(t)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	pkix, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	for name, der := range map[string][]byte{
		"RSA PRIVATE KEY": x509.MarshalPKCS1PrivateKey(key), "PRIVATE KEY": pkcs8,
		"RSA PUBLIC KEY": x509.MarshalPKCS1PublicKey(&key.PublicKey), "PUBLIC KEY": pkix,
	} {
		got, err := github.PublicKey(pem.EncodeToMemory(&pem.Block{Type: name, Bytes: der}))
		require.NoError(t, err, name)
		assert.True(t, key.PublicKey.Equal(got), name)
	}
	_, err = github.PublicKey([]byte("no"))
	assert.EqualError(t, err, "cannot read RSA key: not PEM")
}

func TestWhoSeesWhat(t *testing.T) {
	c := serve(t, github.Options{})
	tests := map[string]struct {
		url, token string
		status     int
	}{
		"organisation":            {api + "/orgs/ACME/actions/runners", "pat", 200},
		"repository":              {api + "/repos/acme/widgets/actions/runners", "pat", 200},
		"enterprise":              {api + "/enterprises/acme/actions/runners", "pat", 200},
		"rate limit":              {api + "/rate_limit", "pat", 200},
		"enterprise server":       {"https://ghes.example.test/api/v3/orgs/acme/actions/runners", "pat", 200},
		"no API at its root":      {"https://ghes.example.test/orgs/acme/actions/runners", "pat", 404},
		"no API on the site":      {"https://github.com/orgs/acme/actions/runners", "pat", 404},
		"unknown organisation":    {api + "/orgs/other/actions/runners", "pat", 404},
		"unknown repository":      {api + "/repos/acme/gadgets/actions/runners", "pat", 404},
		"unknown enterprise":      {api + "/enterprises/other/actions/runners", "pat", 404},
		"repository has no group": {api + "/repos/acme/widgets/actions/runner-groups", "pat", 404},
		"bad token":               {api + "/orgs/acme/actions/runners", "tap", 401},
		"no token":                {api + "/orgs/acme/actions/runners", "", 401},
		"rate limit, bad token":   {api + "/rate_limit", "tap", 401},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.status, c.do("GET", test.url, test.token, "", nil))
		})
	}
}

func TestRunnerGroups(t *testing.T) {
	c := serve(t, github.Options{})
	var answer struct {
		Count  int `json:"total_count"`
		Groups []struct {
			ID   int
			Name string
		} `json:"runner_groups"`
	}
	require.Equal(t, 200, c.do("GET", api+"/orgs/acme/actions/runner-groups?per_page=1&page=2", "pat", "", &answer))
	assert.Equal(t, 2, answer.Count)
	require.Len(t, answer.Groups, 1)
	assert.Equal(t, "big", answer.Groups[0].Name)
	assert.Error(t, c.server.AddEntity(github.Repository("acme", "widgets"), "big"))
	assert.Error(t, c.server.AddEntity("acme"))
}

func TestRunnerDownload(t *testing.T) {
	var archive bytes.Buffer
	compressed := gzip.NewWriter(&archive)
	files := tar.NewWriter(compressed)
	require.NoError(t, files.WriteHeader(&tar.Header{Name: "bin/runsvc.sh", Mode: 0o755}))
	require.NoError(t, files.Close())
	require.NoError(t, compressed.Close())
	sum := sha256.Sum256(archive.Bytes())

	c := serve(t, github.Options{})
	c.server.SetRunner("3.2.1", archive.Bytes())
	for host, forge := range map[string]string{api: "https://github.com", "https://ghes.test/api/v3": "https://ghes.test"} {
		var list []struct {
			OS, Architecture, Filename string
			URL                        string `json:"download_url"`
			Sum                        string `json:"sha256_checksum"`
		}
		require.Equal(t, 200, c.do("GET", host+"/repos/acme/widgets/actions/runners/downloads", "pat", "", &list))
		var architectures []string
		for _, one := range list {
			assert.Equal(t, "linux", one.OS)
			assert.Equal(t, hex.EncodeToString(sum[:]), one.Sum)
			assert.Equal(t, forge+"/actions/runner/releases/download/v3.2.1/"+one.Filename, one.URL)
			architectures = append(architectures, one.Architecture)
			response, err := c.http.Get(one.URL)
			require.NoError(t, err)
			got, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			assert.Equal(t, archive.Bytes(), got)
		}
		assert.Equal(t, []string{"x64", "arm64", "arm"}, architectures)
	}
	for _, file := range []string{"v3.2.1/other.tar.gz", "v3.2.0/actions-runner-linux-x64-3.2.1.tar.gz"} {
		assert.Equal(t, 404, c.do("GET", "https://github.com/actions/runner/releases/download/"+file, "", "", nil), file)
	}
}

func TestRateLimitIsCounted(t *testing.T) {
	c := serve(t, github.Options{})
	for range 3 {
		require.Equal(t, 200, c.do("GET", api+"/orgs/acme/actions/runners", "pat", "", nil))
	}
	var answer struct {
		Rate struct{ Limit, Remaining, Used int }
	}
	require.Equal(t, 200, c.do("GET", api+"/rate_limit", "pat", "", &answer))
	assert.Equal(t, 3, answer.Rate.Used)
	assert.Equal(t, answer.Rate.Limit-3, answer.Rate.Remaining)
}
