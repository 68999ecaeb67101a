package tests_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/bed"
	"github.com/garm-charms/garm-charms/tests/github"
	"github.com/garm-charms/garm-charms/tests/juju"
	"github.com/garm-charms/garm-charms/tests/operator"
)

// TestSoak lets as many events happen as SOAK_EVENTS says, in an order that SOAK_SEED decides, without waiting for one to be
// dealt with before the next. When all faults are over, the world ends in the state that the last configuration describes. The
// same seed makes the same events; when they meet the hooks is the machine's affair.
func TestSoak(t *testing.T) {
	built, err := bed.Build(t.Context())
	require.NoError(t, err)
	world, err := bed.New(t.Context(), bed.Config{Dir: t.TempDir(), Number: 252, Built: built})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, world.Close()) })
	seed, events := number(t, "SOAK_SEED", 1), number(t, "SOAK_EVENTS", 30)
	// A hook that is killed has failed, and is not run again without Juju's retries.
	require.NoError(t, world.Model.SetModelConfig(t.Context(), map[string]string{"automatically-retry-hooks": "true"}))
	s := &soak{t: t, world: world, random: rand.New(rand.NewPCG(seed, 0)), configurators: map[string]*configured{}}
	t.Cleanup(s.situation)
	s.deploy()
	for i := range events {
		s.event(i)
	}
	world.GitHub.Heal()
	// A GARM whose tools could not be fetched tries again after one to three minutes (GARM workers/cache/tool_cache.go), but at
	// once when it starts.
	_, err = s.killGARM()
	require.NoError(t, err)
	s.ends()
}

func number(t *testing.T, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 32)
	require.NoError(t, err, variable)
	return n
}

// situation is what a person wants to see when it fails.
func (s *soak) situation() {
	if !s.t.Failed() {
		return
	}
	status, err := s.world.Model.Status(context.Background())
	s.t.Log(status, err)
	lines := slices.DeleteFunc(s.world.Model.DebugLog(), func(l juju.LogLine) bool { return strings.HasPrefix(l.Module, "container.") })
	for _, line := range lines[max(0, len(lines)-100):] {
		s.t.Log(line)
	}
}

type soak struct {
	t             *testing.T
	world         *bed.Bed
	random        *rand.Rand
	configurators map[string]*configured
}

// configured is what was last declared.
type configured struct {
	options    map[string]string
	integrated bool
}

func (s *soak) juju(words ...string) error {
	var out strings.Builder
	return s.world.Juju(&out).Run(s.t.Context(), words...)
}

func (s *soak) must(line string) {
	s.t.Helper()
	require.NoError(s.t, s.juju(strings.Fields(line)...), line)
}

// deploy makes two configurators, one of which has two units.
func (s *soak) deploy() {
	require.NoError(s.t, s.world.Setup(s.t.Context(), "small", func(string) {}))
	known, err := s.world.Model.Config(s.t.Context(), "small")
	require.NoError(s.t, err)
	large := operator.Basics("large")
	s.must("deploy ./garm-configurator.charm large")
	s.must("grant-secret openstack large")
	s.must("grant-secret app-key large")
	config := []string{"config", "large", "openstack-password=" + known["openstack-password"], "github-app-private-key=" + known["github-app-private-key"]}
	for _, name := range slices.Sorted(maps.Keys(large)) {
		config = append(config, name+"="+large[name])
	}
	require.NoError(s.t, s.juju(config...))
	s.must("integrate large builder")
	s.must("integrate large garm")
	s.must("scale-application small 2")
	s.configurators["small"] = &configured{options: operator.Basics("small"), integrated: true}
	s.configurators["large"] = &configured{options: large, integrated: true}
}

// event lets one event happen, and gives the world some time.
func (s *soak) event(number uint64) {
	s.t.Helper()
	events := []struct {
		weight int
		happen func() (string, error)
	}{
		{30, s.configure},
		{6, s.configureGARM},
		{12, s.relate},
		{10, s.moveLeadership},
		{14, s.update},
		{4, s.restartContainer},
		{4, s.restartPod},
		{8, s.killGARM},
		{14, s.killHook},
		{4, s.breakGitHub},
		{8, s.healGitHub},
	}
	total := 0
	for _, e := range events {
		total += e.weight
	}
	pick := s.random.IntN(total)
	pause := time.Duration(s.random.IntN(2000)) * time.Millisecond
	for _, e := range events {
		if pick -= e.weight; pick < 0 {
			what, err := e.happen()
			s.t.Logf("%s event %d: %s", time.Now().Format(time.TimeOnly), number, what)
			require.NoError(s.t, err, what)
			break
		}
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), pause)
	defer cancel()
	_ = s.world.Model.Settle(ctx) // whether it does in that time is not asked
}

