package jujucli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/juju/charm/v12"
	"gopkg.in/yaml.v3"

	"github.com/garm-charms/garm-charms/tests/juju"
)

func deploy(ctx context.Context, l *line) error {
	d := juju.Deployment{Units: 1}
	options := options{set: pairs{}}
	storage, resources := pairs{}, pairs{}
	l.flags.IntVar(&d.Units, "n", 1, "")
	l.flags.IntVar(&d.Units, "num-units", 1, "")
	l.flags.BoolVar(&d.Trust, "trust", false, "")
	l.flags.Var(&options, "config", "")
	l.flags.Var(storage, "storage", "")
	l.flags.Var(resources, "resource", "")
	words, err := l.parse(1, 2)
	if err != nil {
		return err
	}
	d.Charm = l.path(words[0])
	if len(words) == 2 {
		d.Application = words[1]
	} else if d.Application, err = charmName(d.Charm); err != nil {
		return err
	}
	d.Storage, d.Resources = storage, l.paths(resources)
	if d.Config, err = l.options(options, d.Application); err != nil {
		return err
	}
	return l.Driver.Deploy(ctx, d)
}

// options are the values of a repeated --config: key=value, or the name of a file.
type options struct {
	set   pairs
	files []string
}

func (o *options) String() string { return fmt.Sprint(o.set, o.files) }

// Set takes one value of --config.
func (o *options) Set(text string) error {
	if strings.Contains(text, "=") {
		return o.set.Set(text)
	}
	o.files = append(o.files, text)
	return nil
}

func (l *line) options(o options, application string) (map[string]string, error) {
	values, err := l.values(join(o.set))
	if err != nil {
		return nil, err
	}
	for _, name := range o.files {
		inFile, err := l.optionsFile(name, application)
		if err != nil {
			return nil, err
		}
		for key, value := range inFile {
			if _, set := values[key]; !set {
				values[key] = value
			}
		}
	}
	return values, nil
}

// optionsFile reads a YAML file of options under the application's name.
func (l *line) optionsFile(name, application string) (map[string]string, error) {
	text, err := l.read(name)
	if err != nil {
		return nil, err
	}
	var applications map[string]map[string]any
	if err := yaml.Unmarshal([]byte(text), &applications); err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, err)
	}
	values := map[string]string{}
	for key, value := range applications[application] {
		values[key] = fmt.Sprint(value)
	}
	return values, nil
}

func charmName(path string) (string, error) {
	archive, err := charm.ReadCharmArchive(path)
	if err != nil {
		return "", err
	}
	return archive.Meta().Name, nil
}

func join(p pairs) []string {
	var words []string
	for key, value := range p {
		words = append(words, key+"="+value)
	}
	return words
}

// paths makes the images that resources name, which are directories here, absolute.
func (l *line) paths(resources pairs) map[string]string {
	for name, path := range resources {
		resources[name] = l.path(path)
	}
	return resources
}

func refresh(ctx context.Context, l *line) error {
	resources := pairs{}
	path := ""
	l.flags.StringVar(&path, "path", "", "")
	l.flags.Var(resources, "resource", "")
	words, err := l.parse(1, 1)
	if err != nil {
		return err
	}
	if path != "" {
		path = l.path(path)
	}
	return l.Driver.Refresh(ctx, words[0], path, l.paths(resources))
}

func scale(ctx context.Context, l *line) error {
	words, err := l.parse(2, 2)
	if err != nil {
		return err
	}
	units, err := strconv.Atoi(words[1])
	if err != nil {
		return err
	}
	return l.Driver.Scale(ctx, words[0], units)
}

func resolve(ctx context.Context, l *line) error {
	noRetry := false
	l.flags.BoolVar(&noRetry, "no-retry", false, "")
	words, err := l.parse(1, 1)
	if err != nil {
		return err
	}
	return l.Driver.Resolve(ctx, words[0], !noRetry)
}

func config(ctx context.Context, l *line) error {
	reset, file := "", ""
	l.flags.StringVar(&reset, "reset", "", "")
	l.flags.StringVar(&file, "file", "", "")
	words, err := l.parse(1, 1000)
	if err != nil {
		return err
	}
	application, words := words[0], words[1:]
	if file == "" && reset == "" && (len(words) == 0 || !strings.Contains(words[0], "=")) {
		return showConfig(ctx, l, application, words)
	}
	set, err := l.values(words)
	if err == nil && file != "" {
		set, err = l.optionsFile(file, application)
	}
	if err != nil {
		return err
	}
	isComma := func(r rune) bool { return r == ',' }
	return l.Driver.SetConfig(ctx, application, set, strings.FieldsFunc(reset, isComma))
}

// showConfig prints all options, or the value of the one that is named.
func showConfig(ctx context.Context, l *line, application string, names []string) error {
	values, err := l.Driver.Config(ctx, application)
	if err != nil {
		return err
	}
	if len(names) == 1 {
		_, err := fmt.Fprintln(l.Stdout, values[names[0]])
		return err
	}
	return yaml.NewEncoder(l.Stdout).Encode(values)
}

// one makes a subcommand of what is done with its one argument.
func one(do func(context.Context, *line, string) error) func(context.Context, *line) error {
	return func(ctx context.Context, l *line) error {
		l.flags.Bool("no-prompt", false, "")
		words, err := l.parse(1, 1)
		if err != nil {
			return err
		}
		return do(ctx, l, words[0])
	}
}

// two makes a subcommand of what is done with its two arguments.
func two(do func(ctx context.Context, l *line, first, second string) error) func(context.Context, *line) error {
	return func(ctx context.Context, l *line) error {
		words, err := l.parse(2, 2)
		if err != nil {
			return err
		}
		return do(ctx, l, words[0], words[1])
	}
}

// secret makes a subcommand of what is done with the content that its arguments give a secret.
func secret(do func(ctx context.Context, l *line, ref string, content map[string]string) error) func(context.Context, *line) error {
	return func(ctx context.Context, l *line) error {
		words, err := l.parse(2, 1000)
		if err != nil {
			return err
		}
		content, err := l.secretContent(words[1:])
		if err != nil {
			return err
		}
		return do(ctx, l, words[0], content)
	}
}

func addSecret(ctx context.Context, l *line, name string, content map[string]string) error {
	uri, err := l.Driver.AddSecret(ctx, name, content)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(l.Stdout, uri)
	return err
}

func modelConfig(ctx context.Context, l *line) error {
	words, err := l.parse(1, 1000)
	if err != nil {
		return err
	}
	set, err := l.values(words)
	if err != nil {
		return err
	}
	return l.Driver.SetModelConfig(ctx, set)
}

// secretContent reads key=value and key#file=path.
func (l *line) secretContent(words []string) (map[string]string, error) {
	set := pairs{}
	for _, word := range words {
		if err := set.Set(word); err != nil {
			return nil, err
		}
	}
	content := map[string]string{}
	for key, value := range set {
		name, isFile := strings.CutSuffix(key, "#file")
		if isFile {
			text, err := l.read(value)
			if err != nil {
				return nil, err
			}
			value = text
		}
		content[name] = value
	}
	return content, nil
}
