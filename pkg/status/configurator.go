package status

import (
	"strings"

	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
)

// AllProblems lists all that is wrong with a configuration, one problem a line.
func AllProblems(problems []runnerconfig.Problem) string {
	if len(problems) == 0 {
		return "none"
	}
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = strings.Join(strings.Fields(p.String()), " ")
	}
	return strings.Join(lines, "\n")
}

// Answer is garm's answer as an action shows it, by what is said. A garm that says nothing has its own word for it.
func Answer(status, message, scaleSetID, templateID, providerName string) map[string]string {
	said := map[string]string{"status": "no answer"}
	for key, text := range map[string]string{
		"status":       status,
		"message":      message,
		"scale-set-id": scaleSetID,
		"template-id":  templateID,
		"provider":     providerName,
	} {
		if text != "" {
			said[key] = text
		}
	}
	return said
}

// NoBlocks is why there are no scripts to show.
func NoBlocks(why error, problems []runnerconfig.Problem) string {
	text := why.Error()
	if len(problems) > 0 {
		text += "; the configuration's problems: " + strings.ReplaceAll(AllProblems(problems), "\n", "; ")
	}
	return text
}

// StockTemplate says that no option asks for a template of the scale set's own.
func StockTemplate() string {
	return "GARM's own github_linux template, as it is: no runner option is set"
}