func (s *soak) oneOf(names ...string) string { return names[s.random.IntN(len(names))] }

func (s *soak) application() string { return s.oneOf("small", "large") }

func (s *soak) configure() (string, error) {
	application := s.application()
	options := s.configurators[application].options
	least := s.random.IntN(2)
	change := map[string]string{"min-idle-runner": strconv.Itoa(least), "max-runner": strconv.Itoa(max(1, least) + s.random.IntN(3))}
	switch s.random.IntN(4) {
	case 0:
		change["flavor"] = s.oneOf("m1.small", "m1.large")
	case 1:
		change["dockerhub-mirror"] = s.oneOf("", "https://mirror.example.com")
	case 2:
		change["name"] = application + s.oneOf("", "-a", "-b")
	}
	maps.Copy(options, change)
	line := []string{"config", application}
	for _, name := range slices.Sorted(maps.Keys(change)) {
		line = append(line, name+"="+change[name])
	}
	return strings.Join(line, " "), s.juju(line...)
}

func (s *soak) configureGARM() (string, error) {
	option := s.oneOf("log-level=debug", "log-level=info", "web-ui=true", "web-ui=false")
	return "config garm " + option, s.juju("config", "garm", option)
}

// relate ends an integration or makes it anew, once what there was of it is gone.
func (s *soak) relate() (string, error) {
	application := s.application()
	c := s.configurators[application]
	c.integrated = !c.integrated
	if !c.integrated {
		return "remove-relation " + application, s.juju("remove-relation", application, "garm")
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Minute)
	defer cancel()
	return "integrate " + application, operator.Until(ctx, func() error { return s.juju("integrate", application, "garm") })
}

func (s *soak) moveLeadership() (string, error) {
	unit := s.oneOf("small/0", "small/1")
	return "lead " + unit, s.world.Model.SetLeader(s.t.Context(), unit)
}

func (s *soak) update() (string, error) {
	unit := s.oneOf("garm/0", "small/0", "small/1", "large/0")
	if s.world.Model.FireUpdateStatus(s.t.Context(), unit) != nil {
		return "update-status " + unit + ", whose agent does not run", nil
	}
	return "update-status " + unit, nil
}

func (s *soak) restartContainer() (string, error) {
	return "restart container of garm/0", s.world.Model.RestartContainer(s.t.Context(), "garm/0", "app")
}

func (s *soak) restartPod() (string, error) {
	unit := s.oneOf("garm/0", "small/0", "large/0")
	if s.random.IntN(2) == 0 {
		return "kill pod of " + unit, s.world.Model.KillPod(s.t.Context(), unit)
	}
	return "restart pod of " + unit, s.world.Model.RestartPod(s.t.Context(), unit)
}

func (s *soak) killGARM() (string, error) {
	if s.world.KillGARM(s.t.Context(), "garm/0") != nil {
		return "kill GARM, which does not run", nil
	}
	return "kill GARM", nil
}

func (s *soak) killHook() (string, error) {
	unit := s.oneOf("garm/0", "garm/0", "small/0", "large/0")
	if s.world.Model.KillHook(s.t.Context(), unit) != nil {
		return "kill the hook of " + unit + ", which runs none", nil
	}
	return "kill the hook of " + unit, nil
}

func (s *soak) breakGitHub() (string, error) {
	if s.random.IntN(2) == 0 {
		return "GitHub hangs", s.world.GitHub.Fail(github.Match{}, github.Fault{Hang: true})
	}
	return "GitHub fails", s.world.GitHub.Fail(github.Match{}, github.Fault{Status: 500})
}

func (s *soak) healGitHub() (string, error) {
	s.world.GitHub.Heal()
	return "GitHub is well", nil
}

// ends waits until the world is as last configured. What an operator waits for is update-status.
func (s *soak) ends() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Minute)
	defer cancel()
	err := operator.Until(ctx, func() error {
		err := s.difference(ctx)
		if err == nil {
			return nil
		}
		for _, unit := range []string{"garm/0", "small/0", "small/1", "large/0"} {
			if fireErr := s.world.Model.FireUpdateStatus(ctx, unit); fireErr != nil {
				return fireErr
			}
		}
		return errors.Join(err, s.world.Model.Settle(ctx))
	})
	require.NoError(s.t, err)
}

