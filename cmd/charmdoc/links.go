package main

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// deadLinks names the links, as "FILE: TARGET", from Markdown files to files of the tree, or to headings in them, that are
// not there. Addresses on the web are not looked at.
func deadLinks(tree fs.FS) ([]string, error) {
	var dead []string
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skip(name)
		}
		if path.Ext(name) != ".md" {
			return nil
		}
		content, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		for _, target := range linksIn(string(content)) {
			if !leads(tree, name, target) {
				dead = append(dead, name+": "+target)
			}
		}
		return nil
	})
	return dead, err
}

// skip leaves out the directories whose documents are not for readers.
func skip(directory string) error {
	base := path.Base(directory)
	if base == "testdata" || base == "build" || base != "." && strings.HasPrefix(base, ".") {
		return fs.SkipDir
	}
	return nil
}

// linksIn lists the targets of a text's inline links.
func linksIn(text string) []string {
	var targets []string
	for _, found := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(found[1], "://") {
			targets = append(targets, found[1])
		}
	}
	return targets
}

func leads(tree fs.FS, from, target string) bool {
	file, heading, _ := strings.Cut(target, "#")
	name := from
	if file != "" {
		name = path.Join(path.Dir(from), file)
	}
	if heading == "" {
		_, err := fs.Stat(tree, name)
		return err == nil
	}
	content, err := fs.ReadFile(tree, name)
	return err == nil && hasHeading(string(content), heading)
}

// hasHeading tells whether a heading has the anchor that GitHub makes of it.
func hasHeading(text, anchor string) bool {
	drop := regexp.MustCompile(`[^\pL\pN _-]`)
	for line := range strings.Lines(text) {
		words, isHeading := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !isHeading || !strings.HasPrefix(line, "#") {
			continue
		}
		made := strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(strings.TrimSpace(words)), ""), " ", "-")
		if made == anchor {
			return true
		}
	}
	return false
}
