package garmtest

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Forge is a running GitHub simulator (tests/cmd/github), as a GitHub Enterprise Server.
type Forge struct {
	URL string // such as https://localhost:34567

	control string
	certs   string
}

// GitHub runs a GitHub with nothing in it until the test ends.
func GitHub(t testing.TB) *Forge {
	t.Helper()
	certs := t.TempDir()
	out, err := os.Create(filepath.Join(t.TempDir(), "github.log"))
	must(t, err)
	defer closing(t, out)
	cmd := exec.Command(build(t, "tests", "./cmd/github"), "-listen", "127.0.0.1:0", "-control", "127.0.0.1:0", "-certs", certs)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})

	said := regexp.MustCompile(`(?m)^GitHub: \S+:(\d+)\ncontrol: (\S+)$`)
	for end := time.Now().Add(startLimit); ; time.Sleep(pollPause) {
		text, err := os.ReadFile(out.Name())
		must(t, err)
		if found := said.FindSubmatch(text); found != nil {
			return &Forge{URL: "https://localhost:" + string(found[1]), control: string(found[2]), certs: certs}
		}
		if time.Now().After(end) {
			t.Fatalf("GitHub did not start: %s", text)
		}
	}
}

// CA returns the certificate (PEM) that it must be trusted by.
func (f *Forge) CA(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.certs, "ca.pem"))
	must(t, err)
	return text
}

// Do makes a request of the simulator's control API, which is described in tests/cmd/github/control.go, and returns the
// answer.
func (f *Forge) Do(t testing.TB, method, path, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, f.control+path, strings.NewReader(body))
	must(t, err)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer closing(t, res.Body)
	text, err := io.ReadAll(res.Body)
	must(t, err)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("cannot %s %s: %s", method, path, text)
	}
	return strings.TrimSpace(string(text))
}
