package runnerconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// KeyHold is the databag key by which a configurator whose configuration has become invalid asks garm to leave what it
// declared before as it is. The other keys stay as they were; the value is the reason, for a person.
const KeyHold = "hold"

// Keys of garm's answer, in its application databag of the same relation.
const (
	AnswerStatus       = "status" // one of the Status values
	AnswerMessage      = "message"
	AnswerScaleSetID   = "scaleset_id"
	AnswerTemplateID   = "template_id"
	AnswerProviderName = "provider_name"
)

// Values of AnswerStatus.
const (
	StatusReady   = "ready"   // the scale set stands in GARM as declared
	StatusPending = "pending" // garm goes on by itself; the message says what it waits for
	StatusRefused = "refused" // somebody must act; the message says what on
)

// ErrAbsent says that a databag declares no scale set: nothing was published yet, or it was withdrawn.
var ErrAbsent = errors.New("no scale set is declared")

// InvalidError lists what is wrong with a declaration.
type InvalidError struct{ Problems []Problem }

func (e *InvalidError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.String()
	}
	return strings.Join(texts, "; ")
}

// Encode returns the databag that declares the scale set. Keys without value are left out.
func (s ScaleSet) Encode() (map[string]string, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("cannot encode scale set: %w", err)
	}
	bag := map[string]string{}
	if err := json.Unmarshal(text, &bag); err != nil {
		return nil, fmt.Errorf("cannot encode scale set: %w", err)
	}
	return bag, nil
}

// Keys lists every databag key that Encode may write.
func Keys() []string {
	var keys []string
	for _, f := range fields() {
		keys = append(keys, f.key)
	}
	return keys
}

// Decode reads what a configurator declared and checks it by the rules that the configurator itself keeps.
// Unknown keys are ignored. Errors: ErrAbsent, *InvalidError.
func Decode(bag map[string]string) (ScaleSet, error) {
	if bag["name"] == "" {
		return ScaleSet{}, ErrAbsent
	}
	s, problems := decode(bag, func(f field) string { return bag[f.key] })
	if problems = append(problems, s.check(problems)...); len(problems) > 0 {
		return ScaleSet{}, &InvalidError{Problems: problems}
	}
	return s, nil
}

// Parse reads the options of a configuration, as text by option name, and returns every problem it has. Fields without
// option are left empty and are no problem.
func Parse(options map[string]string) (ScaleSet, []Problem) {
	s, problems := decode(options, func(f field) string {
		if f.option == "" {
			return ""
		}
		return options[f.option]
	})
	for _, p := range s.check(problems) {
		if p.Option != "" {
			problems = append(problems, p)
		}
	}
	return s, problems
}

// decode fills a ScaleSet with one text per field; what cannot be read is a problem and stays empty.
func decode(source map[string]string, text func(field) string) (ScaleSet, []Problem) {
	values := map[string]string{}
	var problems []Problem
	for _, f := range fields() {
		value := text(f)
		if !f.verbatim {
			value = strings.TrimSpace(value)
		}
		if problem := f.illegible(value); problem != "" {
			problems = append(problems, f.invalid(problem))
		} else if strings.TrimSpace(value) != "" {
			values[f.key] = value
		}
	}
	s := unset()
	object, err := json.Marshal(values)
	if err == nil {
		err = json.Unmarshal(object, &s)
	}
	if err != nil {
		problems = append(problems, Problem{Text: fmt.Sprintf("cannot read %d values: %v", len(source), err)})
	}
	s.normalise()
	return s, problems
}

// illegible says why a text cannot be read as the field's, whatever its rules are. A blank one is no text.
func (f field) illegible(text string) string {
	switch {
	case strings.TrimSpace(text) == "":
		return ""
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return "must be UTF-8 text without NUL characters"
	case f.number && !isNumber(text):
		return "must be a whole number"
	case f.boolean && text != "true" && text != "false":
		return "must be true or false"
	}
	return ""
}

func isNumber(text string) bool {
	number, err := strconv.ParseInt(text, 10, 0)
	return err == nil && strconv.FormatInt(number, 10) == text // JSON has no other spelling of it
}

// field is one entry of the contract: its databag key and its option, if it has one.
type field struct {
	key, option string
	number      bool // a whole number in decimal
	boolean     bool // true or false
	verbatim    bool // blanks around it belong to it
}

func (f field) invalid(text string) Problem { return Problem{Option: f.option, Key: f.key, Text: text} }

// fields lists the contract's entries in the order of ScaleSet, which is the order in which problems are told.
func fields() []field {
	var list []field
	for _, f := range reflect.VisibleFields(reflect.TypeFor[ScaleSet]()) {
		if f.Anonymous {
			continue
		}
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		list = append(list, field{
			key:      key,
			option:   f.Tag.Get("option"),
			number:   f.Type.Kind() == reflect.Int || f.Type.Kind() == reflect.Int64,
			boolean:  f.Type.Kind() == reflect.Bool,
			verbatim: f.Type == reflect.TypeFor[Scripts](),
		})
	}
	return list
}

// Equal tells whether two databags say the same, an absent key being the same as an empty one.
func Equal(a, b map[string]string) bool {
	isEmpty := func(_ string, value string) bool { return value == "" }
	a, b = maps.Clone(a), maps.Clone(b)
	maps.DeleteFunc(a, isEmpty)
	maps.DeleteFunc(b, isEmpty)
	return maps.Equal(a, b)
}
