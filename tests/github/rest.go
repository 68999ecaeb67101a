package github

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// rateLimit is the number of REST requests an hour that GitHub's answers promise. Nothing is refused for going beyond.
const rateLimit = 15000

const registrationTokenLifetime = time.Hour

func (s *Server) restRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", route(restNotFound))
	mux.Handle("POST /app/installations/{installation}/access_tokens", route(s.createInstallationToken))
	mux.Handle("GET /rate_limit", route(s.getRateLimit))
	for _, prefix := range []string{"/orgs/{org}", "/repos/{owner}/{repo}", "/enterprises/{enterprise}"} {
		mux.Handle("GET "+prefix+"/actions/runners/downloads", s.forEntity(s.listDownloads))
		mux.Handle("POST "+prefix+"/actions/runners/registration-token", s.forEntity(s.createRegistrationToken))
		mux.Handle("GET "+prefix+"/actions/runners", s.forEntity(s.listRunners))
		mux.Handle("DELETE "+prefix+"/actions/runners/{runner}", s.forEntity(s.deleteRunner))
		if prefix != "/repos/{owner}/{repo}" {
			mux.Handle("GET "+prefix+"/actions/runner-groups", s.forEntity(s.listRunnerGroups))
		}
	}
	return s.limited(mux)
}

// limited adds the headers that GitHub's clients read their rate limit from.
func (s *Server) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if r.URL.Path != "/rate_limit" {
			s.used++
		}
		rate := s.rate()
		s.mu.Unlock()
		for _, name := range []string{"limit", "remaining", "used", "reset"} {
			w.Header().Set("X-RateLimit-"+name, strconv.FormatInt(rate[name], 10))
		}
		w.Header().Set("X-RateLimit-Resource", "core")
		next.ServeHTTP(w, r)
	})
}

// rate is the state of the rate limit. The caller holds s.mu.
func (s *Server) rate() map[string]int64 {
	return map[string]int64{
		"limit":     rateLimit,
		"remaining": int64(rateLimit - s.used),
		"used":      int64(s.used),
		"reset":     time.Now().Truncate(time.Hour).Add(time.Hour).Unix(),
	}
}

// UseQuota lets so many requests of this hour be used up.
func (s *Server) UseQuota(requests int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = requests
}

func (s *Server) getRateLimit(r *http.Request) answer {
	if _, refusal, ok := s.authenticate(r); !ok {
		return refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return answer{http.StatusOK, map[string]any{"resources": map[string]any{"core": s.rate()}, "rate": s.rate()}}
}

// forEntity authenticates a request and finds the entity it is about; what a token may not see is not there.
func (s *Server) forEntity(next func(*http.Request, *entity) answer) route {
	return func(r *http.Request) answer {
		g, refusal, ok := s.authenticate(r)
		if !ok {
			return refusal
		}
		e, ok := s.entityOf(r)
		if !ok {
			return restNotFound(r)
		}
		if g.installation && e.name.isEnterprise() {
			return restError(http.StatusForbidden, "Resource not accessible by integration")
		}
		return next(r, e)
	}
}

func (s *Server) createRegistrationToken(_ *http.Request, e *entity) answer {
	return answer{http.StatusCreated, map[string]string{
		"token":      s.issue("register "+string(e.name), registrationTokenLifetime),
		"expires_at": time.Now().Add(registrationTokenLifetime).UTC().Format(time.RFC3339),
	}}
}

func (s *Server) listRunnerGroups(r *http.Request, e *entity) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	groups := make([]map[string]any, len(e.groups))
	for i, name := range e.groups {
		groups[i] = map[string]any{"id": i + 1, "name": name, "default": name == defaultGroup, "visibility": "all"}
	}
	return answer{http.StatusOK, map[string]any{"total_count": len(groups), "runner_groups": page(r, groups)}}
}

func (s *Server) listRunners(r *http.Request, e *entity) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []map[string]any{}
	for _, runner := range s.runnersOf(e.name) {
		labels := []map[string]any{}
		for _, label := range runner.Labels {
			labels = append(labels, map[string]any{"name": label, "type": "custom"})
		}
		list = append(list, map[string]any{
			"id": runner.ID, "name": runner.Name, "os": "linux", "status": runner.status(), "busy": runner.Busy,
			"ephemeral": true, "labels": labels,
		})
	}
	return answer{http.StatusOK, map[string]any{"total_count": len(list), "runners": page(r, list)}}
}

func (s *Server) deleteRunner(r *http.Request, e *entity) answer {
	id, _ := strconv.ParseInt(r.PathValue("runner"), 10, 64)
	s.mu.Lock()
	defer s.mu.Unlock()
	runner, ok := s.runners[id]
	if !ok || runner.Entity != e.name {
		return restNotFound(r)
	}
	if runner.Busy {
		return restError(http.StatusUnprocessableEntity, "Bad request - Runner \""+runner.Name+"\" is still running a job\"")
	}
	s.removeRunner(runner)
	return answer{status: http.StatusNoContent}
}

// page is the part of a list that the request asks for. GitHub's default is 30 for each page.
func page[T any](r *http.Request, list []T) []T {
	size, number := 30, 1
	if n, err := strconv.Atoi(r.URL.Query().Get("per_page")); err == nil && n > 0 {
		size = min(n, 100)
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("page")); err == nil && n > 0 {
		number = n
	}
	first := min((number-1)*size, len(list))
	return slices.Clone(list[first:min(first+size, len(list))])
}
