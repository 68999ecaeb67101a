package runnerconfig

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-playground/validator/v10"
)

// Problem is one thing that is wrong with a declaration, for the operator who made it.
type Problem struct {
	// Option is the operator's name for the field; empty for a field that no option sets.
	Option string
	// Key is the field's databag key.
	Key string
	// Missing says that the option is required and not set; Text is empty then.
	Missing bool
	// Text follows the option's name in a sentence. It never quotes a secret.
	Text string
}

// String is the problem as a sentence without full stop.
func (p Problem) String() string {
	name := p.Option
	if name == "" {
		name = p.Key
	}
	if p.Missing {
		return name + " is required"
	}
	return strings.TrimSpace(name + " " + p.Text)
}

// check applies the rules; fields that already have a problem are not told twice.
func (s ScaleSet) check(known []Problem) []Problem {
	validate := validator.New(validator.WithRequiredStructEnabled())
	validate.RegisterTagNameFunc(func(f reflect.StructField) string {
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return key
	})
	for tag, rule := range rules() {
		if err := validate.RegisterValidation(tag, rule, tag == "needsproxy"); err != nil {
			return []Problem{{Text: fmt.Sprintf("cannot register rule %s: %v", tag, err)}}
		}
	}
	var problems []Problem
	var failed validator.ValidationErrors
	if err := validate.Struct(s); errors.As(err, &failed) {
		problems = told(failed)
	} else if err != nil {
		problems = []Problem{{Text: err.Error()}}
	}
	problems = append(problems, s.entityProblems()...)
	return slices.DeleteFunc(problems, func(p Problem) bool {
		return slices.ContainsFunc(known, func(k Problem) bool { return k.Key == p.Key && k.Key != "" })
	})
}

func (s ScaleSet) entityProblems() []Problem {
	switch {
	case s.Org == "" && s.Repo == "":
		return []Problem{{Option: "org or repo", Key: "org", Missing: true}}
	case s.Org != "" && s.Repo != "":
		return []Problem{{Option: "org", Key: "org", Text: "and repo are both set; reset one of them"}}
	}
	return nil
}

// told turns the validator's findings into problems, one for each field.
func told(failed validator.ValidationErrors) []Problem {
	byKey := map[string]field{}
	for _, f := range fields() {
		byKey[f.key] = f
	}
	var problems []Problem
	for _, e := range failed {
		key, _, _ := strings.Cut(e.Field(), "[")
		p := Problem{Option: byKey[key].option, Key: key}
		if e.Tag() == "required" && key == e.Field() {
			p.Missing = true
		} else {
			p.Text = sentence(e)
		}
		problems = append(problems, p)
	}
	return slices.CompactFunc(problems, func(a, b Problem) bool { return a.Key == b.Key })
}

// sentence says what a value must be, naming the entry of a list that is not.
func sentence(e validator.FieldError) string {
	text, known := map[string]string{
		"weburl":      "must be a URL like http://host:port or https://host, without blanks",
		"secreturi":   "must be a Juju secret like secret:abc123",
		"githubname":  "must be the name of a GitHub organisation",
		"ownername":   "must be owner/name",
		"oneof":       "must be one of " + strings.ReplaceAll(e.Param(), " ", ", "),
		"gte":         "must be at least " + e.Param(),
		"ltefield":    "must not be greater than max-runner",
		"max":         "must be at most " + e.Param() + " characters long",
		"maxbytes":    "must be at most " + e.Param() + " bytes long",
		"printascii":  "must be printable ASCII",
		"excludesall": "must have neither blanks nor slashes",
		"needsproxy":  "needs runner-http-proxy to be set",
		"ipv4net":     "must be a comma-separated list of IPv4 addresses or CIDRs like 10.0.0.0/8",
		"ports":       "must be a comma-separated list of ports or ranges like 80,8000-8080, each in 1..65535",
		"required":    "must not have empty entries",
		"scripts":     "must name each script with letters, digits, dots, dashes and underscores, and not with 00- or 01- in front",
	}[e.Tag()]
	if !known {
		text = "is not valid (" + e.Tag() + ")"
	}
	if strings.Contains(e.Field(), "[") {
		text += fmt.Sprintf("; got %q", e.Value())
	}
	return text
}

func rules() map[string]validator.Func {
	githubName := regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})$`)
	repoName := regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)
	scriptName := regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	secretURI := regexp.MustCompile(`^secret:(?://[0-9a-f-]+/)?[0-9a-z]+$`)
	return map[string]validator.Func{
		"weburl":     func(f validator.FieldLevel) bool { return isWebURL(f.Field().String()) },
		"ipv4net":    func(f validator.FieldLevel) bool { return isIPv4Net(f.Field().String()) },
		"ports":      func(f validator.FieldLevel) bool { return isPortRange(f.Field().String()) },
		"secreturi":  func(f validator.FieldLevel) bool { return secretURI.MatchString(f.Field().String()) },
		"githubname": func(f validator.FieldLevel) bool { return githubName.MatchString(f.Field().String()) },
		"maxbytes": func(f validator.FieldLevel) bool {
			limit, err := strconv.Atoi(f.Param())
			return err == nil && len(f.Field().String()) <= limit
		},
		"ownername": func(f validator.FieldLevel) bool {
			owner, name, _ := strings.Cut(f.Field().String(), "/")
			return githubName.MatchString(owner) && repoName.MatchString(name)
		},
		"needsproxy": func(f validator.FieldLevel) bool {
			return f.Field().Len() == 0 || f.Parent().FieldByName("RunnerHTTPProxy").String() != ""
		},
		"scripts": func(f validator.FieldLevel) bool {
			scripts, _ := f.Field().Interface().(Scripts)
			for name := range scripts {
				if !scriptName.MatchString(name) || strings.HasPrefix(name, "00-") || strings.HasPrefix(name, "01-") {
					return false
				}
			}
			return true
		},
	}
}

func isWebURL(text string) bool {
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return false
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return false
	}
	if strings.HasSuffix(u.Host, ":") {
		return false
	}
	return u.Port() == "" || isPort(u.Port())
}

// isIPv4Net accepts an address or a CIDR whose host bits may be set, as nft does.
func isIPv4Net(text string) bool {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix.Addr().Is4()
	}
	addr, err := netip.ParseAddr(text)
	return err == nil && addr.Is4()
}

func isPortRange(text string) bool {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		return isPort(first)
	}
	low, _ := strconv.Atoi(first)
	high, _ := strconv.Atoi(last)
	return isPort(first) && isPort(last) && low <= high
}

func isPort(text string) bool {
	number, err := strconv.ParseUint(text, 10, 16)
	return err == nil && number >= 1 && text[0] != '+'
}
