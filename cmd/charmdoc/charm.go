package main

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// charm is what the reference says of one charm, in the order of its charmcraft.yaml.
type charm struct {
	Name      string         `yaml:"name"`
	Provides  list[endpoint] `yaml:"provides"`
	Requires  list[endpoint] `yaml:"requires"`
	Peers     list[endpoint] `yaml:"peers"`
	Storage   list[storage]  `yaml:"storage"`
	Resources list[resource] `yaml:"resources"`
	Actions   list[action]   `yaml:"actions"`
	Config    struct {
		Options list[value] `yaml:"options"`
	} `yaml:"config"`
}

type endpoint struct {
	Interface   string `yaml:"interface"`
	Description string `yaml:"description"`
	Optional    bool   `yaml:"optional"`
	Limit       int    `yaml:"limit"`
}

type storage struct {
	Type        string `yaml:"type"`
	Description string `yaml:"description"`
	MinimumSize string `yaml:"minimum-size"`
}

type resource struct {
	Type        string `yaml:"type"`
	Description string `yaml:"description"`
}

type action struct {
	Description string      `yaml:"description"`
	Params      list[value] `yaml:"params"`
	Required    []string    `yaml:"required"`
}

// value is an option, or a parameter of an action.
type value struct {
	Type        string `yaml:"type"`
	Default     any    `yaml:"default"`
	Description string `yaml:"description"`
}

// list is a YAML map whose order is kept.
type list[T any] []entry[T]

type entry[T any] struct {
	Name  string
	Value T
}

// UnmarshalYAML reads a map.
func (l *list[T]) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: want a map", node.Line)
	}
	for i := 0; i < len(node.Content); i += 2 {
		e := entry[T]{Name: node.Content[i].Value}
		if err := node.Content[i+1].Decode(&e.Value); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
		*l = append(*l, e)
	}
	return nil
}

func readCharm(content []byte) (charm, error) {
	var c charm
	err := yaml.Unmarshal(content, &c)
	return c, err
}
