// Package github simulates GitHub for GARM: the part of the REST API, of the Actions service and of the release downloads
// that GARM and its runners use, as github.com (with its API and Actions hosts) and as a GitHub Enterprise Server of any
// name, told apart by the Host header. It must not know GARM, Juju or the charms: what is true of GitHub belongs here,
// what is true of a test belongs to the test.
//
// A Server is one forge: the names it is reached under share its apps, organisations and scale sets. Facts about the
// protocol are those that GARM's client relies on (cloudbase/garm util/github and util/github/scalesets) and GitHub's REST
// documentation.
//
// To be github.com for a program, map Names to the server's address, port 443, in that program's /etc/hosts, and add CA to
// the certificates it trusts.
package github

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Options are what a test may want different from GitHub; the zero value is GitHub's own.
type Options struct {
	// PollTimeout is how long a request for messages waits before it is answered with none; GitHub's 50 s by default.
	PollTimeout time.Duration
	// SessionTTL is how long a message session that is neither polled nor closed keeps others out; 2 minutes by default.
	SessionTTL time.Duration
}

// Server is a forge. It is an http.Handler; Serve puts TLS in front of it.
type Server struct {
	options   Options
	authority *authority
	journal   journal
	faults    faults
	secret    []byte // signs the tokens of the Actions service
	rest      http.Handler
	actions   http.Handler
	site      http.Handler

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced whenever something a poll waits for may have changed
	apps     map[int64]*app
	tokens   map[string]grant
	entities map[Entity]*entity
	sets     map[int]*scaleSet
	runners  map[int64]*runner
	jobs     []*job
	download download
	lastID   int64
	used     int // REST requests made, for the rate limit
}

// New makes a forge with nothing in it, and a certificate authority of its own.
func New(options Options) (*Server, error) {
	if options.PollTimeout == 0 {
		options.PollTimeout = 50 * time.Second
	}
	if options.SessionTTL == 0 {
		options.SessionTTL = 2 * time.Minute
	}
	authority, err := newAuthority()
	if err != nil {
		return nil, fmt.Errorf("cannot make a certificate authority: %w", err)
	}
	s := &Server{
		options:   options,
		authority: authority,
		secret:    []byte(rand.Text()),
		changed:   make(chan struct{}),
		apps:      map[int64]*app{},
		tokens:    map[string]grant{},
		entities:  map[Entity]*entity{},
		sets:      map[int]*scaleSet{},
		runners:   map[int64]*runner{},
	}
	if s.download, err = emptyDownload(); err != nil {
		return nil, fmt.Errorf("cannot make a runner archive: %w", err)
	}
	s.rest, s.actions, s.site = s.restRoutes(), s.actionsRoutes(), s.siteRoutes()
	return s, nil
}

// maxBody is the largest request body that is read, in bytes.
const maxBody = 1 << 20

// ServeHTTP records the request, lets a fault have its way with it, and answers it as the host it was sent to.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil { // too much, or the client went away
		http.Error(w, "cannot read the request", http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	done := s.journal.add(r, body)
	recorder := &statusRecorder{ResponseWriter: w}
	defer func() { done(recorder.status) }()

	fault, hit := s.faults.take(r)
	if hit && !fault.pass(recorder, r, s) {
		return
	}
	s.route(recorder, r)
}

// route answers as the host that the request was sent to.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	handler, path := s.handlerFor(r)
	clone := r.Clone(r.Context())
	clone.URL.Path, clone.URL.RawPath = path, ""
	handler.ServeHTTP(w, clone)
}

// statusRecorder remembers the status that was answered, 0 when there was none.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusRecorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *statusRecorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// nextID returns an identifier that was not used before. The caller holds s.mu.
func (s *Server) nextID() int64 {
	s.lastID++
	return s.lastID
}

// notify wakes every poll. The caller holds s.mu.
func (s *Server) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// await calls ready, with s.mu held, whenever something changed, until it says true. It returns false when the poll's time
// is over or the client is gone.
func (s *Server) await(ctx context.Context, ready func() bool) bool {
	timeout := time.NewTimer(s.options.PollTimeout)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		ok := ready()
		changed := s.changed
		s.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-timeout.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}
