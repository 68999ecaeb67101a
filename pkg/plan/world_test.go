package plan_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/plan"
)

// world reads a state from text, with one object on each line, and the inventory of those that are not foreign:
//
//	endpoint NAME [made-from=TEXT] [url=TEXT] [ca=TEXT] [foreign | deleted]
//	credential NAME [made-from=TEXT] [endpoint=NAME] [foreign | pythons]
//	organization NAME credential=NAME [endpoint=NAME] [foreign]
//	template NAME [made-from=TEXT] [foreign | pythons]
//	scale-set NAME of=ORGANIZATION [endpoint=NAME] [app=NAME] [template=NAME] [provider=NAME] [labels=A,B] [runners=N] [busy=N] [foreign]
//
// and the settings of a scale set: image, flavor, arch, group, idle, max, specs, prefix, timeout, disabled. Its application has its name,
// unless said otherwise. GARM's IDs are the numbers of the lines. Its own endpoint is there unless it is deleted.
func world(t *testing.T, text string) (desired.State, plan.Inventory) {
	t.Helper()
	s := desired.State{Endpoints: []desired.Endpoint{desired.DotCom()}}
	inventory := plan.Inventory{Entities: map[string]bool{}, ScaleSets: map[uint]plan.Owned{}}
	id := uint(0)
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		id++
		o := object{t: t, id: id, kind: words[0], name: words[1], attributes: map[string]string{}}
		for _, word := range words[2:] {
			key, value, _ := strings.Cut(word, "=")
			o.attributes[key] = value
		}
		o.into(&s, inventory, words[0])
	}
	s.Sort()
	return s, inventory
}

// wanted reads a state that has no IDs yet.
func wanted(t *testing.T, text string) desired.State {
	t.Helper()
	s, _ := world(t, "endpoint github.com deleted\n"+text)
	for i := range s.Entities {
		s.Entities[i].ID = ""
	}
	for i := range s.ScaleSets {
		s.ScaleSets[i].ID = 0
	}
	for i := range s.Credentials {
		s.Credentials[i].ID = 0
	}
	for i := range s.Templates {
		s.Templates[i].ID = 0
	}
	return s
}

type object struct {
	t          *testing.T
	id         uint
	kind, name string
	attributes map[string]string
}

func (o object) into(s *desired.State, inventory plan.Inventory, kind string) {
	o.t.Helper()
	switch kind {
	case "endpoint":
		if _, deleted := o.attributes["deleted"]; deleted {
			s.Endpoints = slices.DeleteFunc(s.Endpoints, func(e desired.Endpoint) bool { return e.Name == o.name })
			return
		}
		s.Endpoints = append(s.Endpoints, desired.Endpoint{Name: o.name, Description: o.description(), BaseURL: o.text("url", "https://"+o.name), CACertificate: o.text("ca", "")})
	case "credential":
		_, unanswered := o.attributes["unanswered"]
		s.Credentials = append(s.Credentials, desired.Credential{
			ID: o.id, Name: o.name, Description: o.description(), Endpoint: o.text("endpoint", desired.GitHubCom), Unanswered: unanswered,
		})
	case "template":
		s.Templates = append(s.Templates, desired.Template{ID: o.id, Name: o.name, Description: o.description()})
	case "organization":
		e := desired.Entity{EntityRef: o.organization(o.name), ID: strconv.Itoa(int(o.id)), Credential: o.attributes["credential"], Failure: o.attributes["failure"]}
		s.Entities = append(s.Entities, e)
		if !o.foreign() {
			inventory.Entities[e.ID] = true
		}
	case "scale-set":
		set := o.scaleSet()
		s.ScaleSets = append(s.ScaleSets, set)
		if !o.foreign() {
			inventory.ScaleSets[o.id] = plan.Owned{Application: set.Application, Provider: set.Provider}
		}
	default:
		require.Fail(o.t, "no such kind of object: "+kind)
	}
}

func (o object) organization(name string) desired.EntityRef {
	return desired.NewEntityRef(desired.KindOrganization, name, o.text("endpoint", desired.GitHubCom))
}

func (o object) foreign() bool {
	_, foreign := o.attributes["foreign"]
	return foreign
}

func (o object) description() string {
	if o.foreign() {
		return "made by hand"
	}
	if _, pythons := o.attributes["pythons"]; pythons {
		return map[string]string{"credential": "Managed by garm"}[o.kind]
	}
	return desired.Mark(o.name, o.attributes["made-from"])
}

func (o object) scaleSet() desired.ScaleSet {
	_, disabled := o.attributes["disabled"]
	return desired.ScaleSet{
		ScaleSetKey: desired.ScaleSetKey{Entity: o.organization(o.attributes["of"]), Name: o.name},
		Settings: desired.Settings{
			Image: o.text("image", "ubuntu"), Flavor: o.text("flavor", "m1"), OSArch: o.text("arch", "amd64"), RunnerGroup: o.text("group", "Default"),
			MinIdle: o.number("idle", 0), Max: o.number("max", 3), Enabled: !disabled,
			ExtraSpecs: o.text("specs", "{}"), Template: o.text("template", ""),
			RunnerPrefix: o.text("prefix", "garm"), BootstrapTimeout: o.number("timeout", 20),
		},
		ID:          o.id,
		Application: o.text("app", o.name),
		Provider:    o.text("provider", "cloud"),
		Labels:      o.text("labels", ""),
		Runners:     o.runners(),
		Overlooked:  o.number("overlooked", 0),
	}
}

// runners are as many as the scale set has, of which some have a job.
func (o object) runners() (list []desired.Runner) {
	o.t.Helper()
	for i := range o.number("runners", 0) {
		r := desired.Runner{Name: fmt.Sprintf("%s-%d", o.name, i), Phase: desired.Idle}
		if i < o.number("busy", 0) {
			r.Phase = desired.Busy
		}
		list = append(list, r)
	}
	return list
}

func (o object) text(key, otherwise string) string {
	if value, set := o.attributes[key]; set {
		return value
	}
	return otherwise
}

func (o object) number(key string, otherwise int) int {
	o.t.Helper()
	number, err := strconv.Atoi(o.text(key, strconv.Itoa(otherwise)))
	require.NoError(o.t, err)
	return number
}

func set(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, name := range names {
		m[name] = true
	}
	return m
}
