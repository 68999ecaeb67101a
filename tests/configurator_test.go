package tests_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/juju"
	"github.com/garm-charms/garm-charms/tests/operator"
)

// record is what the reader finds of small, with the secrets' contents instead of their URIs.
func (d *declaring) record(unit string) map[string]string {
	d.t.Helper()
	bag := d.bags("garm/0")[unit]
	for key, uri := range bag {
		if !strings.HasSuffix(key, "_secret_uri") {
			continue
		}
		info, err := d.ShowSecret(d.ctx(), "secret:"+uri[strings.LastIndexAny(uri, ":/")+1:], true)
		require.NoError(d.t, err)
		assert.Contains(d.t, info.Access, "garm")
		bag[key] = info.Content["value"]
	}
	return bag
}

// wantRecord is the record of operator.Basics.
func (d *declaring) wantRecord() map[string]string {
	return map[string]string{
		"name": "small", "org": "acme", "runner_group": "Default", "flavor": "m1.small", "os_arch": "amd64",
		"min_idle_runner": "1", "max_runner": "2", "runner_bootstrap_timeout": "20", "provider_name": "small", "image_id": "ubuntu-0",
		"openstack_auth_url": "https://keystone.example.com:5000/v3", "openstack_username": "ci",
		"openstack_project_name": "runners", "openstack_user_domain_name": "Default", "openstack_project_domain_name": "Default",
		"openstack_region_name": "RegionOne", "openstack_network": "runners", "openstack_password_secret_uri": operator.Password,
		"github_app_id": "42", "github_installation_id": "7", "github_private_key_secret_uri": d.key,
	}
}

// step is something that an operator does, once what it needs was done.
type step struct {
	name  string
	needs []string
	do    func(*declaring)
}

func steps() []step {
	return []step{
		{"deploy small", nil, func(d *declaring) { d.deploy(d.charm, "small", nil) }},
		{"deploy garm", nil, (*declaring).deployReader},
		{"deploy builder", nil, (*declaring).deployBuilder},
		{"add-secret", nil, (*declaring).addSecrets},
		{"grant-secret", []string{"deploy small", "add-secret"}, (*declaring).grantSecrets},
		{"config", []string{"deploy small"}, func(d *declaring) { d.configure(operator.Basics("small")) }},
		{"config secrets", []string{"deploy small", "add-secret"}, (*declaring).configureSecrets},
		{"integrate garm", []string{"deploy small", "deploy garm"}, func(d *declaring) { d.integrate("garm") }},
		{"integrate builder", []string{"deploy small", "deploy builder"}, func(d *declaring) { d.integrate("builder") }},
	}
}

// order is one of the orders in which the steps can be done.
func order(seed uint64) []step {
	random := rand.New(rand.NewPCG(seed, 0))
	left := steps()
	var done []step
	for len(left) > 0 {
		i := random.IntN(len(left))
		ready := !slices.ContainsFunc(left[i].needs, func(need string) bool {
			return slices.ContainsFunc(left, func(s step) bool { return s.name == need })
		})
		if ready {
			done = append(done, left[i])
			left = slices.Delete(left, i, i+1)
		}
	}
	return done
}

// Whatever the order of what the operator does, and whether or not the charm gets to see each step alone, what garm finds
// in the end is the same. Granting raises no event, so that the next update-status may be needed.
func TestConfiguratorPublishesTheSameInAnyOrder(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprintf("order %d", seed), func(t *testing.T) {
			d := inParallel(t)
			stepwise := seed%2 == 0
			for _, s := range order(seed) {
				t.Log(s.name)
				s.do(d)
				if stepwise {
					d.settle()
				}
			}
			d.settle()
			d.tick("small/0")
			assert.Equal(t, "active: small published", d.status("small/0"))
			assert.Equal(t, d.wantRecord(), d.record("small/0"))

			calls := len(d.Calls())
			d.tick("small/0")
			for _, call := range d.Calls()[calls:] {
				assert.NotContains(t, []string{"relation-set", "secret-add", "secret-set", "secret-grant", "secret-remove"}, call.Args[0])
			}
		})
	}
}

