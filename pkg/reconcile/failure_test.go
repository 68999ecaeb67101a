package reconcile_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/garmapi"
	"github.com/garm-charms/garm-charms/pkg/plan"
	"github.com/garm-charms/garm-charms/pkg/reconcile"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

func TestFailureSkipsOnlyWhatNeedsIt(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	// GARM makes neither a credential without a key nor a template without data.
	broken := func(want *desired.State) {
		want.Credentials[1].PrivateKey = secret.Value{}
		want.Templates[0].Data = nil
	}
	declarations := []desired.Declaration{
		l.declared("good"), l.declared("ghost", org("ghost")), l.declared("templated", mirror("https://mirror.example.com")),
		l.declared("lost", org("lost"), func(d *desired.Declaration) { d.AppID = 43 }),
	}
	_, report := l.pass(broken, declarations...)
	got := outcomes(report)
	for name, want := range map[string]string{
		"create credential app-43-7":                      `^cannot create credential "app-43-7": `,
		"create organization lost":                        `^cannot go on without credential app-43-7$`,
		"create scale set lost of organization lost":      `^cannot go on without organization lost$`,
		"create template github_linux-templated":          `^cannot create template "github_linux-templated": `,
		"create scale set templated of organization acme": `^cannot go on without template github_linux-templated$`,
		"create scale set ghost of organization ghost":    `^cannot create scale set "ghost": `, // GitHub has no such organisation
		"create credential app-42-7":                      `^$`,
		"create organization acme":                        `^$`,
		"create organization ghost":                       `^$`,
		"create scale set good of organization acme":      `^$`,
	} {
		assert.Regexp(t, want, got[name], name)
		delete(got, name)
	}
	assert.Empty(t, got)
	require.ErrorContains(t, report.Err(), "app-43-7", "the first that was tried")
	assert.Len(t, report.Inventory.ScaleSets, 1)
	assert.NotContains(t, report.TemplateIDs, "github_linux-templated")
	assert.Contains(t, l.log.String(), "level=WARN")

	// What was refused is made as soon as it can be.
	l.forge.Do(t, "POST", "/entities", `{"entity":"orgs/ghost"}`)
	_, report = l.pass(nil, declarations[:3]...)
	require.NoError(t, report.Err())
	assert.Len(t, l.onGitHub(), 3)
}

func TestDeleteThatGARMDoesNotDo(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	_, report := l.pass(nil, l.declared("small", mirror("https://mirror.example.com")))
	require.NoError(t, report.Err())

	l.forge.Do(t, "POST", "/faults", `{"method":"DELETE","path":"/runnerscalesets/[0-9]+$","status":500}`)
	_, report = l.pass(nil)
	got := outcomes(report)
	assert.Empty(t, got["drain scale set small of organization acme"])
	require.ErrorIs(t, report.Err(), garmapi.ErrStillThere)
	assert.Equal(t, "cannot go on without scale set small of organization acme", got["delete template github_linux-small"])
	assert.Equal(t, "cannot go on without scale set small of organization acme", got["delete organization acme"])
	assert.Equal(t, "cannot go on without organization acme", got["delete credential app-42-7"])
	assert.Len(t, l.inventory.ScaleSets, 1, "it is not forgotten")

	l.forge.Do(t, "DELETE", "/faults", "")
	_, report = l.pass(nil)
	require.NoError(t, report.Err())
	assert.Empty(t, report.Inventory.ScaleSets)
	assert.Empty(t, report.Inventory.Entities)
	assert.Empty(t, l.onGitHub())
	l.assertBare(l.observe())
}

func TestRotatedKeyIsTaken(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	right := l.key
	l.key = newKey(t)
	_, report := l.pass(nil, l.declared("small"))
	require.Error(t, report.Err(), "GitHub does not take what that key signs")
	l.key = right
	p, report := l.pass(nil, l.declared("small"))
	l.assertPlan(`
update credential app-42-7: its App, key or token has changed
create scale set small of organization acme: small declares it`, p, report)
	p, report = l.pass(nil, l.declared("small"))
	l.assertPlan("", p, report)

	// Another App: the entity takes it, and the former one goes.
	l.forge.Do(t, "POST", "/apps", fmt.Sprintf(`{"app_id":43,"installation_id":8,"key":%q}`, l.key.Reveal()))
	p, report = l.pass(nil, l.declared("small", func(d *desired.Declaration) { d.AppID, d.InstallationID = 43, 8 }))
	l.assertPlan(`
create credential app-43-8: a configurator uses it
update organization acme: credential app-42-7 -> app-43-8
delete credential app-42-7: no configurator uses it any more`, p, report)
}

