package bootstrap

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"text/template"
)

// anchor is the line of GARM's github_linux template before which the runner's block goes: the runner is unpacked by
// then, be it downloaded or cached, and neither configured nor started, in each of GARM's modes.
const anchor = `sendStatus "configuring runner"`

// AnchorError says that a template has no place for the blocks, so that nothing was put in.
type AnchorError struct {
	// Line is what should stand in the template exactly once, as a whole line.
	Line string
	// Count is how often it does.
	Count int
}

func (e *AnchorError) Error() string {
	return fmt.Sprintf("cannot put runner options into the template: it has the line %q %d times, not once", e.Line, e.Count)
}

// Template returns base, a template of GARM's, with the blocks of o put in; base itself when no option is set. The result
// was executed: what o holds comes out of it byte for byte. It returns an *AnchorError when base has no place for
// the blocks, and another error when an option cannot be rendered or the result is not a template that executes.
func Template(base []byte, o Options) ([]byte, error) {
	b, err := Render(o)
	if err != nil {
		return nil, err
	}
	if b == (Blocks{}) {
		return base, nil
	}
	text, err := insert(string(base), b)
	if err != nil {
		return nil, err
	}
	if err := execute(text, b); err != nil {
		return nil, fmt.Errorf("cannot put runner options into the template: %w", err)
	}
	return []byte(text), nil
}

func insert(base string, b Blocks) (string, error) {
	shebang, rest, _ := strings.Cut(base, "\n")
	if !strings.HasPrefix(shebang, "#!") {
		return "", &AnchorError{Line: "#!/bin/bash"}
	}
	var out strings.Builder
	out.WriteString(shebang + "\n" + escape(b.Host))
	count := 0
	for line := range strings.Lines(rest) {
		if strings.TrimSuffix(line, "\n") == anchor {
			out.WriteString(escape(b.Runner))
			count++
		}
		out.WriteString(line)
	}
	if count != 1 {
		return "", &AnchorError{Line: anchor, Count: count}
	}
	return out.String(), nil
}

// escape makes template text that executes to text. Only the opening braces begin an action: closing ones are text.
func escape(text string) string {
	return strings.ReplaceAll(text, "{{", `{{"{{"}}`)
}

// execute does with the template what GARM will do when a runner boots (GARM internal/templates/templates.go), in each
// mode, and looks for the blocks in what comes out: actions beside them can trim the lines they stand on.
func execute(text string, b Blocks) error {
	t, err := template.New("").Parse(text)
	if err != nil {
		return err
	}
	host, runner := []byte("\n"+b.Host), []byte("\n"+b.Runner)
	var out bytes.Buffer
	out.Grow(len(text))
	for mode := range 4 {
		out.Reset()
		if err := t.Execute(&out, installContext(mode&1 != 0, mode&2 != 0)); err != nil {
			return err
		}
		if !bytes.Contains(out.Bytes(), host) || !bytes.Contains(out.Bytes(), runner) {
			return errors.New("it changes the lines around them")
		}
	}
	return nil
}

// installContext stands for the data GARM executes a template with (GARM internal/templates/templates.go InstallContext,
// garm-provider-common cloudconfig/templates.go InstallRunnerParams). It is a map so that a field which a
// newer GARM has is empty, and not an error.
func installContext(jit, agent bool) map[string]any {
	return map[string]any{
		"FileName": "runner.tar.gz", "DownloadURL": "https://download.example/runner.tar.gz", "TempDownloadToken": "token",
		"RunnerUsername": "runner", "RunnerGroup": "runner", "RunnerName": "runner", "RunnerLabels": "label",
		"RepoURL": "https://github.example/owner", "GitHubRunnerGroup": "Default",
		"MetadataURL": "https://garm.example/api/v1/metadata", "CallbackURL": "https://garm.example/api/v1/callbacks",
		"CallbackToken": "token", "CABundle": "", "EnableBootDebug": false, "ExtraContext": map[string]string{},
		"UseJITConfig": jit, "AgentMode": agent, "AgentDownloadURL": "https://garm.example/agent",
		"AgentURL": "wss://garm.example/agent", "AgentToken": "token", "AgentShell": "false",
	}
}
