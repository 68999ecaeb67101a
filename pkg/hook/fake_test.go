package hook_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/hook"
)

const (
	fakeDirVariable = "FAKE_HOOK_TOOL_DIR"

	modelUUID = "062e14e3-821f-49a0-852f-2a8633e4b295"
	secretID  = "9m4e2mr0ui3e8a215n4g"
	uri       = "secret://" + modelUUID + "/" + secretID
)

// TestMain lets the test binary be every hook tool: the code under test executes a real process.
func TestMain(m *testing.M) {
	if dir := os.Getenv(fakeDirVariable); dir != "" {
		os.Exit(fakeTool(dir))
	}
	os.Exit(m.Run())
}

// call is what a fake tool saw.
type call struct {
	Tool, Stdin string
	Args        []string
	// File is the content of the file named by --file=, read while the tool runs, and FileMode its permissions.
	File     string
	FileMode os.FileMode
}

func (c call) String() string {
	return strings.Join(append([]string{c.Tool}, c.Args...), " ")
}

// answer is what a fake tool does; the zero value prints nothing and succeeds.
type answer struct {
	Stdout, Stderr string
	Code           int
	Hang           bool
}

// tools is a directory of fake hook tools.
type tools struct {
	t   *testing.T
	dir string
}

// newTools answers by command line ("is-leader --format=json") or, for any arguments, by tool name.
func newTools(t *testing.T, answers map[string]answer) tools {
	t.Helper()
	encoded, err := json.Marshal(answers)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "answers"), encoded, 0o600))
	return tools{t: t, dir: dir}
}

func (f tools) runner() hook.Exec {
	f.t.Helper()
	self, err := os.Executable()
	require.NoError(f.t, err)
	for _, tool := range []string{
		"action-fail", "action-get", "action-log", "action-set", "application-version-set", "close-port", "config-get",
		"goal-state", "is-leader", "juju-log", "network-get", "open-port", "opened-ports", "relation-get", "relation-ids",
		"relation-list", "relation-set", "secret-add", "secret-get", "secret-grant", "secret-ids", "secret-info-get",
		"secret-remove", "secret-revoke", "secret-set", "status-get", "status-set", "storage-get", "storage-list",
	} {
		require.NoError(f.t, os.Symlink(self, filepath.Join(f.dir, tool)))
	}
	return hook.Exec{Dir: f.dir, Env: []string{
		fakeDirVariable + "=" + f.dir,
		// What an instrumented test binary would otherwise add: a warning on stderr, a second at exit.
		"GOCOVERDIR=" + f.dir, "GORACE=atexit_sleep_ms=0",
	}}
}

// hookTools returns the tools with their files under the fake's directory.
func (f tools) hookTools() *hook.Tools {
	f.t.Helper()
	return hook.NewTools(hook.Env{CharmDir: f.dir, ModelUUID: modelUUID}, f.runner())
}

func (f tools) calls() []call {
	f.t.Helper()
	recorded, err := os.ReadFile(filepath.Join(f.dir, "calls"))
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(f.t, err)
	var calls []call
	for line := range strings.Lines(string(recorded)) {
		var seen call
		require.NoError(f.t, json.Unmarshal([]byte(line), &seen))
		calls = append(calls, seen)
	}
	return calls
}

// commandLines are the calls without what went in by other ways.
func (f tools) commandLines() []string {
	f.t.Helper()
	var lines []string
	for _, seen := range f.calls() {
		lines = append(lines, seen.String())
	}
	return lines
}

// assertNoSecretFile asserts that no file of secrets outlived its tool.
func (f tools) assertNoSecretFile() {
	f.t.Helper()
	left, err := filepath.Glob(filepath.Join(f.dir, ".secret-*"))
	require.NoError(f.t, err)
	assert.Empty(f.t, left)
}

func fakeTool(dir string) int {
	reply, err := record(dir)
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "fake tool:", err)
		return 3
	}
	if reply.Hang {
		time.Sleep(time.Minute)
	}
	_, _ = os.Stdout.WriteString(reply.Stdout)
	_, _ = os.Stderr.WriteString(reply.Stderr)
	return reply.Code
}

func record(dir string) (answer, error) {
	seen := call{Tool: filepath.Base(os.Args[0]), Args: os.Args[1:]}
	stdin, err := io.ReadAll(os.Stdin)
	if err != nil {
		return answer{}, err
	}
	seen.Stdin = string(stdin)
	for _, arg := range seen.Args {
		name, isFile := strings.CutPrefix(arg, "--file=")
		if !isFile {
			continue
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return answer{}, err
		}
		info, err := os.Stat(name)
		if err != nil {
			return answer{}, err
		}
		seen.File, seen.FileMode = string(content), info.Mode().Perm()
	}
	return reply(dir, seen)
}

func reply(dir string, seen call) (answer, error) {
	line, err := json.Marshal(seen)
	if err != nil {
		return answer{}, err
	}
	calls, err := os.OpenFile(filepath.Join(dir, "calls"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = calls.Close() }()
	if _, err := calls.Write(append(line, '\n')); err != nil {
		return answer{}, err
	}
	encoded, err := os.ReadFile(filepath.Join(dir, "answers"))
	if err != nil {
		return answer{}, err
	}
	var answers map[string]answer
	if err := json.Unmarshal(encoded, &answers); err != nil {
		return answer{}, err
	}
	if found, ok := answers[seen.String()]; ok {
		return found, nil
	}
	return answers[seen.Tool], nil
}
