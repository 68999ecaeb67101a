package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

const generated = "<!-- Written by make docs from charms/*/charmcraft.yaml: edit it there. -->\n"

// options is the page of every charm's options.
func options(charms []charm) []byte {
	var page bytes.Buffer
	fmt.Fprintf(&page, "# Options\n\n%s\nSet one with `juju config APPLICATION NAME=VALUE`, or from a file with `NAME=@FILE`; clear it with "+
		"`--reset NAME`.\nWhat is wrong, and what is missing, is in the unit's [status](statuses.md).\n", generated)
	for _, c := range charms {
		fmt.Fprintf(&page, "\n## %s\n", c.Name)
		for _, option := range c.Config.Options {
			fmt.Fprintf(&page, "\n### `%s`\n\n*%s*\n\n%s\n", option.Name, kind(option.Value), text(option.Value.Description))
		}
	}
	return page.Bytes()
}

// kind says a value's type, and its default if it has one.
func kind(v value) string {
	if v.Default == nil {
		return v.Type
	}
	return fmt.Sprintf("%s, default %v", v.Type, v.Default)
}

// actions is the page of every charm's actions.
func actions(charms []charm) []byte {
	var page bytes.Buffer
	fmt.Fprintf(&page, "# Actions\n\n%s\nRun one with `juju run UNIT NAME PARAMETER=VALUE`; `APPLICATION/leader` is the unit that does the work.\n", generated)
	for _, c := range charms {
		fmt.Fprintf(&page, "\n## %s\n", c.Name)
		for _, a := range c.Actions {
			fmt.Fprintf(&page, "\n### `%s`\n\n%s\n", a.Name, text(a.Value.Description))
			if len(a.Value.Params) > 0 {
				fmt.Fprint(&page, "\n| parameter | type | meaning |\n|---|---|---|\n")
			}
			for _, p := range a.Value.Params {
				fmt.Fprintf(&page, "| `%s` | %s | %s |\n", p.Name, paramKind(a.Value, p), oneLine(p.Value.Description))
			}
		}
	}
	return page.Bytes()
}

func paramKind(a action, param entry[value]) string {
	said := kind(param.Value)
	if slices.Contains(a.Required, param.Name) {
		said += ", required"
	}
	return said
}

// relations is the page of every charm's endpoints, storage and resources.
func relations(charms []charm) []byte {
	var page bytes.Buffer
	fmt.Fprintf(&page, "# Relations, storage and resources\n\n%s", generated)
	for _, c := range charms {
		fmt.Fprintf(&page, "\n## %s\n\n| endpoint | interface | role | meaning |\n|---|---|---|---|\n", c.Name)
		for _, side := range []struct {
			role      string
			endpoints list[endpoint]
		}{{"provides", c.Provides}, {"requires", c.Requires}, {"peer", c.Peers}} {
			for _, e := range side.endpoints {
				fmt.Fprintf(&page, "| `%s` | `%s` | %s | %s |\n", e.Name, e.Value.Interface, side.role+terms(side.role, e.Value), oneLine(e.Value.Description))
			}
		}
		if len(c.Storage)+len(c.Resources) > 0 {
			fmt.Fprint(&page, "\n| storage, resource | type | meaning |\n|---|---|---|\n")
		}
		for _, s := range c.Storage {
			fmt.Fprintf(&page, "| `%s` | %s | %s At least %s. |\n", s.Name, s.Value.Type, oneLine(s.Value.Description), s.Value.MinimumSize)
		}
		for _, r := range c.Resources {
			fmt.Fprintf(&page, "| `%s` | %s | %s |\n", r.Name, r.Value.Type, oneLine(r.Value.Description))
		}
	}
	return page.Bytes()
}

// terms says how many relations an endpoint must and may have; a peer relation is Juju's own affair.
func terms(role string, e endpoint) string {
	if role == "peer" {
		return ""
	}
	said := ", needed"
	if e.Optional {
		said = ", optional"
	}
	if e.Limit > 0 {
		said += fmt.Sprintf(", at most %d", e.Limit)
	}
	return said
}

// text is a description as it is written, with an angle bracket meant as one.
func text(description string) string {
	return strings.ReplaceAll(strings.TrimSpace(description), "<", "&lt;")
}

// oneLine is a description for a table's cell.
func oneLine(description string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text(description)), " "), "|", "\\|")
}
