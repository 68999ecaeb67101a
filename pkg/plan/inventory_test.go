package plan_test

import (
	"encoding/json"
	"strings"
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
		3: {Application: "small", Provider: "other", ScaleSet: "scale set small of organization acme"},     // wanted: taken over, with the provider that its runners are on
		4: {Application: "former", Provider: "cloud", ScaleSet: "scale set unwanted of organization acme"}, // known before
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

func TestKept(t *testing.T) {
	current, inventory := world(t, `
credential app
credential by-hand foreign
credential pythons pythons
organization acme credential=app
organization other credential=app
organization theirs credential=by-hand
organization former credential=pythons
scale-set small of=acme
scale-set large of=acme
scale-set going of=other
scale-set aside of=theirs app=small
scale-set old of=former app=small
scale-set by-hand of=acme foreign`)
	assert.Empty(t, inventory.Kept(current, set("new")))
	kept := inventory.Kept(current, set("small", "new"))
	require.Len(t, kept, 1, "what is not the charm's, or has still to become so, is not")
	assert.Equal(t, "small: acme app", kept[0].Application+": "+kept[0].Name+" "+kept[0].Credential)
	assert.True(t, kept[0].Users["large"])
	assert.False(t, kept[0].Users["going"])
}

// What the Python charm had is taken over with its credentials, and is still the charm's own when only half of it is done.
func TestSettleTakesOver(t *testing.T) {
	current, _ := world(t, `
credential app pythons
credential by-hand foreign
organization acme credential=app foreign
organization unwanted credential=app foreign
organization theirs credential=by-hand foreign
scale-set small of=acme provider=small-0 foreign
scale-set by-hand of=acme foreign`)
	want := wanted(t, `
credential app
organization acme credential=app
scale-set small of=acme`)
	settled := plan.Inventory{TakesOver: true}.Settle(current, want)
	assert.Equal(t, plan.Inventory{
		Entities:  map[string]bool{"3": true, "4": true},
		ScaleSets: map[uint]plan.Owned{6: {Application: "small", Provider: "small-0", ScaleSet: "scale set small of organization acme"}},
		TakesOver: true, Certificates: map[string]string{},
	}, settled)
	assert.Equal(t, settled, settled.Clone())
	assert.Empty(t, plan.Inventory{}.Settle(current, want).Entities, "what is described like the Python charm's is somebody else's, unless there was one")
}

func TestInventoryIsKeptAsJSON(t *testing.T) {
	inventory := plan.Inventory{Entities: map[string]bool{"uuid": true}, ScaleSets: map[uint]plan.Owned{7: {Application: "small", Provider: "cloud"}}}
	text, err := json.Marshal(inventory)
	require.NoError(t, err)
	assert.JSONEq(t, `{"entities":{"uuid":true},"scale-sets":{"7":{"application":"small","provider":"cloud"}}}`, string(text))
	var read plan.Inventory
	require.NoError(t, json.Unmarshal(text, &read))
	assert.Equal(t, inventory, read)

	text, err = json.Marshal(plan.Inventory{TakesOver: true})
	require.NoError(t, err)
	assert.JSONEq(t, `{"takes-over":true}`, string(text))

	var empty plan.Inventory
	clone := empty.Clone()
	clone.Entities["a"], clone.ScaleSets[1] = true, plan.Owned{}
	again := clone.Clone()
	again.Entities["b"] = true
	assert.NotContains(t, clone.Entities, "b")
}

// The Python charm marks credentials with one text for all, and its templates not at all.
func TestDiffTakesOver(t *testing.T) {
	const have = `
credential app pythons
credential former pythons
credential by-hand foreign
organization acme credential=app
template github_linux_charmed pythons
template github_linux-large pythons
template github_linux-gone pythons
template by-hand foreign
scale-set small of=acme template=github_linux_charmed provider=small-0
scale-set large of=acme template=github_linux-large provider=large-0
scale-set by-hand of=acme template=by-hand foreign`
	const want = `
credential app
organization acme credential=app
template github_linux-large
scale-set small of=acme provider=small-0
scale-set large of=acme template=github_linux-large provider=large-0`
	current, inventory := world(t, have)
	scope := plan.Scope{Inventory: inventory, Providers: set("small-0", "large-0")}
	assert.Equal(t, "update scale set small of organization acme: template github_linux_charmed -> GARM's own\n"+
		"defer template github_linux-large: GARM has another template of that name; rename or delete it there\n", plan.Diff(current, wanted(t, want), scope).String(),
		"without a Python charm before, they are somebody else's")
	scope.Inventory.TakesOver = true
	assert.Equal(t, strings.TrimLeft(`
update credential app: its App, key or token has changed
update template github_linux-large: the runner options or GARM's system template have changed
update scale set small of organization acme: template github_linux_charmed -> GARM's own
delete template github_linux_charmed: no scale set refers to it any more
delete credential former: no configurator uses it any more
`, "\n"), plan.Diff(current, wanted(t, want), scope).String())

	// A configurator that has not published yet keeps what it used.
	scope.Held = set("small")
	assert.NotContains(t, plan.Diff(current, wanted(t, strings.ReplaceAll(want, "scale-set small of=acme provider=small-0\n", "")), scope).String(), "small")
	assert.NotContains(t, plan.Diff(current, wanted(t, strings.ReplaceAll(want, "scale-set small of=acme provider=small-0\n", "")), scope).String(), "github_linux_charmed")
}
