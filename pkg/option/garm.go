package option

import (
	"net/url"
	"slices"
	"strings"

	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
)

// GARM is the garm charm's configuration.
type GARM struct {
	// ExternalURL is where runners reach GARM, without a slash at the end; empty means the Kubernetes service.
	ExternalURL string
	LogLevel    string
	WebUI       bool
	// RollIdleRunners says that idle runners are replaced when what their scale set makes has changed.
	RollIdleRunners bool
}

// ParseGARM reads the garm charm's configuration as Parse reads garm-configurator's.
func ParseGARM(config map[string]any) (GARM, []runnerconfig.Problem) {
	webUI, _ := config["web-ui"].(bool)
	roll, _ := config["roll-idle-runners"].(bool)
	g := GARM{
		ExternalURL: strings.TrimRight(strings.TrimSpace(text(config["external-url"])), "/"),
		LogLevel:    strings.TrimSpace(text(config["log-level"])),
		WebUI:       webUI,

		RollIdleRunners: roll,
	}
	var problems []runnerconfig.Problem
	if u, err := url.Parse(g.ExternalURL); g.ExternalURL != "" &&
		(err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "") {
		problems = append(problems, runnerconfig.Problem{Option: "external-url", Text: "must be a URL like https://garm.example.com, without query"})
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, g.LogLevel) {
		problems = append(problems, runnerconfig.Problem{Option: "log-level", Text: "must be one of debug, info, warn, error"})
	}
	return g, problems
}
