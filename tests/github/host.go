package github

import (
	"net"
	"net/http"
	"strings"
)

// The hosts that github.com is made of, as far as GARM and its runners know them.
const (
	siteHost    = "github.com"
	apiHost     = "api.github.com"
	uploadHost  = "uploads.github.com"
	actionsHost = "pipelines.actions.githubusercontent.com"
)

// Where a GitHub Enterprise Server has them.
const (
	enterpriseREST    = "/api/v3"
	enterpriseActions = "/_services/pipelines"
)

// Names are the host names under which the server is github.com. Under any other it is a GitHub Enterprise Server.
func Names() []string { return []string{siteHost, apiHost, uploadHost, actionsHost} }

// handlerFor returns what answers the request, and the path that it knows the request by.
func (s *Server) handlerFor(r *http.Request) (handler http.Handler, path string) {
	path = r.URL.Path
	switch hostname(r) {
	case siteHost:
		return s.site, path
	case apiHost, uploadHost:
		if path == registrationPath {
			return s.site, path
		}
		return s.rest, path
	case actionsHost:
		return s.actions, path
	}
	if rest, ok := strings.CutPrefix(path, enterpriseREST); ok {
		return s.rest, rest
	}
	if rest, ok := strings.CutPrefix(path, enterpriseActions); ok {
		return s.actions, rest
	}
	return s.site, path
}

func hostname(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return strings.ToLower(host)
}

// siteURL is the forge's address as the client of the request knows it, without a slash at its end.
func siteURL(r *http.Request) string { return address(r, siteHost, "") }

// actionsURL is the address of the Actions service as the client of the request knows it.
func actionsURL(r *http.Request) string { return address(r, actionsHost, enterpriseActions) }

// address is that of another of github.com's hosts, or of a path of the same GitHub Enterprise Server.
func address(r *http.Request, public, enterprisePath string) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	for _, name := range Names() {
		if hostname(r) != name {
			continue
		}
		if _, port, err := net.SplitHostPort(r.Host); err == nil {
			public = net.JoinHostPort(public, port)
		}
		return scheme + "://" + public
	}
	return scheme + "://" + r.Host + enterprisePath
}
