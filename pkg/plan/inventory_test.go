package plan_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/plan"
)

func TestSettle(t *testing.T) {
	inventory := plan.Inventory{
		Entities:  map[string]bool{"2": true, "gone": true},
		ScaleSets: map[uint]plan.Owned{4: {Application: "former", Provider: "cloud"}, 99: {Application: "gone", Provider: "cloud"}},
	}
	current, _ := world(t, `
credential app
organization acme credential=app
scale-set small of=acme provider=other foreign
scale-set unwanted of=acme
scale-set by-hand of=acme foreign
organization theirs credential=app foreign
credential by-hand foreign
organization late credential=app
organization hers credential=by-hand`)
	want := wanted(t, `
credential app
organization acme credential=app
organization late credential=app
organization hers credential=app
scale-set small of=acme`)
	settled := inventory.Settle(current, want)
	assert.Equal(t, map[string]bool{"2": true, "8": true}, settled.Entities,
		"those that were its own, and one that is wanted and uses its credential; neither one that is not wanted nor one with another's credential")
	assert.Equal(t, map[uint]plan.Owned{
		3: {Application: "small", Provider: "other"},  // wanted: taken over, with the provider that its runners are on
		4: {Application: "former", Provider: "cloud"}, // known before
	}, settled.ScaleSets)
	assert.Contains(t, inventory.ScaleSets, uint(99), "the argument stays")
}

// What a server needs to be trusted is known for as long as GARM has the server, in the words of who declared it.
func TestSettleCertificates(t *testing.T) {
	current, _ := world(t, `
endpoint drained ca=drained
endpoint known ca=sanitised
endpoint wanted ca=old
endpoint public
endpoint theirs ca=theirs foreign`)
	want := wanted(t, `
endpoint wanted ca=new
endpoint coming ca=coming`)
	known := plan.Inventory{Certificates: map[string]string{"known": "declared", "wanted": "old", "gone": "gone"}}
	assert.Equal(t, map[string]string{"drained": "drained", "known": "declared", "wanted": "new", "coming": "coming"}, known.Settle(current, want).Certificates)
}

func TestInventoryIsKeptAsJSON(t *testing.T) {
	inventory := plan.Inventory{Entities: map[string]bool{"uuid": true}, ScaleSets: map[uint]plan.Owned{7: {Application: "small", Provider: "cloud"}}}
	text, err := json.Marshal(inventory)
	require.NoError(t, err)
	assert.JSONEq(t, `{"entities":{"uuid":true},"scale-sets":{"7":{"application":"small","provider":"cloud"}}}`, string(text))
	var read plan.Inventory
	require.NoError(t, json.Unmarshal(text, &read))
	assert.Equal(t, inventory, read)

	var empty plan.Inventory
	clone := empty.Clone()
	clone.Entities["a"], clone.ScaleSets[1] = true, plan.Owned{}
	again := clone.Clone()
	again.Entities["b"] = true
	assert.NotContains(t, clone.Entities, "b")
}
