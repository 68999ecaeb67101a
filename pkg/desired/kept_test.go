package desired_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/garm-charms/garm-charms/pkg/desired"
)

// An organisation with a scale set of an application on hold gets another App by those only who have one there too.
func TestBuildBesideWhatIsKept(t *testing.T) {
	state, _ := desired.Build([]desired.Declaration{declared("former")}, []byte(base))
	kept := desired.Kept{Entity: state.Entities[0], Application: "former", Users: map[string]bool{"member": true}}
	const conflict = "organization acme is registered with the GitHub App or token of former; correct the configuration of that first, or give both the same"
	for _, row := range []struct {
		summary  string
		declared desired.Declaration
		conflict string
	}{
		{"the same App", declared("newcomer"), ""},
		{"another App", declared("newcomer", app(43, 7)), conflict},
		{"a token", declared("newcomer", token("t")), conflict},
		{"in another organisation", declared("newcomer", app(43, 7), org("another")), ""},
		{"on another server", declared("newcomer", app(43, 7), server("https://ghes", "ca")), ""},
		{"of one that is there", declared("member", app(43, 7)), ""},
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
			assert.Equal(t, []desired.Conflict{{Application: "newcomer", Reason: row.conflict}}, conflicts)
			assert.Equal(t, desired.State{}, beside)
		})
	}
}
