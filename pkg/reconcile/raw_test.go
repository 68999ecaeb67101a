package reconcile_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// request is one that was sent to GARM, with the answer.
type request struct {
	method, uri  string
	body, answer []byte
}

// recorder passes requests on to GARM and remembers them.
type recorder struct {
	URL string

	proxy *httputil.ReverseProxy

	mu       sync.Mutex
	requests []request
}

func newRecorder(t testing.TB, garm string) *recorder {
	t.Helper()
	target, err := url.Parse(garm)
	require.NoError(t, err)
	r := &recorder{proxy: httputil.NewSingleHostReverseProxy(target)}
	front := httptest.NewServer(r)
	t.Cleanup(front.Close)
	r.URL = front.URL
	return r
}

// ServeHTTP implements http.Handler.
func (r *recorder) ServeHTTP(w http.ResponseWriter, in *http.Request) {
	body, err := io.ReadAll(in.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	in.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	r.proxy.ServeHTTP(answer, in)
	r.mu.Lock()
	r.requests = append(r.requests, request{in.Method, in.URL.RequestURI(), body, answer.Body.Bytes()})
	r.mu.Unlock()
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// take returns the requests since it was last called.
func (r *recorder) take() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	requests := r.requests
	r.requests = nil
	return requests
}

// replay sends requests again, one after another, and returns how long that takes. Objects that they create get other IDs
// than when they were recorded.
func (l *lab) replay(requests []request) time.Duration {
	l.t.Helper()
	ids := map[string]string{} // recorded ID to present one
	present := func(recorded string) string {
		if id, known := ids[recorded]; known {
			return id
		}
		return recorded
	}
	entity, template := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`), regexp.MustCompile(`"template_id":\d+`)
	token := l.token()
	begin := time.Now()
	for _, r := range requests {
		uri := entity.ReplaceAllStringFunc(r.uri, present)
		body := template.ReplaceAllFunc(r.body, func(key []byte) []byte { return []byte(present(string(key))) })
		answer := l.send(r.method, uri, token, body)
		if r.method != http.MethodPost {
			continue
		}
		was, is := idIn(r.answer), idIn(answer)
		ids[was] = is
		if strings.HasSuffix(uri, "/templates") {
			ids[`"template_id":`+was] = `"template_id":` + is
		}
	}
	return time.Since(begin)
}

func (l *lab) send(method, uri string, token string, body []byte) []byte {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), method, l.server.URL+uri, bytes.NewReader(body))
	require.NoError(l.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(l.t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(l.t, err)
	require.Equal(l.t, http.StatusOK, res.StatusCode, "%s %s: %s", method, uri, answer)
	return answer
}

// token logs in to GARM.
func (l *lab) token() string {
	l.t.Helper()
	body, err := json.Marshal(map[string]string{"username": l.admin.Username, "password": l.admin.Password.Reveal()})
	require.NoError(l.t, err)
	var answer struct{ Token string }
	require.NoError(l.t, json.Unmarshal(l.send(http.MethodPost, "/api/v1/auth/login", "", body), &answer))
	return answer.Token
}

func idIn(answer []byte) string {
	var object struct {
		ID json.RawMessage `json:"id"`
	}
	if json.Unmarshal(answer, &object) != nil {
		return ""
	}
	return strings.Trim(string(object.ID), `"`)
}

// resetPeak makes peakKiB count from now (Linux, proc_pid_clear_refs(5)).
func resetPeak(t testing.TB) {
	t.Helper()
	debug.FreeOSMemory()
	require.NoError(t, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0))
}

// peakKiB is the most memory that the process has had.
func peakKiB(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	require.NotNil(t, found)
	kib, err := strconv.Atoi(string(found[1]))
	require.NoError(t, err)
	return kib
}