// difference is what is not yet as last configured.
func (s *soak) difference(ctx context.Context) error {
	var want []string
	for _, application := range []string{"small", "large"} {
		c := s.configurators[application]
		level, message := "blocked", "Integrate garm"
		if c.integrated {
			level, message = "active", c.options["name"]+" ready"
			want = append(want, c.String())
		}
		if err := s.says(ctx, application, level, message); err != nil {
			return err
		}
	}
	message := fmt.Sprintf("%d scale set", len(want))
	if len(want) == 0 {
		message = "No configurator integrated"
	}
	if err := s.says(ctx, "garm", "active", message); err != nil {
		return err
	}
	have, err := s.present(ctx)
	slices.Sort(want)
	if err == nil && !slices.Equal(want, have) {
		err = fmt.Errorf("the scale sets are %q, not %q", have, want)
	}
	return err
}

// says compares an application's status, and the beginning of its message.
func (s *soak) says(ctx context.Context, application, level, message string) error {
	status, err := s.world.Model.Status(ctx)
	if err != nil {
		return err
	}
	if a := status.Applications[application]; a.Status != level || !strings.HasPrefix(a.Message, message) {
		return fmt.Errorf("%s is %s %q, not %s %q", application, a.Status, a.Message, level, message)
	}
	return nil
}

// String is the scale set that is configured, as present writes it.
func (c *configured) String() string {
	template := "github_linux"
	if c.options["dockerhub-mirror"] != "" {
		template += "-" + c.options["name"]
	}
	return fmt.Sprintf("%s of acme: %s to %s of %s, ubuntu-24.04, %s, enabled true", c.options["name"], c.options["min-idle-runner"], c.options["max-runner"], c.options["flavor"], template)
}

// present are the scale sets that GARM has. GitHub has the same, and there is nothing that they do not need.
func (s *soak) present(ctx context.Context) (sets []string, err error) {
	api, err := s.world.GARM(ctx, "garm/0")
	if err != nil {
		return nil, err
	}
	var listed []struct {
		ID uint `json:"id"`
	}
	if err := api.Get(ctx, "/scalesets", &listed); err != nil {
		return nil, err
	}
	needed := map[string]bool{}
	var names []string
	for _, found := range listed {
		var set struct {
			Name, Flavor, Image string
			Org                 string `json:"org_name"`
			Least               int    `json:"min_idle_runners"`
			Most                int    `json:"max_runners"`
			Template            string `json:"template_name"`
			Enabled             bool
		}
		if err := api.Get(ctx, fmt.Sprintf("/scalesets/%d", found.ID), &set); err != nil {
			return nil, err
		}
		names = append(names, set.Name)
		needed["/templates "+set.Template], needed["/organizations "+set.Org], needed["/github/credentials app-42-7"] = true, true, true
		sets = append(sets, fmt.Sprintf("%s of %s: %d to %d of %s, %s, %s, enabled %t", set.Name, set.Org, set.Least, set.Most, set.Flavor, set.Image, set.Template, set.Enabled))
	}
	slices.Sort(sets)
	if err := s.needless(ctx, api, needed); err != nil {
		return nil, err
	}
	return sets, s.compareGitHub(names)
}

// needless names what GARM still has although no scale set needs it.
func (s *soak) needless(ctx context.Context, api *operator.GARM, needed map[string]bool) error {
	for _, path := range []string{"/templates", "/organizations", "/github/credentials"} {
		var objects []struct {
			Name  string `json:"name"`
			Owner string `json:"owner_id"`
		}
		if err := api.Get(ctx, path, &objects); err != nil {
			return err
		}
		for _, o := range objects {
			if o.Owner != "system" && !needed[path+" "+o.Name] {
				return fmt.Errorf("GARM still has %s %s", path, o.Name)
			}
		}
	}
	return nil
}

func (s *soak) compareGitHub(names []string) error {
	var there []string
	for _, set := range s.world.GitHub.ScaleSets(github.Organization("acme")) {
		there = append(there, set.Name)
	}
	slices.Sort(names)
	slices.Sort(there)
	if !slices.Equal(names, there) {
		return fmt.Errorf("GitHub has the scale sets %q, GARM %q", there, names)
	}
	return nil
}
