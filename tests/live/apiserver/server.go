// Package apiserver is Juju's API for clients in front of a model of package juju: Juju's own RPC over its websocket, with
// the calls that package live makes, and the two uploads and the log beside it.
//
// It has one user and one model, which is there before it is added and ends when it is destroyed.
package apiserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/juju/juju/jujuclient"
	"github.com/juju/juju/rpc/params"
	"github.com/juju/names/v5"
	"github.com/juju/utils/v3"

	"github.com/garm-charms/garm-charms/tests/juju"
)

const (
	user     = "admin"
	password = "not-a-real-password"
	// name is what Juju's certificates are made out to (api/apiclient.go, NewTLSConfig).
	name = "juju-apiserver"
)

// Server is an API server that runs.
type Server struct {
	model      *juju.Model
	controller string // UUID
	dir        string
	address    string
	certPEM    string
	http       *http.Server

	mu        sync.Mutex
	charms    map[string]string // uploaded archives by URL
	images    map[string]string // uploaded images by pending ID
	actions   map[string]params.ActionResult
	serial    int
	destroyed bool
}

// Start serves the model's API on an address of this machine until Close; dir takes what is uploaded. The address must not
// be a loopback one: Juju's clients leave those out.
func Start(model *juju.Model, dir string, address netip.Addr) (*Server, error) {
	certificate, text, err := selfSigned()
	if err != nil {
		return nil, fmt.Errorf("cannot serve the API: %w", err)
	}
	uuid, err := utils.NewUUID()
	if err != nil {
		return nil, fmt.Errorf("cannot serve the API: %w", err)
	}
	listener, err := tls.Listen("tcp", netip.AddrPortFrom(address, 0).String(), &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, fmt.Errorf("cannot serve the API: %w", err)
	}
	s := &Server{
		model: model, controller: uuid.String(), dir: dir, address: listener.Addr().String(), certPEM: text,
		charms: map[string]string{}, images: map[string]string{}, actions: map[string]params.ActionResult{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api", s.serveRPC)
	mux.HandleFunc("GET /model/{model}/api", s.serveRPC)
	mux.HandleFunc("GET /model/{model}/log", s.serveLog)
	mux.HandleFunc("PUT /{model}/charms/{charm}", s.putCharm)
	mux.HandleFunc("PUT /model/{model}/applications/{application}/resources/{resource}", s.putResource)
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.http.Serve(listener) }() // it ends when it is closed
	return s, nil
}

// Close ends the server; its connections go on until their clients end them.
func (s *Server) Close() error { return s.http.Close() }

// Destroyed tells whether a client destroyed the model.
func (s *Server) Destroyed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.destroyed
}

// AddTo gives a store what the juju command knows after it bootstrapped this controller, as its current one.
func (s *Server) AddTo(store jujuclient.ClientStore) error {
	const controller = "bed"
	return errors.Join(
		store.AddController(controller, jujuclient.ControllerDetails{
			ControllerUUID: s.controller, APIEndpoints: []string{s.address}, CACert: s.certPEM, Cloud: "kubernetes", AgentVersion: juju.Version,
		}),
		store.UpdateAccount(controller, jujuclient.AccountDetails{User: user, Password: password}),
		store.SetCurrentController(controller),
	)
}

func selfSigned() (tls.Certificate, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(text), nil
}

// authorised checks a request's user as the API checks a login.
func authorised(r *http.Request) bool {
	who, secret, given := r.BasicAuth()
	return given && who == "user-"+user && secret == password
}

func refuse(w http.ResponseWriter, code int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(&params.ErrorResult{Error: &params.Error{Message: err.Error()}}) // the client may be gone
}

var errUnauthorised = errors.New("invalid entity name or password")

// serveLog answers like a debug log that is not followed (apiserver/debuglog.go): no error first, then the lines.
func (s *Server) serveLog(w http.ResponseWriter, r *http.Request) {
	if !authorised(r) {
		refuse(w, http.StatusUnauthorized, errUnauthorised)
		return
	}
	conn, err := (&websocket.Upgrader{CheckOrigin: anyOrigin}).Upgrade(w, r, nil)
	if err != nil {
		return // it has been answered
	}
	defer conn.Close()
	if err := conn.WriteJSON(params.ErrorResult{}); err != nil {
		return
	}
	for _, line := range s.model.DebugLog() {
		entity := line.Unit
		if names.IsValidUnit(entity) {
			entity = names.NewUnitTag(entity).String()
		}
		message := params.LogMessage{Entity: entity, Timestamp: line.Time, Severity: line.Level, Module: line.Module, Message: line.Message}
		if err := conn.WriteJSON(message); err != nil {
			return
		}
	}
}

// keep writes an upload to a file of its own.
func (s *Server) keep(pattern string, r *http.Request) (string, error) {
	file, err := os.CreateTemp(s.dir, pattern)
	if err != nil {
		return "", err
	}
	_, err = file.ReadFrom(r.Body)
	return file.Name(), errors.Join(err, file.Close())
}

// putCharm takes a packed charm (apiserver/charms.go) and gives it a revision.
func (s *Server) putCharm(w http.ResponseWriter, r *http.Request) {
	if !authorised(r) {
		refuse(w, http.StatusUnauthorized, errUnauthorised)
		return
	}
	path, err := s.keep("*.charm", r)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	given := r.Header.Get("Juju-Curl")
	url := fmt.Sprintf("%s-%d", given[:len(given)-len("-0")], s.serial)
	s.charms[url] = path
	w.Header().Set("Juju-Curl", url)
}

// putResource takes what an operator calls an image: here a directory, in a cluster a reference.
func (s *Server) putResource(w http.ResponseWriter, r *http.Request) {
	var image struct {
		Name string `json:"ImageName"`
	}
	if !authorised(r) {
		refuse(w, http.StatusUnauthorized, errUnauthorised)
		return
	}
	if err := json.NewDecoder(r.Body).Decode(&image); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	if pending := r.URL.Query().Get("pendingid"); pending != "" {
		s.mu.Lock()
		s.images[pending] = image.Name
		s.mu.Unlock()
	} else if err := s.model.Refresh(r.Context(), r.PathValue("application"), "", map[string]string{r.PathValue("resource"): image.Name}); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(params.UploadResult{}) // the client may be gone
}

// anyOrigin lets clients say that they come from where they like, as Juju does (apiserver/websocket).
func anyOrigin(*http.Request) bool { return true }
