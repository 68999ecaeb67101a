package operator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/garm-charms/garm-charms/tests/jujucli"
)

// Fence is a fenced block of a Markdown page. A page's fences say what they are: "shell" is for commands that a reader
// types, "text" for what the command above them prints, with … for what differs from time to time, and a language with a
// name ("yaml small.yaml") for a file that the reader writes.
type Fence struct {
	Language string
	File     string // the file's name, if it is one
	Text     string
	Line     int // of its first line in the page
}

// Fences lists a page's fenced blocks.
func Fences(page string) []Fence {
	var fences []Fence
	var open *Fence
	number := 0
	for line := range strings.Lines(page) {
		number++
		info, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open == nil:
			open = &Fence{Line: number + 1}
			open.Language, open.File, _ = strings.Cut(info, " ")
		case isFence:
			fences = append(fences, *open)
			open = nil
		case open != nil:
			open.Text += line
		}
	}
	return fences
}

// page is one that a scenario follows.
type page struct {
	path string
	left []Fence
}

// open FILE: the page that is followed from here on, its path being relative to the tests' directory.
func (o *Operator) open(_ context.Context, args []string) (string, error) {
	if err := o.finish(); err != nil {
		return "", err
	}
	content, err := os.ReadFile(filepath.Join(o.Module, args[0]))
	if err != nil {
		return "", err
	}
	o.page = page{path: args[0], left: Fences(string(content))}
	return "", os.RemoveAll(o.variables())
}

// variables is the file that keeps what the reader's shell has set from one block to the next.
func (o *Operator) variables() string { return filepath.Join(o.Home, "variables") }

// follow [PLACEHOLDER=VALUE...]: types what the page's next shell block says, in bash, after writing the files that stand
// before it. If a text block follows it, that must be what was printed. A placeholder is a word of the page.
func (o *Operator) follow(ctx context.Context, args []string) (string, error) {
	block, err := o.next()
	if err != nil {
		return "", err
	}
	text, err := fill(block.Text, args)
	if err != nil {
		return "", err
	}
	out, err := o.bash(ctx, text)
	if err != nil {
		return out, fmt.Errorf("cannot follow %s:%d: %w\n%s%s", o.page.path, block.Line, err, text, out)
	}
	if len(o.page.left) > 0 && o.page.left[0].Language == "text" {
		shown := o.page.left[0]
		o.page.left = o.page.left[1:]
		if line := missing(shown.Text, out); line != "" {
			return out, fmt.Errorf("%s:%d says that it prints %q; it printed\n%s", o.page.path, shown.Line, line, out)
		}
	}
	return out, nil
}

// untyped REASON: passes over the page's next shell block, which scenarios cannot run. They can run the juju commands that jujucli knows.
func (o *Operator) untyped(_ context.Context, args []string) (string, error) {
	block, err := o.next()
	if err != nil {
		return "", err
	}
	if len(args) != 1 || args[0] == "" {
		return "", errors.New("say in one argument why it is not typed")
	}
	for line := range strings.Lines(block.Text) {
		words := strings.Fields(line)
		if len(words) > 1 && words[0] == "juju" && slices.Contains(jujucli.Names(), words[1]) {
			return "", fmt.Errorf("%s:%d can be typed: %s", o.page.path, block.Line, line)
		}
	}
	return "", nil
}

// next takes the page's next shell block and writes the files before it.
func (o *Operator) next() (Fence, error) {
	for len(o.page.left) > 0 {
		fence := o.page.left[0]
		o.page.left = o.page.left[1:]
		if fence.Language == "shell" {
			return fence, nil
		}
		if fence.File == "" {
			continue
		}
		if err := o.keep(fence.File, []byte(fence.Text)); err != nil {
			return Fence{}, err
		}
	}
	return Fence{}, fmt.Errorf("%s has no more to type", o.page.path)
}

// finish: nothing of the page is left to type.
func (o *Operator) finish() error {
	for _, fence := range o.page.left {
		if fence.Language == "shell" {
			return fmt.Errorf("%s:%d was not typed: %s", o.page.path, fence.Line, fence.Text)
		}
	}
	return nil
}

// fill puts values in the place of placeholders.
func fill(text string, placeholders []string) (string, error) {
	for _, pair := range placeholders {
		name, value, _ := strings.Cut(pair, "=")
		word := regexp.MustCompile(`(^|[^\w-])` + regexp.QuoteMeta(name) + `($|[^\w-])`)
		if !word.MatchString(text) {
			return "", fmt.Errorf("%q is not in %s", name, text)
		}
		text = word.ReplaceAllString(text, "${1}"+strings.ReplaceAll(value, "$", "$$")+"${2}")
	}
	return text, nil
}

// missing is the first line of what a page shows that was not printed. How wide the columns are does not matter.
func missing(shown, printed string) string {
	var have []string
	for line := range strings.Lines(printed) {
		have = append(have, strings.Join(strings.Fields(line), " "))
	}
	for line := range strings.Lines(shown) {
		want := regexp.QuoteMeta(strings.Join(strings.Fields(line), " "))
		pattern := regexp.MustCompile("^" + strings.ReplaceAll(want, "…", ".*") + "$")
		if !slices.ContainsFunc(have, pattern.MatchString) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// bash runs a text in the operator's directory and returns what it printed.
func (o *Operator) bash(ctx context.Context, text string) (string, error) {
	const around = `set -euo pipefail; set -a
if [ -e "$VARIABLES" ]; then . "$VARIABLES"; fi
%s
export -p >"$VARIABLES"`
	cmd := exec.CommandContext(ctx, "bash", "-c", fmt.Sprintf(around, text))
	cmd.Dir = o.Dir
	cmd.Env = []string{"PATH=" + filepath.Join(o.Home, "bin") + ":" + os.Getenv("PATH"), "HOME=" + o.Dir, "VARIABLES=" + o.variables()}
	out, err := cmd.CombinedOutput()
	return string(out), err
}
