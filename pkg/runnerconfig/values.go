package runnerconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// List is a comma-separated option. Blanks around its entries do not count.
type List []string

// MarshalText joins the entries with commas.
func (l List) MarshalText() ([]byte, error) { return []byte(strings.Join(l, ",")), nil }

// UnmarshalText splits at commas and keeps empty entries, for the rules to refuse.
func (l *List) UnmarshalText(text []byte) error {
	*l = nil
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	for entry := range strings.SplitSeq(string(text), ",") {
		*l = append(*l, strings.TrimSpace(entry))
	}
	return nil
}

// Refusal is the opposite of the text it is read from: what is allowed is not refused, and what is not said is allowed.
type Refusal bool

// MarshalText writes whether it is allowed.
func (r Refusal) MarshalText() ([]byte, error) { return strconv.AppendBool(nil, !bool(r)), nil }

// UnmarshalText reads whether it is allowed.
func (r *Refusal) UnmarshalText(text []byte) error {
	allowed, err := strconv.ParseBool(string(text))
	*r = Refusal(!allowed)
	return err
}

// Scripts are shell scripts by name.
type Scripts map[string]string

// size is what the scripts take of a runner's user data, in bytes before any encoding: their texts, and for each its entry
// in cloud-init's lists with its name twice.
func (s Scripts) size() int {
	const entry = 256
	total := 0
	for _, text := range s {
		total += len(text) + entry
	}
	return total
}

// singleScript is the name under which the Python charm publishes an option that is one script.
const singleScript = "pre_install.sh"

// MarshalText writes a JSON object, the form in which scripts stand in the databag.
func (s Scripts) MarshalText() ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(map[string]string(s)); err != nil {
		return nil, fmt.Errorf("cannot encode scripts: %w", err)
	}
	return bytes.TrimSpace(text.Bytes()), nil
}

// UnmarshalText reads a YAML or JSON map of name to script. Anything else is one script.
func (s *Scripts) UnmarshalText(text []byte) error {
	*s = nil
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	var scripts map[string]string
	if !bytes.HasPrefix(text, []byte("#!")) && yaml.Unmarshal(text, &scripts) == nil {
		*s = scripts
		return nil
	}
	*s = Scripts{singleScript: string(text)}
	return nil
}
