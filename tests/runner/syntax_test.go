package runner_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"mvdan.cc/sh/v3/syntax"
)

// TestEveryCombinationOfOptionsIsShell parses the scripts of a runner with an independent parser: the pre-install scripts,
// the install script as GARM serves it in each of its modes, and the scripts that it writes.
func TestEveryCombinationOfOptionsIsShell(t *testing.T) {
	t.Parallel()
	base := garmFile(t, "github_linux_userdata.tmpl")
	parts := []options{
		{"DockerHubMirror": "https://mirror.test"},
		{"RunnerHTTPProxy": "http://proxy.test:3128"},
		{"OTelCollectorEndpoint": "http://otel.test:4317"},
		{"PreJobScript": "#!/bin/sh\ndocker ps --format '{{.Names}}'\nEND_OF_FILE\n"},
		{"RefuseExternalContributor": true},
		{"Tmate": map[string]string{"Host": "192.0.2.1", "Port": "22", "RSAFingerprint": "SHA256:a", "ED25519Fingerprint": "SHA256:b"}},
		{"UseRunnerProxyForTmate": true},
	}
	var requests []request
	for mask := range 1 << len(parts) {
		o := options{}
		for i, part := range parts {
			if mask&(1<<i) != 0 {
				maps.Copy(o, part)
			}
		}
		requests = append(requests, request{Base: base, Options: o})
	}
	seen := map[string]bool{}
	for _, r := range render(t, requests) {
		for _, script := range r.PreInstall {
			parse(t, string(script), seen)
		}
		for mode := range 4 {
			s := site{jit: mode&1 != 0, agent: mode&2 != 0}
			parse(t, string(execute(t, string(r.Template), s.installContext())), seen)
		}
	}
	assert.Greater(t, len(seen), 4*len(requests)/2, "scripts that differ")
}

// parse parses a script and, of the texts that it writes to files, those that are scripts for bash.
func parse(t *testing.T, script string, seen map[string]bool) {
	t.Helper()
	if seen[script] {
		return
	}
	seen[script] = true
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(script), "")
	require.NoError(t, err, script)
	syntax.Walk(file, func(node syntax.Node) bool {
		if r, is := node.(*syntax.Redirect); is && r.Hdoc != nil {
			if text := r.Hdoc.Lit(); strings.HasPrefix(text, "#!/bin/bash") {
				parse(t, text, seen)
			}
		}
		return true
	})
}
