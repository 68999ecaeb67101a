package github

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Match chooses requests; an empty field matches all.
type Match struct {
	Method string `json:"method"`
	Host   string `json:"host"` // without a port
	Path   string `json:"path"` // regular expression that is looked for in the path
}

// Fault is what happens to a request. Delay comes first; of the others at most one is set.
type Fault struct {
	Status     int           `json:"status"`      // answer with this status, and do nothing
	Delay      time.Duration `json:"delay"`       // wait so long before anything else
	Hang       bool          `json:"hang"`        // do nothing and never answer, until Heal
	Reset      bool          `json:"reset"`       // do nothing and reset the connection
	LostAnswer bool          `json:"lost_answer"` // do it, and reset the connection in place of an answer
	Times      int           `json:"times"`       // number of requests it happens to; 0 for all until Heal
}

// faults are those in force, oldest first.
type faults struct {
	mu     sync.Mutex
	armed  []*armedFault
	healed chan struct{} // closed by Heal
}

type armedFault struct {
	match Match
	path  *regexp.Regexp
	fault Fault
}

// Fail lets a fault happen to the requests that match. A request that several match has the oldest.
func (s *Server) Fail(match Match, fault Fault) error {
	path, err := regexp.Compile(match.Path)
	if err != nil {
		return fmt.Errorf("cannot match requests: %w", err)
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.armed = append(s.faults.armed, &armedFault{match, path, fault})
	return nil
}

// Heal ends all faults. The connections of requests that hang are closed.
func (s *Server) Heal() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.armed = nil
	if s.faults.healed != nil {
		close(s.faults.healed)
		s.faults.healed = nil
	}
}

// take returns the fault that the request meets, if any.
func (f *faults) take(r *http.Request) (strike, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.healed == nil {
		f.healed = make(chan struct{})
	}
	for i, candidate := range f.armed {
		if !candidate.matches(r) {
			continue
		}
		if candidate.fault.Times == 1 {
			f.armed = slices.Delete(slices.Clone(f.armed), i, i+1)
		}
		candidate.fault.Times-- // below zero it stands for ever
		return strike{candidate.fault, f.healed}, true
	}
	return strike{}, false
}

func (a *armedFault) matches(r *http.Request) bool {
	return (a.match.Method == "" || a.match.Method == r.Method) &&
		(a.match.Host == "" || a.match.Host == hostname(r)) && a.path.MatchString(r.URL.Path)
}

// strike is a fault that happens to one request.
type strike struct {
	Fault
	healed <-chan struct{}
}

// pass does what the fault says and returns whether the request is to be served.
func (f strike) pass(w http.ResponseWriter, r *http.Request, s *Server) bool {
	select {
	case <-time.After(f.Delay):
	case <-r.Context().Done():
		return false
	}
	switch {
	case f.Hang:
		select {
		case <-f.healed:
		case <-r.Context().Done():
		}
		reset(w)
	case f.Reset:
		reset(w)
	case f.LostAnswer:
		s.route(&deafWriter{header: http.Header{}}, r)
		reset(w)
	case f.Status != 0:
		restError(f.Status, http.StatusText(f.Status)).write(w)
	default:
		return true
	}
	return false
}

// reset ends the connection so that the client sees it broken.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2, or no connection of its own
	}
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// deafWriter takes an answer that nobody gets.
type deafWriter struct{ header http.Header }

func (w *deafWriter) Header() http.Header         { return w.header }
func (w *deafWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *deafWriter) WriteHeader(int)             {}
