// Command charmdoc writes the pages of docs/reference that are about what charmcraft.yaml declares: options, actions, and
// relations with storage and resources; and the one of the statuses, from their table in pkg/status. With -check it writes nothing and fails if a page is not what it would write, or if
// a link in a document of the tree leads nowhere.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "charmdoc:", err)
		os.Exit(1)
	}
}

// run carries out `charmdoc [-check] [ROOT]`, where ROOT is the root of the tree, or the working directory.
func run(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("charmdoc", flag.ContinueOnError)
	flags.SetOutput(stderr)
	check := flags.Bool("check", false, "write nothing, fail if a page is stale or a link is dead")
	if err := flags.Parse(args); err != nil {
		return err
	}
	root := "."
	if flags.NArg() > 0 {
		root = flags.Arg(0)
	}
	tree, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer tree.Close() //nolint:errcheck // only reads went through it
	pages, err := pagesOf(tree.FS())
	if err != nil {
		return err
	}
	if *check {
		return checkTree(tree.FS(), pages)
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(root, name), text, 0o644); err != nil { //nolint:gosec // documents are for everyone
			return err
		}
	}
	return nil
}

// charmNames are the charms of the tree, in the order in which the pages have them.
func charmNames() []string { return []string{"garm-configurator", "garm"} }

// pagesOf renders the pages of a tree, by path.
func pagesOf(tree fs.FS) (map[string][]byte, error) {
	var charms []charm
	for _, name := range charmNames() {
		content, err := fs.ReadFile(tree, "charms/"+name+"/charmcraft.yaml")
		if err != nil {
			return nil, err
		}
		c, err := readCharm(content)
		if err != nil {
			return nil, fmt.Errorf("cannot read charmcraft.yaml of %s: %w", name, err)
		}
		charms = append(charms, c)
	}
	return map[string][]byte{
		"docs/reference/options.md":   options(charms),
		"docs/reference/actions.md":   actions(charms),
		"docs/reference/relations.md": relations(charms),
		statusPage:                    statuses(),
	}, nil
}

func checkTree(tree fs.FS, pages map[string][]byte) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		content, err := fs.ReadFile(tree, name)
		if err != nil || !bytes.Equal(content, pages[name]) {
			errs = append(errs, fmt.Errorf("%s is not what it is written from: run make docs", name))
		}
	}
	dead, err := deadLinks(tree)
	if err != nil {
		return err
	}
	for _, link := range dead {
		errs = append(errs, fmt.Errorf("a link leads nowhere: %s", link))
	}
	return errors.Join(errs...)
}
