// Package charms_test checks what both charms show of themselves against what Charmhub asks of a charm that it lists: the
// automatic part of the review (canonical/charmhub-listing-review) and Canonical's best practices for charms.
package charms_test

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

const sentence = 20 // the least length of a description that says something

type charmcraft struct {
	Type        string
	Name        string
	Title       string
	Summary     string
	Description string
	Links       map[string]yaml.Node
	Base        string
	Platforms   map[string]yaml.Node
	Assumes     []string
	CharmUser   string `yaml:"charm-user"`
	Parts       map[string]struct {
		Plugin string
		Source string
		Stage  []string
		Prime  []string
	}
	Containers map[string]yaml.Node
	Resources  map[string]described
	Storage    map[string]described
	Peers      map[string]endpoint
	Provides   map[string]endpoint
	Requires   map[string]endpoint
	Config     struct{ Options map[string]described }
	Actions    map[string]action
}

type described struct{ Description string }

type endpoint struct {
	described `yaml:",inline"`

	Interface string
	Optional  *bool
}

type action struct {
	described `yaml:",inline"`

	AdditionalProperties *bool `yaml:"additionalProperties"`
	Params               map[string]described
}

func each(t *testing.T, check func(t *testing.T, dir string, c charmcraft)) {
	t.Helper()
	for _, name := range []string{"garm", "garm-configurator"} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(name, "charmcraft.yaml"))
			require.NoError(t, err)
			var c charmcraft
			require.NoError(t, yaml.Unmarshal(text, &c))
			assert.Equal(t, name, c.Name)
			check(t, name, c)
		})
	}
}

func TestFrontPage(t *testing.T) {
	each(t, func(t *testing.T, dir string, c charmcraft) {
		assert.Equal(t, "charm", c.Type)
		assert.Regexp(t, `^[a-z][a-z0-9]*(-[a-z0-9]+)*$`, c.Name)
		assert.NotRegexp(t, `(charm|operator)`, c.Name)
		assert.NotEmpty(t, c.Title)
		assert.Regexp(t, `^.{20,78}\.$`, c.Summary)
		assert.Greater(t, len(c.Description), len(c.Summary))
		for _, link := range []string{"documentation", "issues", "source", "website", "contact"} {
			node := c.Links[link]
			// The review gives the value to a function that takes one address: a list is none.
			require.Equal(t, yaml.ScalarNode, node.Kind, link)
			address, err := url.Parse(node.Value)
			require.NoError(t, err)
			assert.Equal(t, "https", address.Scheme, link)
		}
		readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
		require.NoError(t, err)
		assert.Contains(t, string(readme), "juju deploy "+c.Name)
	})
}

func TestIcon(t *testing.T) {
	each(t, func(t *testing.T, dir string, c charmcraft) {
		text, err := os.ReadFile(filepath.Join(dir, "icon.svg"))
		require.NoError(t, err)
		var svg struct {
			XMLName xml.Name
			Width   string `xml:"width,attr"`
			Height  string `xml:"height,attr"`
			ViewBox string `xml:"viewBox,attr"`
		}
		require.NoError(t, xml.Unmarshal(text, &svg))
		assert.Equal(t, "svg", svg.XMLName.Local)
		assert.Equal(t, []string{"100", "100", "0 0 100 100"}, []string{svg.Width, svg.Height, svg.ViewBox})

		var staged []string
		for _, part := range c.Parts {
			if part.Plugin == "dump" {
				for _, file := range part.Stage {
					staged = append(staged, filepath.Join(part.Source, file))
				}
			}
		}
		for _, file := range []string{"LICENSE", "charms/" + dir + "/icon.svg", "charms/" + dir + "/README.md"} {
			assert.Contains(t, staged, file)
		}
	})
}

func TestWhereItRuns(t *testing.T) {
	each(t, func(t *testing.T, _ string, c charmcraft) {
		assert.Regexp(t, `^ubuntu@\d\d\.04$`, c.Base)
		assert.Contains(t, c.Platforms, "amd64")
		assert.Contains(t, c.Platforms, "arm64")
		assert.Contains(t, c.Assumes, "juju >= 3.6")
		assert.Equal(t, "non-root", c.CharmUser)
		if len(c.Containers) > 0 {
			assert.Contains(t, c.Assumes, "k8s-api")
		}
	})
}

func TestEverythingIsDescribed(t *testing.T) {
	name := regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	each(t, func(t *testing.T, _ string, c charmcraft) {
		all := map[string]described{}
		add := func(kind string, things map[string]described) {
			for thing, d := range things {
				assert.Regexp(t, name, thing, kind)
				all[kind+" "+thing] = d
			}
		}
		for kind, endpoints := range map[string]map[string]endpoint{"peer": c.Peers, "provided endpoint": c.Provides, "required endpoint": c.Requires} {
			for thing, e := range endpoints {
				add(kind, map[string]described{thing: e.described})
				assert.NotEmpty(t, e.Interface, thing)
				if kind != "peer" {
					assert.NotNil(t, e.Optional, "optional of %s %s", kind, thing)
				}
			}
		}
		for thing, a := range c.Actions {
			add("action", map[string]described{thing: a.described})
			// Juju 3 and 4 differ in what they do with other parameters, unless an action says so.
			if assert.NotNil(t, a.AdditionalProperties, "additionalProperties of action %s", thing) {
				assert.False(t, *a.AdditionalProperties, thing)
			}
			add("parameter of action "+thing+":", a.Params)
		}
		add("option", c.Config.Options)
		add("resource", c.Resources)
		add("storage", c.Storage)
		for thing, d := range all {
			assert.GreaterOrEqual(t, len(strings.TrimSpace(d.Description)), sentence, "%s says nothing", thing)
		}
	})
}

// The review fetches these of the repository's root, and compares the licence with the known texts.
func TestRoot(t *testing.T) {
	for file, says := range map[string]string{
		"LICENSE":         "                                 Apache License\n                           Version 2.0, January 2004",
		"SECURITY.md":     "vulnerabilit",
		"CONTRIBUTING.md": "make test",
		"README.md":       "juju deploy",
		"renovate.json":   "gomod",
	} {
		text, err := os.ReadFile(filepath.Join("..", file))
		require.NoError(t, err)
		assert.Contains(t, string(text), says, file)
	}
	tox, err := os.ReadFile(filepath.Join("..", "tox.ini"))
	require.NoError(t, err)
	for _, command := range []string{"format", "lint", "unit", "integration"} {
		assert.Regexp(t, fmt.Sprintf(`(?m)^\[testenv:.*\b%s\b`, command), string(tox))
	}
}

// The review looks for the commands beside charmcraft.yaml; a person looks for them at the root.
func TestCommands(t *testing.T) {
	for _, dir := range []string{"..", "garm", "garm-configurator"} {
		makefile, err := os.ReadFile(filepath.Join(dir, "Makefile"))
		require.NoError(t, err)
		for _, command := range []string{"format", "lint", "unit", "integration"} {
			assert.Regexp(t, fmt.Sprintf(`(?m)^%s:`, command), string(makefile), dir)
		}
	}
}
