package garm

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/configurator"
	"github.com/garm-charms/garm-charms/pkg/reconcile"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

// TestHostileConfigurators lets seven of a hundred configurators go bad, each in a way of its own. The others are served on,
// what the seven declared before stays as it is, and each is told.
func TestHostileConfigurators(t *testing.T) {
	t.Parallel()
	const many, enough = 100, time.Minute
	names := make([]string, many)
	for i := range names {
		names[i] = fmt.Sprintf("set-%02d", i)
	}
	l := newFaultLab(t, names...)
	bags := make([]map[string]string, many)
	for i, name := range names {
		bags[i] = l.bag(name, func(d *configurator.Declared) {
			if i%2 == 1 {
				d.ScaleSet.DockerHubMirror = "https://mirror.example.com"
			}
		})
	}
	begin := time.Now()
	in := l.received(names, bags)
	f := l.follow(t.Context(), l.client, &in)
	require.NoError(t, f.Report.Err())
	assert.Equal(t, "100 scale sets, 0/200 runners", f.Summary(f.Judge()).Message)
	l.peer = in.peer
	before := l.scaleSets()
	require.Len(t, before, many)
	in = l.received(names, bags)
	require.Empty(t, l.follow(t.Context(), l.client, &in).Plan.String())
	l.peer = in.peer

	// All want another image, but seven say so as nobody may.
	for i := range bags {
		bags[i]["image_id"] = "jammy"
	}
	bags[10] = map[string]string{"name": "../../etc/passwd", "image_id": "{{.Secret}}", "max_runner": "-1", "os_arch": "`reboot`"}
	bags[20] = map[string]string{}
	bags[30] = map[string]string{runnerconfig.KeyHold: "flavor is not set"}
	maps.DeleteFunc(bags[40], func(key, _ string) bool { return strings.HasPrefix(key, "openstack_") }) // half written
	// These want what others have, who come later, and one of whom declares nothing at present.
	bags[50]["name"] = names[51]
	bags[60]["provider_name"] = names[62]
	bags[29]["name"] = names[30]
	in = l.received(names, bags)
	f = l.follow(t.Context(), l.client, &in)
	require.NoError(t, f.Report.Err())
	assert.Less(t, time.Since(begin), enough)

	after, answers := l.scaleSets(), f.Judge()
	assert.Len(t, after, many)
	told := map[string]string{
		names[10]: "name", names[20]: "", names[30]: "flavor is not set", names[40]: "openstack-auth-url",
		names[50]: "is already declared by " + names[51], names[60]: "provider " + names[62] + " has a scale set of " + names[62],
		names[29]: "is already declared by " + names[30],
	}
	for _, d := range in.declared {
		name, answer := d.Application, answers[d.RelationID]
		if message, hostile := told[name]; hostile {
			assert.Equal(t, before[name], after[name], name)
			assert.NotEqual(t, runnerconfig.StatusReady, answer.Status, name)
			assert.Contains(t, answer.Message, message, name)
			continue
		}
		assert.Equal(t, runnerconfig.StatusReady, answer.Status, "%s: %s", name, answer.Message)
		assert.Equal(t, "jammy", after[name].Image, name)
	}
	said := f.Summary(answers)
	assert.Equal(t, hook.Blocked, said.Level)
	assert.Regexp(t, "^set-10: .*and 6 more", said.Message)
}

// What a configurator had stays as it is when it contradicts another.
func TestContradictionTakesNothingAway(t *testing.T) {
	t.Parallel()
	names := []string{"first", "second"}
	l := newFaultLab(t, names...)
	var bags []map[string]string
	for _, name := range names {
		bags = append(bags, l.bag(name, func(*configurator.Declared) {}))
	}
	in := l.received(names, bags)
	require.NoError(t, l.follow(t.Context(), l.client, &in).Report.Err())
	l.peer = in.peer
	before := l.scaleSets()
	require.Len(t, before, 2)

	bags[1]["image_id"] = "jammy"
	in = l.received(names, bags)
	in.declared[1].Secrets.Token = secret.New("another")
	f := l.follow(t.Context(), l.client, &in)
	require.NoError(t, f.Report.Err())
	assert.Equal(t, before, l.scaleSets())
	said := f.Summary(f.Judge())
	assert.Equal(t, "second: first gives another github-token for the same credential; give both the same", said.Message)
}

func relationOf(application string) string { return "garm-configurator:" + application }

// bag is the databag of a configurator with a scale set of its own.
func (l *faultLab) bag(application string, change func(*configurator.Declared)) map[string]string {
	l.Helper()
	const uri = "secret:9m4e2mr0ui3e8a215n4g"
	d := l.declared(change)
	d.ScaleSet.Name, d.ScaleSet.TokenSecret = application, uri
	d.ScaleSet.Provider = runnerconfig.Provider{
		ProviderName: application, AuthURL: "https://keystone.example.com/v3", Username: "garm", ProjectName: "garm", UserDomainName: "default",
		ProjectDomainName: "default", RegionName: "one", Network: "runners", PasswordSecret: uri,
	}
	bag, err := d.ScaleSet.Encode()
	require.NoError(l, err)
	return bag
}

// received is what garm makes of the databags.
func (l *faultLab) received(applications []string, bags []map[string]string) inputs {
	in := inputs{peer: l.peer}
	for i, application := range applications {
		d := configurator.Declared{Application: application, RelationID: relationOf(application), Hold: bags[i][runnerconfig.KeyHold]}
		d.Absent = len(bags[i]) == 0
		if !d.Absent && d.Hold == "" {
			d.ScaleSet, d.Invalid = runnerconfig.Decode(bags[i])
		}
		d.Secrets.Token = secret.New("first")
		in.declared = append(in.declared, d)
	}
	in.declared = configurator.Contest(in.declared, in.peer.inventory)
	return in
}

// scaleSets are GARM's by name.
func (l *faultLab) scaleSets() map[string]desired.ScaleSet {
	l.Helper()
	now, err := reconcile.Observe(l.Context(), l.client)
	require.NoError(l, err)
	sets := map[string]desired.ScaleSet{}
	for _, set := range now.ScaleSets {
		set.Changed = time.Time{} // GARM's own worker writes too
		sets[set.Name] = set
	}
	return sets
}
