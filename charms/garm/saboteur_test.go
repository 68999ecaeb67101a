package garm

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/garmapi"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

// strike is what a saboteur does with a request in place of passing it on and the answer back.
type strike func(*saboteur, http.ResponseWriter, *http.Request)

// fault is a way in which a request can go wrong.
type fault struct {
	strike
	hangs bool
}

// patience is how long a request is waited for: for one that is never answered no longer than need be.
func (f fault) patience() garmapi.Options {
	if f.hangs {
		return garmapi.Options{WriteLimit: 4 * time.Second}
	}
	return garmapi.Options{}
}

func faults() map[string]fault {
	return map[string]fault{
		"refused": {strike: func(_ *saboteur, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
		}},
		"reset": {strike: func(s *saboteur, w http.ResponseWriter, _ *http.Request) { s.reset(w) }},
		"hangs": {hangs: true, strike: func(_ *saboteur, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		"done later": {hangs: true, strike: func(s *saboteur, _ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			s.pass(httptest.NewRecorder(), r)
		}},
		"answer lost": {strike: func(s *saboteur, w http.ResponseWriter, r *http.Request) {
			s.pass(httptest.NewRecorder(), r)
			s.reset(w)
		}},
		"hook killed": {strike: func(s *saboteur, w http.ResponseWriter, r *http.Request) {
			s.pass(httptest.NewRecorder(), r)
			s.kill()
			s.reset(w)
		}},
	}
}

// saboteur stands before GARM and spoils one request.
type saboteur struct {
	URL string

	t     testing.TB
	proxy *httputil.ReverseProxy
	kill  func() // ends the hook
	busy  sync.WaitGroup

	mu     sync.Mutex
	method string
	path   *regexp.Regexp
	strike strike // nil when none is due
}

func newSaboteur(t testing.TB, garm string) *saboteur {
	t.Helper()
	target, err := url.Parse(garm)
	require.NoError(t, err)
	s := &saboteur{t: t, proxy: httputil.NewSingleHostReverseProxy(target)}
	front := httptest.NewServer(s)
	t.Cleanup(front.Close)
	s.URL = front.URL
	return s
}

// arm spoils the next request of that method whose path has a match for the regular expression.
func (s *saboteur) arm(method, path string, strike strike) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.method, s.path, s.strike = method, regexp.MustCompile("^/api/v1"+path), strike
}

// struck tells whether the request came.
func (s *saboteur) struck() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.strike == nil
}

// catchUp waits until what the client gave up has been done.
func (s *saboteur) catchUp() { s.busy.Wait() }

func (s *saboteur) due(r *http.Request) strike {
	s.mu.Lock()
	defer s.mu.Unlock()
	due := s.strike
	if due == nil || r.Method != s.method || !s.path.MatchString(r.URL.Path) {
		return nil
	}
	s.strike = nil
	s.busy.Add(1)
	return due
}

// ServeHTTP implements http.Handler.
func (s *saboteur) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	strike := s.due(r)
	if strike == nil {
		s.proxy.ServeHTTP(w, r)
		return
	}
	defer s.busy.Done()
	// Only when the body has been read does the server notice that the client gives up.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	strike(s, w, r)
}

// pass hands a request on, whether its client still waits or not.
func (s *saboteur) pass(w http.ResponseWriter, r *http.Request) {
	s.proxy.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
}

// reset ends the connection so that the client sees it broken.
func (s *saboteur) reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.t.Error(err)
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func newKey(t testing.TB) secret.Value {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return secret.New(string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
}
