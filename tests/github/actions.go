package github

import (
	"net/http"
	"strings"
)

// actionsRoutes are those of the Actions service, below an entity's address there.
func (s *Server) actionsRoutes() http.Handler {
	const sets, pool = "/{tenant}/_apis/runtime/runnerscalesets", "/{tenant}/_apis/distributedtask/pools/{pool}"
	mux := http.NewServeMux()
	mux.Handle("GET "+sets, s.forAdmin(s.listScaleSets))
	mux.Handle("POST "+sets, s.forAdmin(s.createScaleSet))
	mux.Handle("GET "+sets+"/{set}", s.forScaleSet(s.getScaleSet))
	mux.Handle("PATCH "+sets+"/{set}", s.forScaleSet(s.updateScaleSet))
	mux.Handle("DELETE "+sets+"/{set}", s.forScaleSet(s.deleteScaleSet))
	mux.Handle("POST "+sets+"/{set}/generatejitconfig", s.forScaleSet(s.createRunner))

	mux.Handle("POST "+sets+"/{set}/sessions", s.forScaleSet(s.createSession))
	mux.Handle("PATCH "+sets+"/{set}/sessions/{session}", s.forScaleSet(s.refreshSession))
	mux.Handle("DELETE "+sets+"/{set}/sessions/{session}", s.forScaleSet(s.deleteSession))
	mux.Handle("GET "+sets+"/{set}/messages", s.forListener(s.getMessage))
	mux.Handle("DELETE "+sets+"/{set}/messages/{message}", s.forListener(s.deleteMessage))
	mux.Handle("POST "+sets+"/{set}/acquirejobs", s.forListener(s.acquireJobs))

	for _, groups := range []string{"runnergroups", "runnergroups/{$}"} { // GARM asks without the slash
		mux.Handle("GET /{tenant}/_apis/runtime/"+groups, s.forAdmin(s.findRunnerGroup))
	}
	mux.Handle("GET "+pool+"/agents", s.forAdmin(s.listAgents))
	mux.Handle("GET "+pool+"/agents/{agent}", s.forAgent(s.getAgent))
	mux.Handle("DELETE "+pool+"/agents/{agent}", s.forAgent(s.deleteAgent))

	mux.Handle("POST "+pool+"/sessions", s.forRunner(s.connectAgent))
	mux.Handle("DELETE "+pool+"/sessions/{session}", s.forRunner(s.disconnectAgent))
	mux.Handle("GET "+pool+"/messages", s.forRunner(s.getAgentMessage))
	mux.Handle("PATCH "+pool+"/jobrequests/{job}", s.forRunner(s.finishAgentJob))
	return mux
}

// forAdmin lets in whoever registered with the tenant's entity.
func (s *Server) forAdmin(next func(*http.Request, *entity) answer) route {
	return func(r *http.Request) answer {
		e, ok := s.entityOfTenant(r)
		if !ok || s.subject(bearer(r)) != "admin "+e.tenant {
			return unauthorized()
		}
		return next(r, e)
	}
}

func (s *Server) entityOfTenant(r *http.Request) (*entity, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entities {
		if e.tenant == r.PathValue("tenant") {
			return e, true
		}
	}
	return nil, false
}

func unauthorized() answer {
	return actionsError(http.StatusUnauthorized, "UnauthorizedException", "The token is not valid for this resource.")
}

// findRunnerGroup is how GARM looks a group's id up by its name.
func (s *Server) findRunnerGroup(r *http.Request, e *entity) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.URL.Query().Get("groupName")
	groups := []map[string]any{}
	for i, group := range e.groups {
		if name == "" || strings.EqualFold(group, name) {
			groups = append(groups, map[string]any{"id": i + 1, "name": group, "isDefaultGroup": i == 0})
		}
	}
	return answer{http.StatusOK, map[string]any{"count": len(groups), "value": groups}}
}
