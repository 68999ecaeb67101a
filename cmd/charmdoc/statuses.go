package main

import (
	"bytes"
	"fmt"

	"github.com/garm-charms/garm-charms/pkg/status"
)

const statusPage = "docs/reference/statuses.md"

// statuses is the page of every charm's statuses.
func statuses() []byte {
	var page bytes.Buffer
	fmt.Fprint(&page, `# Statuses

<!-- Written by make docs from pkg/status/table.go: edit it there. -->

A unit's status is one line: the most serious thing first, and how many more there are. *Blocked* needs somebody, *waiting*
and *maintenance* go on by themselves, *active* is only said if it is true. Messages are shown with example values.
`)
	for _, charm := range charmNames() {
		fmt.Fprintf(&page, "\n## %s\n\n| status | message | what it means | what to do |\n|---|---|---|---|\n", charm)
		for _, s := range status.Of(charm) {
			fmt.Fprintf(&page, "| %s | `%s` | %s | %s |\n", s.Level, s.Message, s.Meaning, s.Do)
		}
	}
	return page.Bytes()
}
