package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Call is one run of a hook tool.
type Call struct {
	Tool  string
	Args  []string
	Stdin []byte // nil gives the tool an empty stdin
}

// Runner runs hook tools. An error of a tool that ran and refused must be a [*ToolError].
type Runner interface {
	Run(ctx context.Context, call Call) (stdout []byte, err error)
}

// Exec is the Runner that executes the real hook tools.
type Exec struct {
	// Dir holds the tools. Empty: they are looked up in PATH, which Juju's agent sets.
	Dir string
	// Env is the environment given to the tools. Nil: the process's own.
	Env []string
}

// Run executes the tool and kills it when ctx ends; the error then wraps the context's.
func (e Exec) Run(ctx context.Context, call Call) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := e.command(ctx, call)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return stdout.Bytes(), nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("cannot run %s: %w", call.Tool, ctx.Err())
	case errors.As(err, &exit):
		return nil, newToolError(call.Tool, exit.ExitCode(), stderr.String())
	}
	return nil, fmt.Errorf("cannot run %s: %w", call.Tool, err)
}

func (e Exec) command(ctx context.Context, call Call) *exec.Cmd {
	program := call.Tool
	if e.Dir != "" {
		program = filepath.Join(e.Dir, call.Tool)
	}
	cmd := exec.CommandContext(ctx, program, call.Args...) //nolint:gosec // tools are named by this package's constants
	cmd.Env = e.Env
	cmd.WaitDelay = time.Second
	if call.Stdin != nil {
		cmd.Stdin = bytes.NewReader(call.Stdin)
	}
	return cmd
}

// What a hook tool's refusal means, for callers that act on it.
var (
	// ErrSecretNotFound: no such secret, or what was given is no secret URI.
	ErrSecretNotFound = errors.New("secret not found")
	// ErrPermission: a secret that is not granted, or a databag this unit may not read.
	ErrPermission = errors.New("permission denied")
	// ErrNotLeader: the unit does not lead its application, any more.
	ErrNotLeader = errors.New("not the leader")
	// ErrRelationGone: the relation, or the unit in it, is no more.
	ErrRelationGone = errors.New("relation gone")
)

// ToolError is a hook tool that exited with an error. It unwraps to one of the errors above, if it means one of them.
// It holds no arguments, since action-set's may be secret.
type ToolError struct {
	Tool    string
	Code    int    // exit status
	Message string // the tool's stderr, without the leading "ERROR"
	meaning error
}

// Error says which tool failed and what it said.
func (e *ToolError) Error() string {
	return fmt.Sprintf("cannot run %s: %s (exit status %d)", e.Tool, e.Message, e.Code)
}

// Unwrap returns what the refusal means, or nil.
func (e *ToolError) Unwrap() error {
	return e.meaning
}

func newToolError(tool string, code int, stderr string) *ToolError {
	message := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(stderr), "ERROR "))
	return &ToolError{Tool: tool, Code: code, Message: message, meaning: meaningOf(tool, message)}
}

// meaningOf is the only place that reads the tools' words; they have no codes. Sources, all in Juju:
// worker/uniter/runner/context/context.go (Relation, GrantSecret), state/relationunit.go (settings),
// apiserver/facades/agent/secretsmanager/secrets.go (not found), worker/uniter/runner/jujuc/secret-get.go (not valid),
// apiserver/errors/errors.go (permission denied).
func meaningOf(tool, message string) error {
	for _, known := range []struct {
		tool, words string
		meaning     error
	}{
		{"", "relation not found", ErrRelationGone},
		{"relation-", "settings not found", ErrRelationGone},
		{"relation-get", "permission denied", ErrPermission},
		{"secret-get", "permission denied", ErrPermission},
		{"status-set", " is not leader of ", ErrNotLeader},
		{"secret-get", " not valid", ErrSecretNotFound},
		{"secret-", " not found", ErrSecretNotFound},
	} {
		if strings.HasPrefix(tool, known.tool) && strings.Contains(message, known.words) {
			return known.meaning
		}
	}
	return nil
}
