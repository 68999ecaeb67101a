package github_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/github"
)

const runners = api + "/orgs/acme/actions/runners"

func TestFaults(t *testing.T) {
	c := serve(t, github.Options{})
	get := func() int { return c.do("GET", runners, "pat", "", nil) }

	t.Run("status", func(t *testing.T) {
		require.NoError(t, c.server.Fail(github.Match{Method: "GET", Host: "api.github.com", Path: `/runners$`}, github.Fault{Status: 503, Times: 2}))
		assert.Equal(t, 503, get())
		assert.Equal(t, 200, c.do("GET", "https://ghes.test/api/v3/orgs/acme/actions/runners", "pat", "", nil), "another host")
		assert.Equal(t, 200, c.do("GET", runners+"/downloads", "pat", "", nil), "another path")
		assert.Equal(t, 503, get())
		assert.Equal(t, 200, get(), "it was to happen twice")
	})
	t.Run("until healed", func(t *testing.T) {
		require.NoError(t, c.server.Fail(github.Match{}, github.Fault{Status: 502}))
		for range 3 {
			assert.Equal(t, 502, get())
		}
		c.server.Heal()
		assert.Equal(t, 200, get())
	})
	t.Run("delay", func(t *testing.T) {
		require.NoError(t, c.server.Fail(github.Match{}, github.Fault{Delay: 200 * time.Millisecond, Times: 1}))
		start := time.Now()
		assert.Equal(t, 200, get())
		assert.GreaterOrEqual(t, time.Since(start), 200*time.Millisecond)
	})
	t.Run("reset", func(t *testing.T) {
		// A client repeats a GET on a connection that had been used before.
		require.NoError(t, c.server.Fail(github.Match{}, github.Fault{Reset: true}))
		assert.Zero(t, get())
		c.server.Heal()
		assert.Equal(t, 200, get())
	})
	t.Run("hang", func(t *testing.T) {
		require.NoError(t, c.server.Fail(github.Match{}, github.Fault{Hang: true}))
		before := len(c.server.Requests())
		answered := make(chan int, 1)
		go func() { answered <- get() }()
		require.Eventually(t, func() bool { return len(c.server.Requests()) > before }, 5*time.Second, time.Millisecond)
		select {
		case <-answered:
			t.Error("it was answered")
		case <-time.After(100 * time.Millisecond):
		}
		c.server.Heal()
		select {
		case status := <-answered:
			assert.Contains(t, []int{0, 200}, status, "the client may repeat what broke")
		case <-time.After(5 * time.Second):
			t.Error("it still hangs")
		}
	})
	t.Run("lost answer", func(t *testing.T) {
		org := c.register(api, "orgs/acme", "https://github.com/acme")
		require.NoError(t, c.server.Fail(github.Match{Method: "POST", Path: "runnerscalesets$"}, github.Fault{LostAnswer: true, Times: 1}))
		assert.Zero(t, org.call("POST", sets, `{"name":"small"}`, nil))
		assert.Len(t, c.server.ScaleSets(""), 1, "it was done")
		assert.Equal(t, 409, org.call("POST", sets, `{"name":"small"}`, nil))
	})
	assert.Error(t, c.server.Fail(github.Match{Path: "("}, github.Fault{}))
}

func TestRequests(t *testing.T) {
	c := serve(t, github.Options{PollTimeout: time.Millisecond})
	c.do("GET", runners+"?page=2", "pat", "", nil)
	got := c.server.Requests()
	require.Len(t, got, 1)
	assert.Equal(t, "GET", got[0].Method)
	assert.Equal(t, "api.github.com", got[0].Host)
	assert.Equal(t, "/orgs/acme/actions/runners", got[0].Path)
	assert.Equal(t, "page=2", got[0].Query)
	assert.Equal(t, 200, got[0].Status)
	assert.Contains(t, got[0].Header, "Authorization")
	assert.Empty(t, c.server.Mutating())

	org := c.register(api, "orgs/acme", "https://github.com/acme")
	set := org.newSet()
	org.listen(set).do("GET", org.URL, "", "", nil)
	assert.Equal(t, 204, org.call("DELETE", fmt.Sprintf("%s/%d", sets, set), "", nil))
	var changed []string
	for _, request := range c.server.Mutating() {
		changed = append(changed, request.Method)
		if request.Method == http.MethodPost {
			assert.Contains(t, string(request.Body), `"small"`)
		}
	}
	assert.Equal(t, []string{"POST", "DELETE"}, changed)

	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("made", "request", c.server.Mutating()[0])
	assert.NotContains(t, log.String(), `small`)
	assert.Contains(t, log.String(), "POST pipelines.actions.githubusercontent.com/")
}

func TestCertificates(t *testing.T) {
	c := serve(t, github.Options{})
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(c.server.CA()))
	for _, name := range append(github.Names(), "ghes.example.test", "127.0.0.1") {
		conn, err := tls.Dial("tcp", c.addr, &tls.Config{ServerName: name, RootCAs: roots})
		require.NoError(t, err, name)
		require.NoError(t, conn.Close())
	}
	_, err := tls.Dial("tcp", c.addr, &tls.Config{ServerName: "github.com", RootCAs: x509.NewCertPool()})
	assert.Error(t, err)
	other, err := github.New(github.Options{})
	require.NoError(t, err)
	assert.NotEqual(t, c.server.CA(), other.CA())
}
