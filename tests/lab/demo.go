package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/garm-charms/garm-charms/tests/bed"
	"github.com/garm-charms/garm-charms/tests/runner"
)

const preJobScript = `#!/bin/bash
echo "pre-job script: a job of $GITHUB_REPOSITORY begins"
echo "a text for another template engine: {{.Names}}"
`

// demo is the whole story: deploy, configure, integrate, boot, run a job, clear.
func demo(ctx context.Context, t *teller) error {
	for _, chapter := range []func(context.Context, *teller) error{deployAndIntegrate, setOptions, showTemplate, bootRunner, clearOptions} {
		if err := chapter(ctx, t); err != nil {
			return err
		}
	}
	t.heading("Summary")
	t.say("Two charms were deployed and integrated; Juju's own agents ran their hooks, the real Pebble ran the real GARM.")
	t.say("Only GitHub and the cloud were simulated. The runner was booted from what GARM handed out.")
	return t.summary()
}

func deployAndIntegrate(ctx context.Context, t *teller) error {
	t.heading("An operator deploys both charms, configures a scale set and integrates")
	if err := t.Setup(ctx, "small", t.typed); err != nil {
		return err
	}
	t.say("")
	if err := t.settle(ctx, "small", "^small ready$"); err != nil {
		return err
	}
	if err := t.settle(ctx, "garm", "^1 scale set, "); err != nil {
		return err
	}
	t.check("garm-configurator says that its scale set is ready", true)
	garm, err := t.GARM(ctx, "garm/0")
	if err != nil {
		return err
	}
	set, err := garm.ScaleSet(ctx, "small")
	if err != nil {
		return err
	}
	t.check("GARM has the scale set, on its own template "+set.TemplateName, set.TemplateName == "github_linux")
	t.check("GitHub has the scale set", len(t.GitHub.ScaleSets("")) == 1)
	return nil
}

func setOptions(ctx context.Context, t *teller) error {
	t.heading("The operator sets all six runner options")
	if err := os.WriteFile(filepath.Join(t.dir, "pre-job.sh"), []byte(preJobScript), 0o600); err != nil {
		return err
	}
	for _, line := range []string{
		"config small dockerhub-mirror=https://mirror.example.com:5000 otel-collector-endpoint=http://otel.example.com:4317",
		"config small runner-http-proxy=http://proxy.example.com:3128 aproxy-exclude-addresses=10.77.0.0/16 aproxy-redirect-ports=80,443",
		"config small pre-job-script=@pre-job.sh",
	} {
		if _, err := t.Type(ctx, line, t.typed); err != nil {
			return err
		}
	}
	t.say("")
	if err := t.Model.Settle(ctx); err != nil {
		return err
	}
	return t.settle(ctx, "small", "^small ready$")
}

func showTemplate(ctx context.Context, t *teller) error {
	t.heading("GARM has a template for this scale set: its own, with these parts put in")
	garm, err := t.GARM(ctx, "garm/0")
	if err != nil {
		return err
	}
	set, err := garm.ScaleSet(ctx, "small")
	if err != nil {
		return err
	}
	template, err := garm.Template(ctx, set.TemplateID)
	if err != nil {
		return err
	}
	t.quote(injected(string(template)))
	t.check("the scale set refers to the template github_linux-small", set.TemplateName == "github_linux-small")
	return nil
}

// injected returns the parts of a template between the charm's marker lines.
func injected(template string) string {
	var parts strings.Builder
	inside := false
	for line := range strings.Lines(template) {
		inside = inside || strings.HasPrefix(line, "# BEGIN garm-runner")
		if inside {
			parts.WriteString(line)
		}
		inside = inside && !strings.HasPrefix(line, "# END garm-runner")
	}
	return parts.String()
}

