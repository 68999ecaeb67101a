package status_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/workload"
)

// What only GARM's log has is told to the configurator that it is about, if that can be told, and by garm's unit.
func TestTroubles(t *testing.T) {
	const quota = "quota exceeded"
	refused := func(runner string) workload.Troubles {
		return workload.Troubles{Refuses: "the last", Refused: map[string]string{runner: quota}}
	}
	for _, row := range []struct {
		summary  string
		troubles workload.Troubles
		answer   string // empty if it is ready
		unit     string
	}{
		{"none", workload.Troubles{}, "", "active: 1 scale set, 2/3 runners"},
		{
			"no session",
			workload.Troubles{Unheard: map[uint]string{5: "conflict"}},
			"GARM does not hear of jobs from GitHub: conflict", "waiting: small: GARM does not hear of jobs from GitHub: conflict",
		},
		{"no session for others", workload.Troubles{Unheard: map[uint]string{9: "conflict"}}, "", "active: 1 scale set, 2/3 runners"},
		{"a refused runner", refused("r1"), "the cloud refuses runners: " + quota, "waiting: small: the cloud refuses runners: " + quota},
		{"a runner that was refused once", workload.Troubles{Refused: map[string]string{"r1": quota}}, "", "active: 1 scale set, 2/3 runners"},
		{"a refused runner that has gone", refused("gone"), "", "waiting: A cloud refuses runners: the last"},
		{"a refused runner of others", refused("theirs"), "", "active: 1 scale set, 2/3 runners"},
	} {
		t.Run(row.summary, func(t *testing.T) {
			f := standing(func(p *pass) {
				p.have.ScaleSets = append(p.have.ScaleSets, desired.ScaleSet{
					ScaleSetKey: desired.ScaleSetKey{Entity: organization("acme"), Name: "by-hand"}, ID: 9, Runners: []desired.Runner{{Name: "theirs"}},
				})
			}).findings()
			f.Troubles = row.troubles
			answers := f.Judge()
			answer := answers["garm-configurator:1"]
			assert.Equal(t, row.answer, answer.Message)
			assert.Equal(t, row.answer == "", answer.Status == "ready")
			unit := f.Summary(answers)
			assert.Equal(t, row.unit, string(unit.Level)+": "+unit.Message)
		})
	}
}
