package github

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Lifetimes of tokens, GitHub's own.
const (
	installationTokenLifetime = time.Hour
	maxAppTokenLifetime       = 10 * time.Minute
)

type app struct {
	key           *rsa.PublicKey
	installations map[int64]bool
}

// grant is what a REST token may do.
type grant struct {
	installation bool // a GitHub App's token, which reaches no enterprise
	expires      time.Time
}

// AddApp registers an installation of a GitHub App. The key replaces the one the app had: what that one signed is refused
// from then on, while installation tokens that were handed out stay good, as with GitHub.
func (s *Server) AddApp(appID, installationID int64, key *rsa.PublicKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.apps[appID]
	if !ok {
		a = &app{installations: map[int64]bool{}}
		s.apps[appID] = a
	}
	a.key = key
	a.installations[installationID] = true
}

// AddToken registers a personal access token that may do everything and does not expire.
func (s *Server) AddToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = grant{expires: time.Now().AddDate(100, 0, 0)}
}

// PublicKey reads an RSA key from PEM: a public key (PKIX or PKCS#1), or the public half of a private one (PKCS#1 or PKCS#8).
func PublicKey(text []byte) (*rsa.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("cannot read RSA key: not PEM")
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read RSA key: %w", err)
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		return key, nil
	case *rsa.PrivateKey:
		return &key.PublicKey, nil
	}
	return nil, fmt.Errorf("cannot read RSA key: it is a %T", key)
}

// createInstallationToken exchanges an app's own token for one of an installation.
func (s *Server) createInstallationToken(r *http.Request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, refusal := s.authenticateApp(bearer(r))
	if a == nil {
		return refusal
	}
	id, err := strconv.ParseInt(r.PathValue("installation"), 10, 64)
	if err != nil || !a.installations[id] {
		return restNotFound(r)
	}
	token := "ghs_" + rand.Text()
	expires := time.Now().Add(installationTokenLifetime)
	s.tokens[token] = grant{installation: true, expires: expires}
	return answer{http.StatusCreated, map[string]any{
		"token":                token,
		"expires_at":           expires.UTC().Format(time.RFC3339),
		"repository_selection": "all",
		"permissions":          map[string]string{"organization_self_hosted_runners": "write", "administration": "write", "metadata": "read"},
	}}
}

// authenticateApp returns the app whose token it is, or nil and GitHub's words why it is none.
func (s *Server) authenticateApp(token string) (*app, answer) {
	t, err := parseJWT(token)
	if err != nil {
		return nil, restError(http.StatusUnauthorized, "A JSON web token could not be decoded")
	}
	id, err := strconv.ParseInt(t.issuer(), 10, 64)
	if err != nil {
		return nil, restError(http.StatusUnauthorized, "'Issuer' claim ('iss') must be an Integer")
	}
	a, ok := s.apps[id]
	if !ok {
		return nil, restError(http.StatusNotFound, "Integration not found")
	}
	if !t.signedBy(a.key) {
		return nil, restError(http.StatusUnauthorized, "A JSON web token could not be decoded")
	}
	now := time.Now()
	expires := time.Unix(t.claims.Expires, 0)
	switch {
	case t.claims.Issued > now.Unix():
		return nil, restError(http.StatusUnauthorized,
			"'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")
	case !expires.After(now):
		return nil, restError(http.StatusUnauthorized,
			"'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires")
	case expires.After(now.Add(maxAppTokenLifetime)):
		return nil, restError(http.StatusUnauthorized, "'Expiration time' claim ('exp') is too far in the future")
	}
	return a, answer{}
}

// authenticate returns what the REST request's token may do.
func (s *Server) authenticate(r *http.Request) (grant, answer, bool) {
	token := bearer(r)
	if token == "" {
		return grant{}, restError(http.StatusUnauthorized, "Requires authentication"), false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.tokens[token]
	if !ok || time.Now().After(g.expires) {
		return grant{}, restError(http.StatusUnauthorized, "Bad credentials"), false
	}
	return g, answer{}, true
}

// bearer is the token in the request's Authorization header, whatever the scheme is called.
func bearer(r *http.Request) string {
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return token
}
