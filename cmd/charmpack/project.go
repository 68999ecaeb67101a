package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// project is a unified charmcraft.yaml. What Juju reads too is kept as it is written; charmcraft alone reads the rest.
type project struct {
	Type      string               `yaml:"type"`
	Base      string               `yaml:"base"`
	Platforms map[string]yaml.Node `yaml:"platforms"`
	Parts     map[string]part      `yaml:"parts"`
	Links     links                `yaml:"links"`
	Title     string               `yaml:"title"`
	Config    yaml.Node            `yaml:"config"`
	Actions   yaml.Node            `yaml:"actions"`
	metadata  `yaml:",inline"`

	BuildBase yaml.Node `yaml:"build-base"`
	Analysis  yaml.Node `yaml:"analysis"`
	Charmhub  yaml.Node `yaml:"charmhub"`
}

// metadata has the keys that metadata.yaml and charmcraft.yaml spell alike.
type metadata struct {
	Name          string    `yaml:"name"`
	Summary       yaml.Node `yaml:"summary,omitempty"`
	Description   yaml.Node `yaml:"description,omitempty"`
	Assumes       yaml.Node `yaml:"assumes,omitempty"`
	CharmUser     yaml.Node `yaml:"charm-user,omitempty"`
	Containers    yaml.Node `yaml:"containers,omitempty"`
	Devices       yaml.Node `yaml:"devices,omitempty"`
	ExtraBindings yaml.Node `yaml:"extra-bindings,omitempty"`
	Peers         yaml.Node `yaml:"peers,omitempty"`
	Provides      yaml.Node `yaml:"provides,omitempty"`
	Requires      yaml.Node `yaml:"requires,omitempty"`
	Resources     yaml.Node `yaml:"resources,omitempty"`
	Storage       yaml.Node `yaml:"storage,omitempty"`
	Subordinate   yaml.Node `yaml:"subordinate,omitempty"`
	Terms         yaml.Node `yaml:"terms,omitempty"`
}

// links are flattened in metadata.yaml, two of them under older names (charmcraft/models/metadata.py).
type links struct {
	Documentation yaml.Node `yaml:"documentation"`
	Issues        yaml.Node `yaml:"issues"`
	Source        yaml.Node `yaml:"source"`
	Website       yaml.Node `yaml:"website"`
	Contact       yaml.Node `yaml:"contact"`
}

type metadataFile struct {
	DisplayName string    `yaml:"display-name,omitempty"`
	Docs        yaml.Node `yaml:"docs,omitempty"`
	Issues      yaml.Node `yaml:"issues,omitempty"`
	Source      yaml.Node `yaml:"source,omitempty"`
	Website     yaml.Node `yaml:"website,omitempty"`
	Maintainers yaml.Node `yaml:"maintainers,omitempty"`
	metadata    `yaml:",inline"`
}

// part is a charmcraft part, of which charmpack understands the plugin dump with a list of what to prime.
type part struct {
	Plugin   string            `yaml:"plugin"`
	Source   string            `yaml:"source"`
	Organize map[string]string `yaml:"organize"`
	Stage    []string          `yaml:"stage"`
	Prime    []string          `yaml:"prime"`
	Other    map[string]any    `yaml:",inline"`
}

type base struct {
	Name          string   `yaml:"name"`
	Channel       string   `yaml:"channel"`
	Architectures []string `yaml:"architectures"`
}

func readProject(name string) (*project, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var read project
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(&read); err != nil {
		return nil, err
	}
	if read.Type != "charm" || read.Name == "" {
		return nil, fmt.Errorf("cannot pack type %q name %q: want type charm and a name", read.Type, read.Name)
	}
	return &read, nil
}

// generated returns the files charmcraft derives from charmcraft.yaml. manifest.yaml has no version of charmcraft and no
// time: Juju reads the bases only, and the same input gives the same archive.
func (p *project) generated(arch string) (map[string]file, error) {
	if _, ok := p.Platforms[arch]; !ok {
		return nil, fmt.Errorf("cannot pack for platform %q: charmcraft.yaml has %v", arch, slices.Sorted(maps.Keys(p.Platforms)))
	}
	name, channel, ok := strings.Cut(p.Base, "@")
	if !ok {
		return nil, fmt.Errorf("cannot read base %q: want <name>@<channel>", p.Base)
	}
	contents := map[string]any{
		"metadata.yaml": metadataFile{
			DisplayName: p.Title,
			Docs:        p.Links.Documentation,
			Issues:      p.Links.Issues,
			Source:      p.Links.Source,
			Website:     p.Links.Website,
			Maintainers: asList(p.Links.Contact),
			metadata:    p.metadata,
		},
		"manifest.yaml": map[string][]base{"bases": {{Name: name, Channel: channel, Architectures: []string{arch}}}},
	}
	if !p.Config.IsZero() {
		contents["config.yaml"] = &p.Config
	}
	if !p.Actions.IsZero() {
		contents["actions.yaml"] = &p.Actions
	}
	files := make(map[string]file, len(contents))
	for name, content := range contents {
		encoded, err := yaml.Marshal(content)
		if err != nil {
			return nil, fmt.Errorf("cannot encode %s: %w", name, err)
		}
		files[name] = file{content: encoded}
	}
	return files, nil
}

// asList makes a list of one contact.
func asList(node yaml.Node) yaml.Node {
	if node.Kind != yaml.ScalarNode {
		return node
	}
	return yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{&node}}
}

// partFiles finds the files that the parts prime, except what they build.
func (p *project) partFiles(root string) (map[string]file, error) {
	files := map[string]file{}
	for _, name := range slices.Sorted(maps.Keys(p.Parts)) {
		part := p.Parts[name]
		if part.Plugin != "dump" {
			continue
		}
		if err := part.addFiles(root, files); err != nil {
			return nil, fmt.Errorf("part %s: %w", name, err)
		}
	}
	return files, nil
}

func (p part) addFiles(root string, files map[string]file) error {
	names := p.Prime
	if names == nil {
		names = p.Stage
	}
	if len(names) == 0 {
		return errors.New("it would dump the whole of its source: list what to prime")
	}
	for _, name := range names {
		if strings.HasPrefix(name, "-") || strings.ContainsAny(name, "*?[{") || !filepath.IsLocal(name) {
			return fmt.Errorf("cannot prime %q: only plain paths are understood", name)
		}
		if err := addTree(filepath.Join(root, p.Source, p.origin(name)), path.Clean(name), files); err != nil {
			return fmt.Errorf("cannot prime %s: %w", name, err)
		}
	}
	return nil
}

// origin undoes organize.
func (p part) origin(name string) string {
	for from, to := range p.Organize {
		if path.Clean(to) == path.Clean(name) {
			return from
		}
	}
	return name
}

// addTree adds a file, or a directory with all in it, under name.
func addTree(from, name string, files map[string]file) error {
	info, err := stat(from)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		files[name] = file{path: from}
		return nil
	}
	return filepath.WalkDir(from, func(found string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if _, err := stat(found); err != nil {
			return err
		}
		relative, err := filepath.Rel(from, found)
		if err != nil {
			return err
		}
		files[path.Join(name, filepath.ToSlash(relative))] = file{path: found}
		return nil
	})
}
