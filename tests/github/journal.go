package github

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Request is one that was made, with the values of its headers left out: they hold tokens.
type Request struct {
	Time   time.Time `json:"time"`
	Method string    `json:"method"`
	Host   string    `json:"host"` // as it was sent, with its port if there was one
	Path   string    `json:"path"`
	Query  string    `json:"query"`
	Header []string  `json:"header"` // names, sorted
	Status int       `json:"status"` // 0: it was not answered, or not yet
	// Body may hold secrets, so it is in no log and no JSON.
	Body []byte `json:"-"`
}

// LogValue implements slog.LogValuer.
func (r Request) LogValue() slog.Value { return slog.StringValue(r.String()) }

// String is the method, the host and the path.
func (r Request) String() string { return r.Method + " " + r.Host + r.Path }

// mutates says whether the request would change what an operator sees on GitHub. Tokens, message sessions and offers of
// jobs come and go by themselves.
func (r Request) mutates() bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return false
	}
	for _, upkeep := range []string{"/access_tokens", "/registration-token", registrationPath, "/sessions", "/messages/", "/acquirejobs"} {
		if strings.Contains(r.Path, upkeep) {
			return false
		}
	}
	return true
}

// Requests returns every request that was made, in the order in which they came, also those that a fault had.
func (s *Server) Requests() []Request { return s.journal.list() }

// Mutating returns those of Requests that would change what an operator sees on GitHub: scale sets and runners.
func (s *Server) Mutating() []Request {
	return slices.DeleteFunc(s.journal.list(), func(r Request) bool { return !r.mutates() })
}

type journal struct {
	mu       sync.Mutex
	requests []Request
}

// add writes a request down; the function it returns adds the status of its answer.
func (j *journal) add(r *http.Request, body []byte) (done func(status int)) {
	var names []string
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	j.mu.Lock()
	defer j.mu.Unlock()
	index := len(j.requests)
	j.requests = append(j.requests, Request{
		Time: time.Now(), Method: r.Method, Host: r.Host, Path: r.URL.Path, Query: r.URL.RawQuery, Header: names, Body: body,
	})
	return func(status int) {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.requests[index].Status = status
	}
}

func (j *journal) list() []Request {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.requests)
}
