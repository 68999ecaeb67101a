package desired_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/garm-charms/garm-charms/pkg/desired"
)

// What the scale sets of an application on hold are in is changed by nobody, and shared by those who leave it as it is.
func TestBuildBesideWhatIsKept(t *testing.T) {
	former := declared("former", server("https://ghes", "ca"))
	state, _ := desired.Build([]desired.Declaration{former}, []byte(base))
	kept := desired.Kept{Application: "former", Entity: state.Entities[0], Endpoint: state.Endpoints[0]}
	for _, row := range []struct {
		summary  string
		declared desired.Declaration
		conflict string
	}{
		{"the same", declared("second", server("https://ghes", "ca")), ""},
		{"another organisation", declared("second", server("https://ghes", "ca"), org("another")), ""},
		{"another server", declared("second"), ""},
		{
			"another App", declared("second", server("https://ghes", "ca"), app(43, 7)),
			"organization acme at ghes is registered with the GitHub App or token of former; give both the same",
		},
		{
			"a token", declared("second", server("https://ghes", "ca"), token("t")),
			"organization acme at ghes is registered with the GitHub App or token of former; give both the same",
		},
		{
			"another certificate", declared("second", server("https://ghes", "other"), org("another")),
			"former has other URLs or another certificate for the server https://ghes; give both the same",
		},
	} {
		t.Run(row.summary, func(t *testing.T) {
			alone, none := desired.Build([]desired.Declaration{row.declared}, []byte(base))
			assert.Empty(t, none)
			beside, conflicts := desired.Build([]desired.Declaration{row.declared}, []byte(base), kept)
			if row.conflict == "" {
				assert.Empty(t, conflicts)
				assert.Equal(t, alone, beside)
				return
			}
			assert.Equal(t, []desired.Conflict{{Application: "second", Reason: row.conflict}}, conflicts)
			assert.Equal(t, desired.State{}, beside)
		})
	}
}
