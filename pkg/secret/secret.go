// Package secret is a string that does not show itself: whatever prints, logs or encodes it gets a placeholder.
// It must not know where secrets come from or go to, and it imports nothing of this module.
package secret

import (
	"fmt"
	"log/slog"
	"unique"
)

const placeholder = "[redacted]"

// Value is a secret text. The zero Value is empty. Two Values of the same text are equal under ==.
//
// The text stands behind a pointer because fmt does not call the methods of unexported fields:
// a struct that holds a Value in one would otherwise print the text.
type Value struct {
	text unique.Handle[string]
}

// New returns the Value of text.
func New(text string) Value {
	if text == "" {
		return Value{}
	}
	return Value{text: unique.Make(text)}
}

// Reveal returns the text itself. Call it only where the secret is handed over.
func (v Value) Reveal() string {
	if v.Empty() {
		return ""
	}
	return v.text.Value()
}

// Empty says whether there is no text.
func (v Value) Empty() bool {
	return v == Value{}
}

// String returns a placeholder, or "" for an empty Value.
func (v Value) String() string {
	if v.Empty() {
		return ""
	}
	return placeholder
}

// Format writes the placeholder whatever the verb and flags are.
func (v Value) Format(state fmt.State, _ rune) {
	_, _ = state.Write([]byte(v.String()))
}

// MarshalText returns the placeholder; encoding/json and yaml.v3 use it too.
func (v Value) MarshalText() ([]byte, error) {
	return []byte(v.String()), nil
}

// LogValue returns the placeholder.
func (v Value) LogValue() slog.Value {
	return slog.StringValue(v.String())
}