// Three units and a moving leadership: there is one record, whose content and secrets stay what they were.
func TestConfiguratorScaledIsStillOneRecord(t *testing.T) {
	d := inParallel(t).standing()
	want, secrets := d.bags("garm/0")["small/0"], d.copies()
	require.Len(t, secrets, 2)
	// Juju tells a unit that it does not lead any more with its next hook only. Until then it says the same as the leader.
	only := func(leader string) {
		t.Helper()
		for _, bag := range d.bags("garm/0") {
			assert.Contains(t, []map[string]string{want, {}}, bag)
		}
		for unit := range d.bags("garm/0") {
			d.tick(unit)
		}
		for unit, bag := range d.bags("garm/0") {
			if unit == leader {
				assert.Equal(t, want, bag)
			} else {
				assert.Empty(t, bag, unit)
			}
		}
		assert.Equal(t, secrets, d.copies())
	}
	require.NoError(t, d.Scale(d.ctx(), "small", 3))
	d.settle()
	only("small/0")
	assert.Equal(t, "active: Standby", d.status("small/2"))

	for _, leader := range []string{"small/1", "small/0", "small/2"} {
		require.NoError(t, d.SetLeader(d.ctx(), leader))
		d.settle()
		only(leader)
		assert.Equal(t, "active: small published", d.status(leader))
	}
	require.NoError(t, d.Scale(d.ctx(), "small", 1)) // the leader goes
	d.settle()
	only("small/0")
	for _, line := range d.DebugLog() {
		if seen, isSight := strings.CutPrefix(line.Message, "sees:"); isSight {
			for _, provider := range strings.Fields(seen) {
				assert.Equal(t, "small", provider)
			}
		}
	}
}

// A rotated secret of the operator's is one new revision of the application's, and the old one goes once it is not read
// any more. Without a change there is none. With the relation go its secrets.
func TestConfiguratorSecretsOnTheRelation(t *testing.T) {
	d := inParallel(t).standing()
	const rotated = "another-password"
	const passwordLabel, keyLabel = "configurator-password.garm-configurator:0", "configurator-github-key.garm-configurator:0"
	password, key := d.copies()[passwordLabel], d.copies()[keyLabel]
	require.Equal(t, []int{1}, password.Revisions)
	assert.Equal(t, operator.Password, password.Content["value"], "without the line end of the file")

	require.NoError(t, d.UpdateSecret(d.ctx(), "openstack", map[string]string{"value": rotated}))
	d.settle()
	d.tick("small/0")
	after := d.copies()[passwordLabel]
	assert.Equal(t, rotated, after.Content["value"])
	assert.Equal(t, 2, after.Revision)
	assert.Equal(t, []int{2}, after.Revisions, "the reader has the new one, so that the old one is removed")
	assert.Equal(t, password.URI, after.URI)
	assert.Equal(t, rotated, d.bags("builder/0")["small/0"]["password"])
	assert.Equal(t, key, d.copies()[keyLabel])

	require.NoError(t, d.RemoveRelation(d.ctx(), "small", "garm"))
	d.settle()
	d.tick("small/0")
	assert.Empty(t, d.copies())
	assert.Equal(t, "blocked: Integrate garm: juju integrate small garm", d.status("small/0"))

	d.integrate("garm")
	d.settle()
	want := d.wantRecord()
	want["openstack_password_secret_uri"] = rotated
	assert.Equal(t, want, d.record("small/0"))
}

// The builder gets the six credentials; of its units' images the one of the first unit by name counts, whichever came last.
func TestConfiguratorReadsImagesOfSeveralUnits(t *testing.T) {
	d := inParallel(t).standing()
	assert.Equal(t, map[string]string{
		"auth_url": "https://keystone.example.com:5000/v3", "username": "ci", "password": operator.Password, "project_name": "runners",
		"user_domain_name": "Default", "project_domain_name": "Default",
	}, d.bags("builder/0")["small/0"])
	image := func() string { return d.bags("garm/0")["small/0"]["image_id"] }
	require.NoError(t, d.Scale(d.ctx(), "builder", 3))
	d.settle()
	assert.Equal(t, "ubuntu-0", image())

	require.NoError(t, d.SetConfig(d.ctx(), "builder", map[string]string{"image": "debian"}, nil))
	d.settle()
	assert.Equal(t, "debian-0", image())

	require.NoError(t, d.SetConfig(d.ctx(), "builder", nil, []string{"image"}))
	d.settle()
	assert.Equal(t, "waiting: Waiting for an image from builder", d.status("small/0"))
	assert.Equal(t, "Waiting for an image from builder", d.bags("garm/0")["small/0"]["hold"])
	assert.Equal(t, "debian-0", image(), "held")

	require.NoError(t, d.RemoveRelation(d.ctx(), "small", "builder"))
	d.settle()
	assert.Equal(t, "blocked: Integrate an image builder: juju integrate small:image APPLICATION", d.status("small/0"))
}

