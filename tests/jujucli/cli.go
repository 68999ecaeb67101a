// Package jujucli is the `juju` command of scenarios and of the lab: what an operator types, parsed as Juju's own client
// parses it, and carried out by a Driver.
//
// It knows neither charms nor how a Driver does its work.
package jujucli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/juju/gnuflag"

	"github.com/garm-charms/garm-charms/tests/juju"
)

// Applications is the part of a Driver that deploys and removes.
type Applications interface {
	Deploy(ctx context.Context, d juju.Deployment) error
	Refresh(ctx context.Context, application, charm string, resources map[string]string) error
	RemoveApplication(ctx context.Context, application string) error
	Scale(ctx context.Context, application string, units int) error
	Resolve(ctx context.Context, unit string, retry bool) error
}

// Configuration is the part of a Driver that sets options.
type Configuration interface {
	SetConfig(ctx context.Context, application string, set map[string]string, reset []string) error
	Config(ctx context.Context, application string) (map[string]string, error)
	SetModelConfig(ctx context.Context, set map[string]string) error
	Integrate(ctx context.Context, a, b string) error
	RemoveRelation(ctx context.Context, a, b string) error
}

// Secrets is the part of a Driver that keeps the operator's secrets.
type Secrets interface {
	AddSecret(ctx context.Context, name string, content map[string]string) (uri string, err error)
	UpdateSecret(ctx context.Context, ref string, content map[string]string) error
	GrantSecret(ctx context.Context, ref, application string) error
	RevokeSecret(ctx context.Context, ref, application string) error
	RemoveSecret(ctx context.Context, ref string) error
}

// Viewer is the part of a Driver that answers, and runs actions.
type Viewer interface {
	Run(ctx context.Context, unit, action string, params map[string]any) (juju.ActionResult, error)
	Status(ctx context.Context) (juju.Status, error)
	ShowUnit(ctx context.Context, unit string) (juju.UnitInfo, error)
	ShowSecret(ctx context.Context, ref string, reveal bool) (juju.SecretInfo, error)
	DebugLog() []juju.LogLine
}

// Driver is a controller with one model.
type Driver interface {
	Applications
	Configuration
	Secrets
	Viewer
}

// Command is the juju command: Dir is where relative paths start, as the shell's working directory is.
type Command struct {
	Driver Driver
	Dir    string
	Stdout io.Writer
}

// Names lists the subcommands.
func Names() []string { return slices.Sorted(maps.Keys(commands())) }

// Run carries out `juju args...`.
func (c Command) Run(ctx context.Context, args ...string) error {
	if len(args) == 0 {
		return fmt.Errorf("cannot run juju without a subcommand: it knows %s", strings.Join(Names(), ", "))
	}
	run, known := commands()[args[0]]
	if !known {
		return fmt.Errorf("cannot run juju %s: it knows %s", args[0], strings.Join(Names(), ", "))
	}
	l := line{Command: c, flags: gnuflag.NewFlagSet("juju "+args[0], gnuflag.ContinueOnError), words: args[1:]}
	l.flags.SetOutput(io.Discard)
	if err := run(ctx, &l); err != nil {
		return fmt.Errorf("cannot run juju %s: %w", args[0], err)
	}
	return nil
}

func commands() map[string]func(context.Context, *line) error {
	return map[string]func(context.Context, *line) error{
		"deploy":             deploy,
		"refresh":            refresh,
		"remove-application": one(func(ctx context.Context, l *line, name string) error { return l.Driver.RemoveApplication(ctx, name) }),
		"scale-application":  scale,
		"resolve":            resolve,
		"config":             config,
		"model-config":       modelConfig,
		"integrate":          two(func(ctx context.Context, l *line, a, b string) error { return l.Driver.Integrate(ctx, a, b) }),
		"remove-relation":    two(func(ctx context.Context, l *line, a, b string) error { return l.Driver.RemoveRelation(ctx, a, b) }),
		"add-secret":         secret(addSecret),
		"update-secret": secret(func(ctx context.Context, l *line, ref string, content map[string]string) error {
			return l.Driver.UpdateSecret(ctx, ref, content)
		}),
		"grant-secret":  two(func(ctx context.Context, l *line, ref, app string) error { return l.Driver.GrantSecret(ctx, ref, app) }),
		"revoke-secret": two(func(ctx context.Context, l *line, ref, app string) error { return l.Driver.RevokeSecret(ctx, ref, app) }),
		"remove-secret": one(func(ctx context.Context, l *line, ref string) error { return l.Driver.RemoveSecret(ctx, ref) }),
		"show-secret":   showSecret,
		"run":           runAction,
		"status":        showStatus,
		"show-unit":     showUnit,
		"debug-log":     debugLog,
	}
}

// line is one command line being carried out.
type line struct {
	Command
	flags *gnuflag.FlagSet
	words []string
}

// parse reads the flags and returns the other words, of which there must be from least to most.
func (l *line) parse(least, most int) ([]string, error) {
	if err := l.flags.Parse(true, l.words); err != nil {
		return nil, err
	}
	words := l.flags.Args()
	if len(words) < least || len(words) > most {
		return nil, fmt.Errorf("got %d arguments, want %d to %d", len(words), least, most)
	}
	return words, nil
}

// pairs collects repeated --flag key=value.
type pairs map[string]string

func (p pairs) String() string { return fmt.Sprint(map[string]string(p)) }

// Set takes one key=value.
func (p pairs) Set(text string) error {
	key, value, found := strings.Cut(text, "=")
	if !found {
		return fmt.Errorf("expected key=value, got %q", text)
	}
	p[key] = value
	return nil
}

// values reads key=value words, whose values may stand in a file: key=@file.
func (l *line) values(words []string) (map[string]string, error) {
	set := pairs{}
	for _, word := range words {
		if err := set.Set(word); err != nil {
			return nil, err
		}
	}
	for key, value := range set {
		if file, named := strings.CutPrefix(value, "@"); named {
			text, err := l.read(file)
			if err != nil {
				return nil, err
			}
			set[key] = text
		}
	}
	return set, nil
}

func (l *line) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(l.Dir, name)
}

func (l *line) read(name string) (string, error) {
	text, err := os.ReadFile(l.path(name))
	if err != nil {
		return "", err
	}
	return string(text), nil
}
