package desired_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/bootstrap"
	"github.com/garm-charms/garm-charms/pkg/desired"
)

// A server for debug sessions is no configurator's option, and every runner is told of it.
func TestBuildWithServerForDebugSessions(t *testing.T) {
	server := func(d *desired.Declaration) {
		d.Tmate = bootstrap.Tmate{Host: "10.1.2.3", Port: "10022", RSAFingerprint: "SHA256:a", ED25519Fingerprint: "SHA256:b"}
	}
	proxy := func(d *desired.Declaration) { d.RunnerHTTPProxy = "http://proxy:3128" }
	state, conflicts := desired.Build([]desired.Declaration{declared("plain", server), declared("proxied", server, proxy)}, []byte(base))
	require.Empty(t, conflicts)
	require.Len(t, state.Templates, 2)
	for i, want := range []struct {
		template string
		scripts  []string
	}{
		{"github_linux-plain", nil},
		{"github_linux-proxied", []string{"00-aproxy", "01-tmate-proxy"}},
	} {
		assert.Equal(t, want.template, state.ScaleSets[i].Template)
		assert.Contains(t, string(state.Templates[i].Data), "\ntmate_host='10.1.2.3'\n")
		var specs struct {
			Scripts map[string][]byte `json:"pre_install_scripts"`
		}
		require.NoError(t, json.Unmarshal([]byte(state.ScaleSets[i].ExtraSpecs), &specs))
		assert.Equal(t, want.scripts, slices.Sorted(maps.Keys(specs.Scripts)))
	}

	state, conflicts = desired.Build([]desired.Declaration{declared("plain")}, []byte(base))
	require.Empty(t, conflicts)
	assert.Empty(t, state.Templates)
	assert.Empty(t, state.ScaleSets[0].Template)
}