// Credentials reach the builder with a valid configuration only.
func TestConfiguratorGivesNoCredentialsWhileInvalid(t *testing.T) {
	d := inParallel(t).standing()
	username := func() string { return d.bags("builder/0")["small/0"]["username"] }
	require.NoError(t, d.SetConfig(d.ctx(), "small", map[string]string{"openstack-username": "another", "max-runner": "0"}, nil))
	d.settle()
	assert.Contains(t, d.status("small/0"), "blocked: ")
	assert.Equal(t, "ci", username(), "what it had before")
	require.NoError(t, d.SetConfig(d.ctx(), "small", map[string]string{"max-runner": "2"}, nil))
	d.settle()
	assert.Equal(t, "another", username())

	require.NoError(t, d.RemoveRelation(d.ctx(), "small", "builder"))
	require.NoError(t, d.SetConfig(d.ctx(), "small", map[string]string{"max-runner": "0"}, nil))
	d.settle()
	require.NoError(t, d.Integrate(d.ctx(), "small", "builder"))
	d.settle()
	assert.Empty(t, d.bags("builder/0")["small/0"]["password"], "none at all before it is valid")
}

// The status is garm's word, and an older garm's silence.
func TestConfiguratorShowsGarmsAnswer(t *testing.T) {
	d := inParallel(t).standing()
	for _, row := range []struct{ answer, message, want string }{
		{"", "", "active: small published"},
		{"pending", "GitHub is slow", "waiting: GitHub is slow"},
		{"refused", "labels cannot be changed", "blocked: labels cannot be changed"},
		{"ready", "", "active: small ready"},
	} {
		require.NoError(t, d.SetConfig(d.ctx(), "garm", map[string]string{"answer": row.answer, "answer-message": row.message}, nil))
		d.settle()
		assert.Equal(t, row.want, d.status("small/0"))
	}
}

// A relation that is removed while the first declaration is being made fails that hook, which Juju runs again, but no other.
func TestConfiguratorSurvivesARelationThatIsTakenBack(t *testing.T) {
	d := inParallel(t).deployed()
	d.integrate("builder")
	d.settle()
	inCharm := func(script string) {
		t.Helper()
		cmd, err := d.ContainerCommand(d.ctx(), "small/0", "charm", "bash", "-ec", script)
		require.NoError(t, err)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	inCharm(`cd /var/lib/juju/agents/unit-small-0/charm
mv dispatch made
cat >dispatch <<'DISPATCH'
#!/bin/bash
"${0%/*}/made" || exit
[[ $JUJU_DISPATCH_PATH != *-joined ]] || status-set maintenance "held up"
until [[ -e /tmp/go || $JUJU_DISPATCH_PATH != *-joined ]]; do sleep 0.05; done
DISPATCH
chmod +x dispatch`)

	d.integrate("garm")
	require.NoError(t, d.Until(d.ctx(), "the hook to be held up", func(juju.Status) bool { return d.status("small/0") == "maintenance: held up" }))
	require.NoError(t, d.RemoveRelation(d.ctx(), "small", "garm"))
	inCharm("touch /tmp/go")
	require.NoError(t, d.Until(d.ctx(), "the relation to go", func(juju.Status) bool {
		return d.status("small/0") == "blocked: Integrate garm: juju integrate small garm"
	}))
	d.settle()
	assert.True(t, slices.ContainsFunc(d.DebugLog(), func(line juju.LogLine) bool { return strings.Contains(line.Message, "is not alive") }),
		"the hook did not fail")
	d.integrate("garm")
	d.settle()
	assert.Equal(t, "active: small published", d.status("small/0"))
}
