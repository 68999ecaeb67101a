package status_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/workload"
)

// What only GARM's log has is told to the configurator that it is about, if that can be told, and by garm's unit.
func TestTroubles(t *testing.T) {
	refused := func(prefix string) workload.Troubles {
		return workload.Troubles{Refused: map[string]string{prefix: "quota exceeded"}}
	}
	const ready = "active: 1 scale set, 2/3 runners"
	for _, row := range []struct {
		summary  string
		troubles workload.Troubles
		answer   string // empty if it is ready
		unit     string
	}{
		{"none", workload.Troubles{}, "", ready},
		{
			"no session",
			workload.Troubles{Unheard: map[uint]string{5: "conflict"}},
			"GARM does not hear of jobs from GitHub: conflict", "waiting: small: GARM does not hear of jobs from GitHub: conflict",
		},
		{"no session for others", workload.Troubles{Unheard: map[uint]string{9: "conflict"}}, "", ready},
		{"refused runners", refused("own"), "the cloud refuses runners: quota exceeded", "waiting: small: the cloud refuses runners: quota exceeded"},
		{"refused runners of one of two", refused("garm"), "", "waiting: A cloud refuses runners: quota exceeded"},
		{"of two that others made", refused("theirs"), "", ready},
		{"of one that others made", refused("hers"), "", ready},
		{"of nobody's", refused("gone"), "", ready},
	} {
		t.Run(row.summary, func(t *testing.T) {
			f := standing(func(p *pass) {
				p.have.ScaleSets[0].RunnerPrefix, p.want.ScaleSets[0].RunnerPrefix = "Own", "Own"
				if _, isShared := row.troubles.Refused["garm"]; isShared {
					p.have.ScaleSets[0].RunnerPrefix, p.want.ScaleSets[0].RunnerPrefix = "garm", "garm"
				}
				for i, prefix := range []string{"garm", "theirs", "theirs", "hers", "own"} {
					other := desired.ScaleSet{ScaleSetKey: desired.ScaleSetKey{Entity: organization("acme"), Name: fmt.Sprint("by-hand-", i)}, ID: 9 + uint(i)}
					other.RunnerPrefix, other.Enabled = prefix, prefix != "own"
					p.have.ScaleSets = append(p.have.ScaleSets, other)
				}
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
