package github

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

const sessionTokenLifetime = time.Hour

// Session is a listener's hold on a scale set's message queue; a scale set has one at most.
type Session struct {
	ID         string    `json:"id"`
	Entity     Entity    `json:"entity"`
	ScaleSetID int       `json:"scale_set_id"`
	Owner      string    `json:"owner"`   // as the listener named itself
	Polling    bool      `json:"polling"` // a request for messages is open
	LastPoll   time.Time `json:"last_poll"`
}

type session struct {
	Session
	polls int
}

// message is one document in a scale set's queue.
type message struct {
	id   int64
	jobs []jobMessage
}

// Sessions returns the message sessions, by scale set.
func (s *Server) Sessions() []Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Session{}
	for _, set := range s.setsOf("") {
		if set.session != nil {
			list = append(list, set.session.Session)
		}
	}
	return list
}

// ExpireSessions ends the sessions that are not being polled, as GitHub does with those whose listener died.
func (s *Server) ExpireSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, set := range s.sets {
		if set.session != nil && !set.session.Polling {
			set.session = nil
		}
	}
}

func (s *Server) createSession(r *http.Request, set *scaleSet) answer {
	var request struct {
		Owner string `json:"ownerName"`
	}
	if err := decode(r, &request); err != nil {
		return actionsError(http.StatusBadRequest, "ArgumentException", "The request is not JSON.")
	}
	if current := set.session; current != nil && (current.Polling || time.Since(current.LastPoll) < s.options.SessionTTL) {
		return actionsError(http.StatusConflict, "RunnerScaleSetSessionConflictException",
			fmt.Sprintf("The runner scale set %s already has an active session for owner %s.", set.Name, current.Owner))
	}
	set.session = &session{Session: Session{
		ID: newUUID(), Entity: set.Entity, ScaleSetID: set.ID, Owner: request.Owner, LastPoll: time.Now(),
	}}
	return s.sessionAnswer(r, set)
}

// newUUID returns a random identifier in the form that clients insist on.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (s *Server) sessionAnswer(r *http.Request, set *scaleSet) answer {
	queue := fmt.Sprintf("%s/%s/_apis/runtime/runnerscalesets/%d/messages?sessionId=%s",
		actionsURL(r), r.PathValue("tenant"), set.ID, set.session.ID)
	return answer{http.StatusOK, map[string]any{
		"sessionId": set.session.ID, "ownerName": set.session.Owner, "runnerScaleSet": s.wire(set), "messageQueueUrl": queue,
		"messageQueueAccessToken": s.issue("listen "+set.session.ID, sessionTokenLifetime), "statistics": s.statistics(set),
	}}
}

func (s *Server) refreshSession(r *http.Request, set *scaleSet) answer {
	if set.session == nil || set.session.ID != r.PathValue("session") {
		return noSession()
	}
	return s.sessionAnswer(r, set)
}

func (s *Server) deleteSession(r *http.Request, set *scaleSet) answer {
	if set.session == nil || set.session.ID != r.PathValue("session") {
		return noSession()
	}
	set.session = nil
	s.notify()
	return answer{status: http.StatusNoContent}
}

func noSession() answer {
	return actionsError(http.StatusNotFound, "RunnerScaleSetSessionNotFoundException", "The session does not exist.")
}

// forListener lets in whoever holds the scale set's session.
func (s *Server) forListener(next func(*http.Request, *scaleSet) answer) route {
	return func(r *http.Request) answer {
		e, ok := s.entityOfTenant(r)
		if !ok {
			return unauthorized()
		}
		s.mu.Lock()
		set, ok := s.setAt(r, e)
		holds := ok && set.session != nil && s.subject(bearer(r)) == "listen "+set.session.ID
		s.mu.Unlock()
		if !ok {
			return noScaleSet(r)
		}
		if !holds {
			return unauthorized()
		}
		return next(r, set)
	}
}

// getMessage waits for the first message after the one the listener saw last.
func (s *Server) getMessage(r *http.Request, set *scaleSet) answer {
	last, _ := strconv.ParseInt(r.URL.Query().Get("lastMessageId"), 10, 64)
	s.mu.Lock()
	current := set.session
	if current == nil {
		s.mu.Unlock()
		return noSession()
	}
	current.polls++
	current.Polling = true
	if capacity, err := strconv.Atoi(r.Header.Get("X-ScaleSetMaxCapacity")); err == nil {
		set.MaxCapacity = capacity
	}
	s.dispatch()
	s.mu.Unlock()
	defer s.pollEnds(current)

	var found answer
	ok := s.await(r.Context(), func() bool {
		if set.session != current || s.sets[set.ID] != set {
			found = noSession()
			return true
		}
		next := slices.IndexFunc(set.messages, func(m message) bool { return m.id > last })
		if next < 0 {
			return false
		}
		found = answer{http.StatusOK, s.envelope(set, set.messages[next])}
		return true
	})
	if !ok {
		return answer{status: http.StatusAccepted}
	}
	return found
}

func (s *Server) pollEnds(current *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	current.polls--
	current.Polling = current.polls > 0
	current.LastPoll = time.Now()
}

func (s *Server) envelope(set *scaleSet, m message) map[string]any {
	body, err := json.Marshal(m.jobs)
	if err != nil {
		panic(err) // strings, numbers and times only
	}
	return map[string]any{
		"messageId": m.id, "messageType": "RunnerScaleSetJobMessages", "body": string(body), "statistics": s.statistics(set),
	}
}

func (s *Server) deleteMessage(r *http.Request, set *scaleSet) answer {
	id, _ := strconv.ParseInt(r.PathValue("message"), 10, 64)
	s.mu.Lock()
	defer s.mu.Unlock()
	set.messages = slices.DeleteFunc(set.messages, func(m message) bool { return m.id == id })
	return answer{status: http.StatusNoContent}
}

// push adds a message about a job to the queue of its scale set. The caller holds s.mu.
func (s *Server) push(kind string, j *job) {
	set, ok := s.sets[j.ScaleSetID]
	if !ok {
		return
	}
	set.lastID++
	set.messages = append(set.messages, message{set.lastID, []jobMessage{j.message(kind)}})
	s.notify()
}
