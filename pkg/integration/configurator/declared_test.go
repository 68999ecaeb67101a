package configurator_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/configurator"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
)

// read is what garm reads in a new dispatch.
func (j *juju) read(units ...string) configurator.Declared {
	j.t.Helper()
	j.apps, j.units = []string{"small"}, units
	all, err := configurator.ReadAll(j.t.Context(), j.tools(), hook.Event{})
	require.NoError(j.t, err)
	require.Len(j.t, all, 1)
	assert.Equal(j.t, "small", all[0].Application)
	assert.Equal(j.t, relationID, all[0].RelationID)
	return all[0]
}

func TestWhatIsDeclaredIsRead(t *testing.T) {
	j := newJuju(t)
	j.declare(scaleSet(), values())
	got := j.read("small/0")
	require.NoError(t, got.Invalid)
	assert.True(t, got.Valid())
	want := scaleSet()
	want.ProviderName, want.PasswordSecret, want.PrivateKeySecret = "small", "secret:made0", "secret:made1"
	assert.Equal(t, want, got.ScaleSet)
	assert.Equal(t, values(), got.Secrets)
	assert.Equal(t, got, j.read("small/0", "small/1", "small/2"), "a unit that declares nothing does not count")
	j.bags["small/1"] = j.bags["small/0"]
	j.bags["small/0"] = nil
	assert.Equal(t, got, j.read("small/0", "small/1"), "nor the order of the units")
}

func TestWhatCannotBeFollowed(t *testing.T) {
	for _, row := range []struct {
		summary string
		change  func(*juju)
		want    configurator.Declared
		invalid string
	}{
		{"published nothing", func(j *juju) { j.bags["small/0"] = nil }, configurator.Declared{Absent: true}, ""},
		{"only what Juju puts there", func(j *juju) { j.bags["small/0"] = map[string]string{"ingress-address": "10.0.0.1"} }, configurator.Declared{Absent: true}, ""},
		{"no unit is there", func(j *juju) { j.refuse["relation-get small/0"] = hook.ErrRelationGone }, configurator.Declared{Absent: true}, ""},
		{"on hold", func(j *juju) { j.bags["small/0"]["hold"] = "Set flavor" }, configurator.Declared{Hold: "Set flavor"}, ""},
		{"on hold before it ever published", func(j *juju) { j.bags["small/0"] = map[string]string{"hold": "Set flavor"} }, configurator.Declared{Hold: "Set flavor"}, ""},
		{"a value that breaks the rules", func(j *juju) { j.bags["small/0"]["max_runner"] = "0" }, configurator.Declared{}, "must be at least 1"},
		{
			"its secret is not granted", func(j *juju) { j.refuse["secret-get secret:made0"] = fmt.Errorf("secret-get: %w", hook.ErrPermission) },
			configurator.Declared{},
			"cannot read the secret for openstack-password: ",
		},
		{
			"its secret is empty", func(j *juju) { j.secrets["secret:made1"].content = map[string]string{"other": "x"} },
			configurator.Declared{},
			`cannot use the secret for github-app-private-key: it has no value under the key "value"`,
		},
	} {
		t.Run(row.summary, func(t *testing.T) {
			j := newJuju(t)
			j.declare(scaleSet(), values())
			row.change(j)
			got := j.read("small/0")
			assert.False(t, got.Valid())
			if row.invalid != "" {
				require.ErrorContains(t, got.Invalid, row.invalid)
				assert.NotContains(t, got.Invalid.Error(), password)
				return
			}
			row.want.Application, row.want.RelationID = "small", relationID
			assert.Equal(t, row.want, got)
		})
	}
}

func TestReadAllLeavesOutTheBrokenRelation(t *testing.T) {
	j := newJuju(t)
	j.declare(scaleSet(), values())
	j.apps, j.units = []string{"small"}, nil
	all, err := configurator.ReadAll(t.Context(), j.tools(), hook.Event{Kind: hook.KindRelationBroken, RelationID: relationID})
	require.NoError(t, err)
	assert.Empty(t, all)
	all, err = configurator.ReadAll(t.Context(), j.tools(), hook.Event{Kind: hook.KindRelationBroken, RelationID: "garm-configurator:2"})
	require.NoError(t, err)
	assert.Len(t, all, 1, "another one is broken")
	j.apps = nil
	all, err = configurator.ReadAll(t.Context(), j.tools(), hook.Event{})
	require.NoError(t, err)
	assert.Empty(t, all)
}

func TestRespondWritesOnlyWhatIsNew(t *testing.T) {
	j := newJuju(t)
	respond := func(answer configurator.Answer) []string {
		t.Helper()
		require.NoError(t, configurator.Declared{RelationID: relationID}.Respond(t.Context(), j.tools(), "garm", answer))
		return j.taken()
	}
	ready := configurator.Answer{Status: "ready", ScaleSetID: "5", TemplateID: "12", ProviderName: "small"}
	assert.Equal(t, []string{"relation-set garm provider_name scaleset_id status template_id"}, respond(ready))
	assert.Empty(t, respond(ready))
	assert.Equal(t, ready, j.publication().Answer)
	ready.Status, ready.Message = "pending", "GARM is starting"
	assert.Equal(t, []string{"relation-set garm message status"}, respond(ready))
	j.bags["garm"]["other"] = "stays"
	respond(configurator.Answer{})
	assert.Equal(t, map[string]string{"other": "stays"}, j.bags["garm"])

	j.refuse["relation-get"] = errors.New("agent is gone")
	require.ErrorContains(t, configurator.Declared{}.Respond(t.Context(), j.tools(), "garm", ready), "agent is gone")
}

func TestPostponeKeepsTheRest(t *testing.T) {
	j := newJuju(t)
	postpone := func(why string) []string {
		t.Helper()
		require.NoError(t, configurator.Declared{RelationID: relationID}.Postpone(t.Context(), j.tools(), "garm", why))
		return j.taken()
	}
	assert.Empty(t, postpone("GARM is starting"), "nothing was promised yet")
	j.bags["garm"] = map[string]string{"status": "ready", "scaleset_id": "5", "template_id": "12", "provider_name": "small"}
	assert.Equal(t, []string{"relation-set garm message status"}, postpone("GARM is starting"))
	assert.Equal(t, configurator.Answer{Status: "pending", Message: "GARM is starting", ScaleSetID: "5", TemplateID: "12", ProviderName: "small"}, j.publication().Answer)
	assert.Empty(t, postpone("GARM is starting"))
}

func TestKeysAreTheContracts(t *testing.T) {
	j := newJuju(t)
	j.declare(scaleSet(), values())
	for key := range j.bags["small/0"] {
		assert.Contains(t, runnerconfig.Keys(), key)
	}
}