// GARM says yes to a key that GitHub refuses, and that the entity works, for up to an hour.
func TestRotatedKeyIsRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.settle(l.declared("small"))
	works := func() bool {
		o := l.observe()
		return o.Entities[0].Failure == "" && !o.Credentials[0].Unanswered
	}
	require.Eventually(t, works, soon, 200*time.Millisecond)

	right := l.key
	l.key = newKey(t)
	_, report := l.pass(nil, l.declared("small"))
	require.ErrorContains(t, report.Err(), "cannot use credential app-42-7: GitHub refuses it, or did not answer GARM within 5s")
	_, report = l.pass(nil, l.declared("small"))
	require.NoError(t, report.Err(), "GARM has it, right or wrong")
	require.Eventually(t, func() bool { return l.observe().Credentials[0].Unanswered }, 2*soon, time.Second)
	assert.Empty(t, l.observe().Entities[0].Failure)

	l.key = right
	p, report := l.pass(nil, l.declared("small"))
	l.assertPlan("update credential app-42-7: its App, key or token has changed", p, report)
	assert.True(t, works())

	// One that started with a refused key does not try the next at once.
	l.key = newKey(t)
	_, report = l.pass(nil, l.declared("small"))
	require.Error(t, report.Err())
	l.server.Stop(t)
	l.server.Run(t)
	require.Eventually(t, func() bool { return strings.Contains(l.observe().Entities[0].Failure, "401") }, soon, 200*time.Millisecond)
	l.key = right
	p, report = l.pass(nil, l.declared("small"))
	l.assertPlan("update credential app-42-7: its App, key or token has changed", p, report)
}

// While GitHub hangs, so does GARM; one change is enough to find out.
func TestHangingGARMIsNotAskedTwice(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.forge.Do(t, "POST", "/faults", `{"path":"/access_tokens$","hang":true}`)
	patient, impatient := l.client, l.opts
	impatient.WriteLimit = 3 * time.Second
	l.client = l.session(l.server.URL, impatient)
	_, report := l.pass(nil, l.declared("one"), l.declared("two"), l.declared("three", org("three")))
	l.client = patient
	tried := 0
	for _, o := range report.Outcomes {
		if garmapi.IsTimeout(o.Err) {
			tried++
		} else if o.Verb == plan.Create && o.ScaleSet != nil {
			assert.EqualError(t, o.Err, "cannot go on without an answer from GARM")
		}
	}
	assert.Equal(t, 1, tried)

	// GARM carries out what was given up: an entity of which it never told the ID is known all the same.
	l.forge.Do(t, "DELETE", "/faults", "")
	l.forge.Do(t, "POST", "/entities", `{"entity":"orgs/three"}`)
	l.settle(l.declared("one"), l.declared("two"), l.declared("three", org("three")))
	assert.Len(t, l.onGitHub(), 3)
	l.settle()
	l.assertBare(l.observe())
}

// A create whose answer was lost leaves a scale set on GitHub that GARM does not know.
func TestTwinOnGitHubIsNamed(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.forge.Do(t, "POST", "/faults", `{"method":"POST","path":"/runnerscalesets$","lost_answer":true,"times":1}`)
	_, report := l.pass(nil, l.declared("small"))
	require.Error(t, report.Err())
	require.Contains(t, l.onGitHub(), "small")

	_, report = l.pass(nil, l.declared("small"))
	require.ErrorContains(t, report.Err(),
		"cannot create scale set small of organization acme: GitHub has one of that name and GARM does not know it; delete it on GitHub, under Settings, Actions, Runners: ")
	l.forge.Do(t, "DELETE", fmt.Sprintf("/scalesets/%d", l.onGitHub()["small"]), "")
	_, report = l.pass(nil, l.declared("small"))
	require.NoError(t, report.Err())
}

// A hook whose time ends begins nothing more and gives nothing up: a scale set that is given up may be left on GitHub.
func TestHookWhoseTimeEnds(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	declarations := []desired.Declaration{l.declared("first")}
	_, report := l.pass(nil, declarations...)
	require.NoError(t, report.Err())
	for i := range 6 {
		declarations = append(declarations, l.declared(fmt.Sprintf("set-%d", i)))
	}

	l.forge.Do(t, "POST", "/faults", `{"method":"POST","path":"/runnerscalesets$","delay_ms":8000}`)
	var end context.CancelFunc
	l.hook, end = context.WithCancel(t.Context())
	defer end()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		defer end()
		creates := regexp.MustCompile(`"method":"POST"[^}]*/runnerscalesets"`)
		for len(creates.FindAllString(l.forge.Do(t, "GET", "/requests?mutating=true", ""), -1)) < 1+4 {
			select {
			case <-l.hook.Done():
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	_, report = l.pass(nil, declarations...)
	end()
	<-watched
	l.forge.Do(t, "DELETE", "/faults", "")
	require.NoError(t, report.Err())
	made := 0
	for _, o := range report.Outcomes {
		if o.Err == nil {
			made++
			continue
		}
		assert.EqualError(t, o.Err, "cannot go on without time; the next event goes on")
	}
	assert.Equal(t, 4, made, "so many are made at a time")
	assert.Len(t, l.onGitHub(), 1+made)
	assert.Len(t, l.inventory.ScaleSets, 1+made)

	l.hook = t.Context()
	_, report = l.pass(nil, declarations...)
	require.NoError(t, report.Err())
	assert.Len(t, l.onGitHub(), len(declarations))
}

func TestChangeOfNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	report := reconcile.Apply(t.Context(), l.client, reconcile.Observation{}, plan.Plan{Changes: []plan.Change{{Verb: plan.Create, Name: "x"}}},
		plan.Inventory{}, discard())
	require.EqualError(t, report.Err(), "cannot create x: the change names no object")
}
