package status

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/plan"
	"github.com/garm-charms/garm-charms/pkg/reconcile"
	"github.com/garm-charms/garm-charms/pkg/workload"
)

// NoCredentials is why get-credentials fails before the leader has made the admin's.
func NoCredentials() string {
	return "GARM admin credentials are not yet available: the leader has not made them; try again when the unit is past installation"
}

// AskLeader is why an action fails on a unit that leaves GARM to the leader's.
func AskLeader(application, action string) string {
	return fmt.Sprintf("This unit is on standby, GARM runs on the leader's: juju run %s/leader %s", application, action)
}

// NotSetUp is why an action fails before GARM's first run.
func NotSetUp() string {
	return "GARM has not been set up yet: its first run comes with the unit's next event, unless the unit's status says what is missing"
}

// Down is why an action fails when GARM does not answer.
func Down(why error) string { return "GARM does not answer as it should: " + why.Error() }

// Restart is the line of a plan that says that GARM restarts first.
func Restart() string { return "restart GARM: it does not run with its present configuration" }

// NewURLs says that GARM is to be reached elsewhere.
func NewURLs(have, want string) string {
	return fmt.Sprintf("set GARM's URLs: metadata %s -> %s", cmp.Or(have, "unset"), want)
}

// WorkloadChange are the lines of a plan for GARM's files and its restart.
func WorkloadChange(c workload.Change) (lines []string) {
	for _, path := range c.Pushed {
		lines = append(lines, "write "+path+": its content has changed")
	}
	for _, path := range c.Removed {
		lines = append(lines, "remove "+path+": its provider or certificate is no more")
	}
	if c.Replanned {
		lines = append(lines, Restart())
	}
	return lines
}

// Plan is what show-plan returns: first, then the plan, and what is declared but not followed.
func Plan(first []string, f Findings) map[string]string {
	results := map[string]string{"changes": strconv.Itoa(len(first) + len(f.Plan.Changes))}
	text := strings.Join(append(first, strings.TrimSuffix(f.Plan.String(), "\n")), "\n")
	results["plan"] = cmp.Or(strings.TrimSpace(text), "nothing to do, GARM has what is declared")
	if refused := f.notFollowed(); refused != "" {
		results["not-followed"] = refused
	}
	return results
}

// Reconciled is what the action reconcile returns.
func Reconciled(verdict hook.Status, f Findings) map[string]string {
	var changed, failed, deferred []string
	for _, o := range f.Report.Outcomes {
		if o.Err == nil {
			changed = append(changed, o.Change.String())
		} else {
			failed = append(failed, o.Change.String()+": "+o.Err.Error())
		}
	}
	for _, d := range f.Plan.Deferred {
		deferred = append(deferred, d.Name+": "+d.Why)
	}
	results := map[string]string{"status": string(verdict.Level), "message": verdict.Message, "changed": "nothing"}
	for key, text := range map[string]string{
		"changed": strings.Join(changed, "\n"), "failed": strings.Join(failed, "\n"), "deferred": strings.Join(deferred, "\n"),
		"not-followed": f.notFollowed(),
	} {
		if text != "" {
			results[key] = text
		}
	}
	return results
}

// notFollowed has a line for each application that declares nothing that GARM follows.
func (f Findings) notFollowed() string {
	var lines []string
	for _, d := range f.Declared {
		if d.Absent {
			lines = append(lines, Undeclared(d.Application).Message)
			continue
		}
		if answer := f.judge(d); !slices.ContainsFunc(f.Want.ScaleSets, func(s desired.ScaleSet) bool { return s.Application == d.Application }) {
			lines = append(lines, d.Application+": "+answer.Message)
		}
	}
	return strings.Join(lines, "\n")
}

// ScaleSets is what list-scalesets returns: every scale set of GARM by its ID. Only the charm's own have an application.
func ScaleSets(sets []desired.ScaleSet, inventory plan.Inventory) map[string]string {
	results := map[string]string{"count": strconv.Itoa(len(sets))}
	for _, s := range sets {
		for key, text := range map[string]string{
			"application":     inventory.ScaleSets[s.ID].Application,
			"name":            s.Name,
			"entity":          s.Entity.String(),
			"provider":        s.Provider,
			"image":           s.Image,
			"flavor":          s.Flavor,
			"os-arch":         s.OSArch,
			"labels":          s.Labels,
			"runner-group":    s.RunnerGroup,
			"template":        cmp.Or(s.Template, desired.SystemTemplate),
			"enabled":         strconv.FormatBool(s.Enabled),
			"min-idle-runner": strconv.Itoa(s.MinIdle),
			"max-runner":      strconv.Itoa(s.Max),
			"runners":         strconv.Itoa(len(s.Runners)),
			"busy-runners":    strconv.Itoa(s.CountRunners(desired.Busy)),
		} {
			if text != "" {
				results[fmt.Sprintf("scalesets.%d.%s", s.ID, key)] = text
			}
		}
	}
	return results
}

// Template is what show-template returns.
func Template(s desired.ScaleSet, id uint, data []byte) map[string]string {
	return map[string]string{
		"scale-set":   s.String(),
		"template":    cmp.Or(s.Template, desired.SystemTemplate+", GARM's own (no runner option is set)"),
		"template-id": strconv.FormatUint(uint64(id), 10),
		"text":        string(data),
	}
}

// NotOneScaleSet is why there is no template to show: none has the name, or several have it.
func NotOneScaleSet(name string, found, all []desired.ScaleSet) string {
	if len(found) > 1 {
		return fmt.Sprintf("%d scale sets are called %q: choose one with entity=%s", len(found), name, entities(found))
	}
	if len(all) == 0 {
		return fmt.Sprintf("GARM has no scale set %q, and no other", name)
	}
	return fmt.Sprintf("GARM has no scale set %q there; it has %s", name, names(all, desired.ScaleSet.String))
}

// entities are those of the scale sets by name, or as list-scalesets has them if two are called the same, such as an
// organisation and an enterprise.
func entities(sets []desired.ScaleSet) string {
	called := map[string]bool{}
	for _, s := range sets {
		called[s.Entity.Name] = true
	}
	return names(sets, func(s desired.ScaleSet) string {
		if len(called) < len(sets) {
			return strconv.Quote(s.Entity.String())
		}
		return s.Entity.Name
	})
}

func names(sets []desired.ScaleSet, name func(desired.ScaleSet) string) string {
	list := make([]string, len(sets))
	for i, s := range sets {
		list[i] = name(s)
	}
	return strings.Join(list, " or ")
}

// ForeignTemplate is why a scale set's template cannot be shown.
func ForeignTemplate(s desired.ScaleSet) string {
	return fmt.Sprintf("%s uses GARM's own template %s, which is not for Linux runners: read it with garm-cli template show", s, s.Template)
}

// ForeignScaleSet says why an action does nothing to a scale set.
func ForeignScaleSet(s desired.ScaleSet) string {
	return "The " + s.String() + " was made by others, and is left alone"
}

// Rotated is what rotate-runners returns.
func Rotated(s desired.ScaleSet, r reconcile.Report) map[string]string {
	var replaced, failed []string
	for _, o := range r.Outcomes {
		if o.Err == nil {
			replaced = append(replaced, o.Runner.Name)
		} else {
			failed = append(failed, o.Runner.Name+": "+o.Err.Error())
		}
	}
	results := map[string]string{
		"scale-set": s.String(),
		"replaced":  strings.Join(replaced, "\n"),
		"busy":      strconv.Itoa(s.CountRunners(desired.Busy)),
	}
	if len(failed) > 0 {
		results["failed"] = strings.Join(failed, "\n")
	}
	return results
}
