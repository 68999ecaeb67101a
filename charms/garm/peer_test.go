package garm

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/garm-charms/garm-charms/pkg/plan"
)

func TestMemoryIsOfOneGARM(t *testing.T) {
	remembered := plan.Inventory{ScaleSets: map[uint]plan.Owned{1: {Application: "small", Provider: "small"}}}
	for _, row := range []struct {
		summary, before, now string
		kept                 bool
	}{
		{"the same GARM", "a", "a", true},
		{"written before controllers were remembered", "", "a", true},
		{"a GARM whose database is new", "a", "b", false},
	} {
		t.Run(row.summary, func(t *testing.T) {
			p := peer{controller: row.before, inventory: remembered}
			p.of(row.now, kindSQLite)
			assert.Equal(t, row.kept, len(p.inventory.ScaleSets) == 1)
			assert.Equal(t, row.now, p.controller)
			assert.Equal(t, kindSQLite, p.database)
		})
	}
}
