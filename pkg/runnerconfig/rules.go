package runnerconfig

import (
	"errors"
	"fmt"
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
		if err := validate.RegisterValidation(tag, rule); err != nil {
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
	problems = append(problems, s.credentialProblems()...)
	problems = append(problems, s.redirectProblems()...)
	place := map[string]int{}
	for i, f := range fields() {
		place[f.key] = i
	}
	slices.SortStableFunc(problems, func(a, b Problem) int { return place[a.Key] - place[b.Key] })
	return slices.DeleteFunc(problems, func(p Problem) bool {
		return slices.ContainsFunc(known, func(k Problem) bool { return k.Key == p.Key && k.Key != "" })
	})
}

// redirectProblems: the redirect to the proxy must not catch what goes to the proxy.
func (o Options) redirectProblems() []Problem {
	port := o.ownPort()
	switch {
	case port == "":
		return nil
	case len(o.AproxyRedirectPorts) == 0:
		return []Problem{{
			Option: "runner-http-proxy", Key: "runner_http_proxy",
			Text: "must not be on port " + port + ", which is redirected to it; name it by its IPv4 address, or set aproxy-redirect-ports without that port",
		}}
	}
	return []Problem{{
		Option: "aproxy-redirect-ports", Key: "aproxy_redirect_ports",
		Text: "must leave out the proxy's own port " + port + ", for example by two ranges around it, or else runner-http-proxy must name an IPv4 address",
	}}
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
	text, known := map[string]string{ //nolint:gosec // the example of a URI is no secret
		"weburl":       "must be a URL like http://host:port or https://host, without blanks",
		"secreturi":    "must be a Juju secret like secret:abc123",
		"serverurl":    "must be a URL like https://github.example.com, without path, user or query",
		"apiurl":       "must be a URL without user or query",
		"needsserver":  "needs github-url to name a GitHub Enterprise Server",
		"pem":          "must be certificates in PEM, without a private key",
		"githubname":   "must be the name of a GitHub organisation",
		"enterprise":   "must be the enterprise's name as in its address github.com/enterprises/NAME",
		"runnerprefix": "must be at most 40 letters, digits and dashes, with no dash at either end",
		"ownername":    "must be owner/name, without .git at the end",
		"oneof":        "must be one of " + strings.ReplaceAll(e.Param(), " ", ", "),
		"gte":          "must be at least " + e.Param(),
		"lte":          "must be at most " + e.Param(),
		"ltefield":     "must not be greater than max-runner",
		"max":          "must be at most " + e.Param() + " characters long",
		"maxentries":   "must have at most " + e.Param() + " entries",
		"maxbytes":     "must be at most " + e.Param() + " bytes long",
		"line":         "must be one line of text without control characters",
		"printascii":   "must be printable ASCII",
		"excludesall":  "must have neither blanks nor slashes nor any of & ; # % +",
		"needsproxy":   "needs runner-http-proxy to be set",
		"ipv4net":      "must be a comma-separated list of IPv4 addresses or CIDRs like 10.0.0.0/8",
		"ports":        "must be a comma-separated list of ports or ranges like 80,8000-8080, each in 1..65535",
		"required":     "must not have empty entries",
		"scriptnames":  "must name each script with at most 128 letters, digits, dots, dashes and underscores, and not with 00- or 01- in front",
		"scripttexts":  "must not have empty scripts, or any with NUL characters",
		"scriptbytes":  "must be at most " + e.Param() + " bytes in all, counting 256 for each script beside its text: OpenStack takes no larger user data",
	}[e.Tag()]
	if !known {
		text = "is not valid (" + e.Tag() + ")"
	}
	if strings.Contains(e.Field(), "[") {
		text += fmt.Sprintf("; got %q", e.Value())
	}
	return text
}

// single are the rules for one value each, by the name that a tag gives them.
func single() map[string]func(string) bool {
	// Compiled when a value asks for it: a dispatch has little time, and most rules no value.
	matches := func(pattern string) func(string) bool {
		return func(text string) bool { return regexp.MustCompile(pattern).MatchString(text) }
	}
	owner := matches(`^[A-Za-z0-9][A-Za-z0-9_-]{0,38}$`) // an enterprise's users have an underscore in their names
	repoName := matches(`^[A-Za-z0-9._-]{1,100}$`)
	return map[string]func(string) bool{
		"weburl":       isWebURL,
		"ipv4net":      isIPv4Net,
		"ports":        func(text string) bool { _, _, ok := portRange(text); return ok },
		"secreturi":    IsSecretURI,
		"githubname":   matches(`^[A-Za-z0-9][A-Za-z0-9-]{0,38}$`),
		"enterprise":   matches(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`),
		"runnerprefix": matches(`^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38}[A-Za-z0-9])?$`),
		"serverurl":    isServerURL,
		"apiurl":       isAPIURL,
		"pem":          isCertificates,
		"line":         func(text string) bool { return !strings.ContainsFunc(text, unicode.IsControl) },
		"ownername": func(text string) bool {
			first, name, _ := strings.Cut(text, "/")
			return owner(first) && repoName(name) && strings.Trim(name, ".") != "" && !strings.HasSuffix(name, ".git")
		},
	}
}

// IsSecretURI tells whether text may be a secret's URI, with or without the secret's model in it.
func IsSecretURI(text string) bool {
	return regexp.MustCompile(`^secret:(?://[0-9a-f-]+/)?[0-9a-z]+$`).MatchString(text)
}

// rules are all rules that the validator does not bring.
func rules() map[string]validator.Func {
	all := map[string]validator.Func{
		"maxbytes":   func(f validator.FieldLevel) bool { return len(f.Field().String()) <= limit(f) },
		"maxentries": func(f validator.FieldLevel) bool { return f.Field().Len() <= limit(f) },
		"needsproxy": func(f validator.FieldLevel) bool {
			return f.Field().IsZero() || f.Parent().FieldByName("RunnerHTTPProxy").String() != ""
		},
		"needsserver": func(f validator.FieldLevel) bool { return f.Parent().FieldByName("GitHubURL").String() != "" },
	}
	for tag, rule := range single() {
		all[tag] = func(f validator.FieldLevel) bool { return rule(f.Field().String()) }
	}
	for tag, rule := range scriptRules() {
		all[tag] = func(f validator.FieldLevel) bool {
			scripts, isScripts := f.Field().Interface().(Scripts)
			return isScripts && rule(scripts, limit(f))
		}
	}
	return all
}

func limit(f validator.FieldLevel) int {
	number, err := strconv.Atoi(f.Param())
	if err != nil {
		return 0
	}
	return number
}

// scriptRules are the rules for pre-install scripts; those with a limit get it in bytes.
func scriptRules() map[string]func(Scripts, int) bool {
	name := regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	every := func(met func(name, text string) bool) func(Scripts, int) bool {
		return func(scripts Scripts, _ int) bool {
			for name, text := range scripts {
				if !met(name, text) {
					return false
				}
			}
			return true
		}
	}
	return map[string]func(Scripts, int) bool{
		"scriptnames": every(func(n, _ string) bool {
			return name.MatchString(n) && !strings.HasPrefix(n, "00-") && !strings.HasPrefix(n, "01-")
		}),
		"scripttexts": every(func(_, text string) bool {
			return strings.TrimSpace(text) != "" && !strings.Contains(text, "\x00")
		}),
		"scriptbytes": func(scripts Scripts, most int) bool { return scripts.size() <= most },
	}
}
