package configurator_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/garm-charms/garm-charms/pkg/integration/configurator"
	"github.com/garm-charms/garm-charms/pkg/plan"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
)

// declares is an application that declares a scale set of the organisation acme.
func declares(application, name, provider string) configurator.Declared {
	return configurator.Declared{Application: application, ScaleSet: runnerconfig.ScaleSet{
		Name: name, Org: "acme", Provider: runnerconfig.Provider{ProviderName: provider},
	}}
}

func TestContest(t *testing.T) {
	big := plan.Owned{Application: "big", Provider: "big", ScaleSet: "scale set big of organization acme"}
	unnamed := plan.Owned{Application: "big", Provider: "big"} // not looked at since it was made
	evil := plan.Owned{Application: "evil", Provider: "evil", ScaleSet: "scale set evil of organization acme"}
	hold := configurator.Declared{Application: "big", Hold: "Set flavor"}
	absent := configurator.Declared{Application: "big", Absent: true}
	const (
		provider = "provider big has a scale set of big; deploy evil under another application name, or wait until that scale set is gone"
		scaleSet = "scale set big of organization acme is already declared by big; give one of them another name"
	)
	for _, row := range []struct {
		summary  string
		owned    []plan.Owned
		declared []configurator.Declared
		order    []string
		refused  map[string]string
	}{
		{
			"provider of one who follows",
			[]plan.Owned{big},
			[]configurator.Declared{declares("evil", "evil", "big"), declares("big", "big", "big")},
			[]string{"big", "evil"},
			map[string]string{"evil": provider},
		},
		{
			"provider of one on hold",
			[]plan.Owned{evil, big},
			[]configurator.Declared{declares("evil", "evil", "big"), hold},
			nil,
			map[string]string{"evil": provider},
		},
		{"provider of one who is gone", []plan.Owned{unnamed}, []configurator.Declared{declares("evil", "big", "big")}, nil, map[string]string{"evil": provider}},
		{
			"provider that nobody had", nil,
			[]configurator.Declared{declares("evil", "evil", "big"), declares("big", "big", "big")},
			nil,
			map[string]string{"big": "provider big is already declared by evil; deploy one of them under another application name"},
		},
		{
			"scale set of one who follows",
			[]plan.Owned{big},
			[]configurator.Declared{declares("evil", "big", "evil"), declares("big", "big", "big")},
			[]string{"big", "evil"},
			map[string]string{"evil": scaleSet},
		},
		{"scale set of one who declares nothing", []plan.Owned{big}, []configurator.Declared{declares("evil", "big", "evil"), absent}, nil, map[string]string{"evil": scaleSet}},
		{
			"scale set of one who is refused",
			[]plan.Owned{big, evil},
			[]configurator.Declared{declares("third", "big", "third"), declares("big", "evil", "big"), declares("evil", "evil", "evil")},
			[]string{"evil", "third", "big"},
			map[string]string{"third": scaleSet, "big": "scale set evil of organization acme is already declared by evil; give one of them another name"},
		},
		{"scale set of one who is gone", []plan.Owned{big}, []configurator.Declared{declares("small", "big", "small")}, nil, nil},
		{"scale set of one who has another now", []plan.Owned{big}, []configurator.Declared{declares("big", "huge", "big"), declares("small", "big", "small")}, nil, nil},
		{
			"own provider under a former one's scale set",
			[]plan.Owned{{Application: "small", Provider: "big", ScaleSet: big.ScaleSet}},
			[]configurator.Declared{declares("small", "big", "small"), declares("another", "another", "another")},
			nil, nil,
		},
		{
			"order before the scale set was looked at",
			[]plan.Owned{evil, unnamed},
			[]configurator.Declared{declares("evil", "big", "evil"), declares("big", "big", "big")},
			[]string{"big", "evil"},
			nil,
		},
	} {
		t.Run(row.summary, func(t *testing.T) {
			inventory := plan.Inventory{ScaleSets: map[uint]plan.Owned{}}
			for i, owned := range row.owned {
				inventory.ScaleSets[uint(i+1)] = owned
			}
			var order []string
			refused := map[string]string{}
			for _, d := range configurator.Contest(row.declared, inventory) {
				order = append(order, d.Application)
				if d.Invalid != nil {
					refused[d.Application] = d.Invalid.Error()
				}
			}
			if row.order == nil {
				for _, d := range row.declared {
					row.order = append(row.order, d.Application)
				}
			}
			if row.refused == nil {
				row.refused = map[string]string{}
			}
			assert.Equal(t, row.order, order)
			assert.Equal(t, row.refused, refused)
		})
	}
}
