package github

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// registrationPath is where a registration token is exchanged for access to the Actions service. GARM asks for it on the
// API's host, runners ask on the site's.
const registrationPath = "/actions/runner-registration"

const adminTokenLifetime = time.Hour

func (s *Server) siteRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST "+registrationPath, route(s.register))
	mux.HandleFunc("GET /actions/runner/releases/download/{version}/{file}", s.serveDownload)
	return mux
}

// register hands out the entity's address in the Actions service and a token for it.
func (s *Server) register(r *http.Request) answer {
	var request struct {
		URL string `json:"url"`
	}
	name, ok := strings.CutPrefix(s.subject(bearer(r)), "register ")
	if !ok {
		return restError(http.StatusUnauthorized, "Bad credentials")
	}
	if err := decode(r, &request); err != nil {
		return restError(http.StatusBadRequest, "Problems parsing JSON")
	}
	at, err := url.Parse(request.URL)
	if err != nil || entityAt(at.Path) != Entity(name) {
		return restNotFound(r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entities[Entity(name)]
	if !ok {
		return restNotFound(r)
	}
	return answer{http.StatusOK, map[string]string{
		"url":          actionsURL(r) + "/" + e.tenant + "/",
		"token_schema": "OAuthAccessToken",
		"token":        s.issue("admin "+e.tenant, adminTokenLifetime),
	}}
}