func bootRunner(ctx context.Context, t *teller) error {
	t.heading("GARM asks the cloud for a runner, and it boots (GARM takes about 15 s to ask)")
	machine, err := t.Boot(ctx, "small", bed.Image())
	if err != nil {
		return err
	}
	t.quote(milestones(string(machine.Log())))
	env, err := machine.RunnerEnv(ctx)
	if err != nil {
		return err
	}
	t.say("")
	t.check("the runner's service started, as user runner", env["USER"] == "runner" || env["HOME"] == "/home/runner")
	t.check("DOCKERHUB_MIRROR is in its environment", env["DOCKERHUB_MIRROR"] == "https://mirror.example.com:5000")
	t.check("ACTION_OTEL_EXPORTER_OTLP_ENDPOINT is in its environment", env["ACTION_OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://otel.example.com:4317")
	if err := checkMachine(ctx, t, machine); err != nil {
		return err
	}
	return runJob(ctx, t, machine)
}

func checkMachine(ctx context.Context, t *teller, machine *runner.Machine) error {
	daemon, err := machine.File("/etc/docker/daemon.json")
	if err != nil {
		return err
	}
	t.check("Docker pulls through the mirror", strings.Contains(string(daemon.Content), "https://mirror.example.com:5000"))
	rules, err := machine.Command(ctx, "root", "nft", "list", "table", "ip", "aproxy").CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot list the redirect: %w: %s", err, rules)
	}
	t.check("the kernel redirects ports 80 and 443 to aproxy", strings.Contains(string(rules), "dnat to "+machine.Addr()+":54969"))
	script, err := machine.File("/opt/garm-runner/pre-job-script")
	if err != nil {
		return err
	}
	t.check("the pre-job script arrived byte for byte", string(script.Content) == strings.TrimSpace(preJobScript))
	return nil
}

func runJob(ctx context.Context, t *teller, machine *runner.Machine) error {
	t.heading("The runner takes a job")
	result, err := machine.RunJob(ctx, map[string]string{
		"GITHUB_REPOSITORY": "acme/widgets", "GITHUB_WORKFLOW": "build", "GITHUB_RUN_ID": "99", "GITHUB_JOB": "compile",
	})
	if err != nil {
		return err
	}
	t.quote(result.Output)
	t.check("the pre-job script ran before the job", strings.Contains(result.Output, "pre-job script: a job of acme/widgets begins"))
	t.check("the job goes on", result.ExitCode == 0)
	collector, err := machine.File("/etc/otelcol/config.d/github.yaml")
	if err != nil {
		return err
	}
	t.check("the telemetry carries the job's labels", strings.Contains(string(collector.Content), "acme/widgets"))
	return nil
}

func clearOptions(ctx context.Context, t *teller) error {
	t.heading("The operator clears the options")
	const line = "config small --reset dockerhub-mirror,otel-collector-endpoint,runner-http-proxy,aproxy-exclude-addresses,aproxy-redirect-ports,pre-job-script"
	if _, err := t.Type(ctx, line, t.typed); err != nil {
		return err
	}
	if err := t.Model.Settle(ctx); err != nil {
		return err
	}
	garm, err := t.GARM(ctx, "garm/0")
	if err != nil {
		return err
	}
	set, err := garm.ScaleSet(ctx, "small")
	if err != nil {
		return err
	}
	t.say("")
	t.check("the scale set is back on GARM's own template", set.TemplateName == "github_linux")
	var templates []struct {
		Name string `json:"name"`
	}
	if err := garm.Get(ctx, "/templates", &templates); err != nil {
		return err
	}
	ours := 0
	for _, template := range templates {
		if strings.HasPrefix(template.Name, "github_linux-") {
			ours++
		}
	}
	t.check("the charm's template is gone", ours == 0)
	return nil
}

// milestones leaves out what GARM's script traces: it has the runner's token in it.
func milestones(console string) string {
	var text strings.Builder
	for line := range strings.Lines(console) {
		if strings.HasPrefix(line, "cloud-init:") || strings.HasPrefix(line, "[garm-runner]") {
			text.WriteString(line)
		}
	}
	return text.String()
}
