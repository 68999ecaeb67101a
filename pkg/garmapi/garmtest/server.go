// Package garmtest runs the real GARM server for tests.
// It must not be linked into what ships, and knows nothing of the charms.
package garmtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	startLimit = 30 * time.Second
	stopLimit  = 30 * time.Second
	pollPause  = 20 * time.Millisecond
	tailLines  = 80
	port       = 8080
)

// Options are what a test may want of a GARM.
type Options struct {
	Provider string   // name of a provider; its cloud is a script that boots nothing. "" for none
	Others   []string // names of more such providers
	Forge    *Forge   // the GitHub whose certificate it trusts; nil for none
}

// Server is a running GARM with an empty SQLite database of its own.
type Server struct {
	URL string // such as http://127.0.0.1:34567

	bin    string
	env    []string
	config string
	log    string
	cmd    *exec.Cmd
}

// Start runs a GARM until the test ends, and returns when it answers. When the test fails, the end of its log is printed,
// without its debug lines.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	dir := t.TempDir()
	host := loopback()
	s := &Server{
		URL:    fmt.Sprintf("http://%s:%d", host, port),
		bin:    GARM(t),
		env:    os.Environ(),
		config: filepath.Join(dir, "config.toml"),
		log:    filepath.Join(dir, "garm.log"),
	}
	text := config(dir, host)
	for _, name := range append([]string{o.Provider}, o.Others...) {
		if name != "" {
			text += provider(t, dir, name)
		}
	}
	must(t, os.WriteFile(s.config, []byte(text), 0o600))
	if o.Forge != nil {
		s.env = append(s.env, "SSL_CERT_DIR="+o.Forge.certs)
	}
	t.Cleanup(func() {
		s.Stop(t)
		if t.Failed() {
			t.Logf("GARM's log:\n%s", tail(s.Log(t)))
		}
	})
	s.Run(t)
	return s
}

// Run starts GARM again after Stop, on the same database, and returns when it answers.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	defer closing(t, log)
	s.cmd = exec.Command(s.bin, "--config", s.config)
	s.cmd.Env = s.env
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, s.cmd.Start())

	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	for !answers(ctx, s.URL) {
		select {
		case <-ctx.Done():
			t.Fatalf("GARM did not start; its log:\n%s", s.Log(t))
		case <-time.After(pollPause):
		}
	}
}

// Stop ends GARM and waits until it is gone.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	process := s.cmd.Process
	_ = process.Signal(syscall.SIGTERM) // it may be dead already
	kill := time.AfterFunc(stopLimit, func() { _ = process.Kill() })
	defer kill.Stop()
	_ = s.cmd.Wait() // how it ended is the test's affair
	s.cmd = nil
}

// Say lets a runner tell GARM how it is, as the script that sets it up does: status is such as "idle" or "failed" (GARM
// params/params.go, RunnerStatus).
func (s *Server) Say(t testing.TB, runner, status, message string) {
	t.Helper()
	order, err := os.ReadFile(filepath.Join(filepath.Dir(s.config), runner+".json"))
	must(t, err)
	var machine struct {
		Token string `json:"instance-token"`
	}
	must(t, json.Unmarshal(order, &machine))
	body, err := json.Marshal(map[string]string{"status": status, "message": message})
	must(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/api/v1/callbacks/status", bytes.NewReader(body))
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+machine.Token)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer closing(t, res.Body)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("GARM answered %s when %s said it is %s", res.Status, runner, status)
	}
}

// Log returns what GARM logged so far.
func (s *Server) Log(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(s.log)
	must(t, err)
	return string(text)
}

// tail is the end of a log without its debug lines.
func tail(log string) string {
	lines := slices.DeleteFunc(strings.Split(log, "\n"), func(line string) bool { return strings.Contains(line, " level=DEBUG ") })
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}

// loopback is an address of this machine that no other test has: two of them may find the same port free.
func loopback() string {
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.N(250), rand.N(250), 1+rand.N(250))
}

// FreePort returns a port that nothing listens on at present, and that nobody is given who asks for any.
func FreePort(t testing.TB) int {
	t.Helper()
	for {
		port := 10000 + rand.N(20000)
		if l, err := net.Listen("tcp", fmt.Sprintf(":%d", port)); err == nil {
			must(t, l.Close())
			return port
		}
	}
}

func answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	return res.Body.Close() == nil
}

func config(dir, host string) string {
	return fmt.Sprintf(`
[apiserver]
bind = %q
port = %d
[database]
backend = "sqlite3"
passphrase = "plover-quince-jackdaw-tundra-042"
[database.sqlite3]
db_file = %q
busy_timeout_seconds = 5
[jwt_auth]
secret = "mulberry-ostrich-cobalt-lantern-77"
time_to_live = "8760h"
[logging]
log_level = "debug"
[metrics]
enable = true
disable_auth = true
`, host, port, filepath.Join(dir, "garm.db"))
}

// script is an external provider (interface v0.1.0) whose machines exist as far as GARM is told. The name comes first
// in what GARM sends (garm-provider-common params/params.go, BootstrapInstance).
const script = `#!/bin/sh
case "$GARM_COMMAND" in
CreateInstance)
    order=$(cat)
    name=$(printf %s "$order" | sed 's/^{"name":"\([^"]*\)".*/\1/')
    printf %s "$order" >"${0%/*}/$name.json"
    echo "{\"provider_id\":\"$name\",\"name\":\"$name\",\"os_type\":\"linux\",\"os_arch\":\"amd64\",\"status\":\"running\"}"
    ;;
ListInstances)
    echo '[]'
    ;;
esac
`

func provider(t testing.TB, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, "provider")
	must(t, os.WriteFile(path, []byte(script), 0o700))
	return fmt.Sprintf(`
[[provider]]
name = %q
provider_type = "external"
[provider.external]
provider_executable = %q
environment_variables = ["PATH"]
`, name, path)
}
