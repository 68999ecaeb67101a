package jujucli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/garm-charms/garm-charms/tests/juju"
)

func runAction(ctx context.Context, l *line) error {
	format := ""
	l.flags.StringVar(&format, "format", "plain", "")
	words, err := l.parse(2, 1000)
	if err != nil {
		return err
	}
	params, err := actionParams(words[2:])
	if err != nil {
		return err
	}
	result, err := l.Driver.Run(ctx, words[0], words[1], params)
	if err != nil {
		return err
	}
	for _, message := range result.Log {
		fmt.Fprintln(l.Stdout, message)
	}
	if result.Status != "completed" {
		return fmt.Errorf("action %s %s: %s", words[1], result.Status, result.Message)
	}
	if format == "json" {
		return json.NewEncoder(l.Stdout).Encode(result.Results)
	}
	return yaml.NewEncoder(l.Stdout).Encode(result.Results)
}

// actionParams reads key=value words; a value is YAML, as in Juju.
func actionParams(words []string) (map[string]any, error) {
	params := map[string]any{}
	for _, word := range words {
		key, text, found := strings.Cut(word, "=")
		if !found {
			return nil, fmt.Errorf("expected key=value, got %q", word)
		}
		var value any
		if err := yaml.Unmarshal([]byte(text), &value); err != nil {
			return nil, fmt.Errorf("cannot read parameter %s: %w", key, err)
		}
		params[key] = value
	}
	return params, nil
}

func showStatus(ctx context.Context, l *line) error {
	format := ""
	l.flags.StringVar(&format, "format", "tabular", "")
	if _, err := l.parse(0, 0); err != nil {
		return err
	}
	status, err := l.Driver.Status(ctx)
	if err != nil {
		return err
	}
	if format == "json" {
		return json.NewEncoder(l.Stdout).Encode(status)
	}
	_, err = fmt.Fprint(l.Stdout, status)
	return err
}

func showUnit(ctx context.Context, l *line) error {
	words, err := l.parse(1, 1)
	if err != nil {
		return err
	}
	info, err := l.Driver.ShowUnit(ctx, words[0])
	if err != nil {
		return err
	}
	return yaml.NewEncoder(l.Stdout).Encode(info)
}

func showSecret(ctx context.Context, l *line) error {
	reveal := false
	l.flags.BoolVar(&reveal, "reveal", false, "")
	words, err := l.parse(1, 1)
	if err != nil {
		return err
	}
	info, err := l.Driver.ShowSecret(ctx, words[0], reveal)
	if err != nil {
		return err
	}
	fmt.Fprintf(l.Stdout, "%s:\n  revision: %d\n  owner: %s\n", info.URI, info.Revision, info.Owner)
	for _, key := range slices.Sorted(maps.Keys(info.Content)) {
		fmt.Fprintf(l.Stdout, "  content.%s: %q\n", key, info.Content[key])
	}
	return nil
}

func debugLog(_ context.Context, l *line) error {
	limit, include := 0, ""
	l.flags.IntVar(&limit, "limit", 0, "")
	l.flags.StringVar(&include, "include", "", "")
	if _, err := l.parse(0, 0); err != nil {
		return err
	}
	var entries []juju.LogLine
	for _, entry := range l.Driver.DebugLog() {
		isContainers := strings.HasPrefix(entry.Module, "container.") // no entity's, to Juju
		if include == "" || entry.Unit == include && !isContainers {
			entries = append(entries, entry)
		}
	}
	if limit > 0 {
		entries = entries[max(0, len(entries)-limit):]
	}
	for _, entry := range entries {
		fmt.Fprintln(l.Stdout, entry)
	}
	return nil
}
