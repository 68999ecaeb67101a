package bootstrap

import (
	"embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

//go:embed blocks
var blocks embed.FS

// Files on the runner. They are outside the runner's own directory, which must not exist before GARM's script unpacks
// the runner into it.
const (
	aproxyFile = "/opt/garm-runner/aproxy"
	hookFile   = "/opt/garm-runner/pre-job.sh"     // the runner takes a hook only with this ending
	scriptFile = "/opt/garm-runner/pre-job-script" // blocks/prejob-script.sh runs it
)

const (
	beginMarker = "# BEGIN garm-runner"
	endMarker   = "# END garm-runner"
)

// block returns a file of blocks/. All names are constants of this package.
func block(name string) string {
	data, err := blocks.ReadFile("blocks/" + name)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// quote makes one shell word of any text without NUL.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

func assign(name, value string) string {
	return name + "=" + quote(value) + "\n"
}

// unused returns word, made longer until text does not have it.
func unused(word, text string) string {
	for strings.Contains(text, word) {
		word += "_"
	}
	return word
}

// place returns a command that writes text to a file of the runner, see blocks/place.sh; then is what follows the
// command on its line.
func place(file, mode, text, then string) string {
	end := unused("END_OF_FILE", text)
	return fmt.Sprintf("place %s %s %d <<'%s'%s\n%s\n%s\n", file, mode, len(text), end, then, text, end)
}

// region returns commands between our markers and in a shell of their own: nothing they set, and no failure of theirs,
// gets out. GARM's script traces its commands, which would show what is in the options.
func region(purpose, commands, onFailure string) string {
	end := unused(endMarker, commands)
	begin := beginMarker + strings.TrimPrefix(end, endMarker)
	return begin + "\n# " + purpose + "\n(\n{ set +x; } 2>/dev/null\n" + commands + ") </dev/null || " + onFailure + "\n" + end + "\n"
}

func hostBlock(v values) string {
	var b strings.Builder
	b.WriteString(block("log.sh"))
	if v.proxy != (proxy{}) {
		b.WriteString("\n" + block("place.sh"))
		b.WriteString(place(aproxyFile, "0700", aproxy(v.proxy), " && sudo "+aproxyFile+" | tee -a \"$notes\""))
	}
	b.WriteString("\n" + block("snap.sh"))
	b.WriteString("\n" + block("apt.sh"))
	if v.mirror != "" {
		b.WriteString("\n" + assign("mirror", v.mirror))
		b.WriteString(assign("mirror_config", mirrorConfig(v.mirror)))
		b.WriteString(block("mirror.sh"))
	}
	if v.otel != (collector{}) {
		b.WriteString("\n" + block("telemetry.sh"))
	}
	return region("Prepares the machine. What fails here is logged and left.", b.String(), "true")
}

// mirrorConfig is the daemon.json of a machine that has none.
func mirrorConfig(mirror string) string {
	data, err := json.MarshalIndent(map[string][]string{"registry-mirrors": {mirror}}, "", "  ")
	if err != nil {
		panic(err) // strings can always be marshalled
	}
	return string(data)
}

// aproxy returns the script that sets up aproxy. It runs as root.
func aproxy(p proxy) string {
	return "#!/bin/bash\n" +
		assign("proxy_url", p.url) +
		assign("proxy_address", p.address) +
		assign("proxy_host", p.host) +
		assign("exclude", p.exclude) +
		assign("ports", p.ports) +
		block("aproxy.sh")
}

// tmateProxy returns the script that relays debug sessions. It runs as root, first to install itself as a service.
func tmateProxy(v values) string {
	return "#!/bin/bash\n" +
		assign("proxy_host", bracketed(v.proxy.host)) +
		assign("proxy_port", v.proxy.port) +
		assign("proxy_user", v.proxy.user) +
		assign("tmate_host", bracketed(v.tmate.Host)) +
		assign("tmate_port", v.tmate.Port) +
		assign("started", strconv.FormatBool(v.relayed)) +
		block("tmate-proxy.sh")
}

// bracketed is a host as it stands before a colon and a port.
func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

func runnerBlock(v values) string {
	var b strings.Builder
	b.WriteString(block("log.sh") + "\n" + block("place.sh") + "\nfailed=0\nenv=()\n")
	if v.mirror != "" {
		fmt.Fprintf(&b, "env+=(%s %s)\n", quote("DOCKERHUB_MIRROR="+v.mirror), quote("CONTAINER_REGISTRY_URL="+v.mirror))
	}
	if v.otelURL != "" {
		fmt.Fprintf(&b, "env+=(%s)\n", quote("ACTION_OTEL_EXPORTER_OTLP_ENDPOINT="+v.otelURL))
	}
	if v.tmate != (Tmate{}) {
		b.WriteString(tmateEnv(v))
	}
	if v.refuse {
		b.WriteString(block("contributor-check.sh"))
	}
	if v.script != "" {
		b.WriteString(place(scriptFile, "0755", v.script, ""))
	}
	// A hook that is named but not there would fail every job.
	b.WriteString("if " + place(hookFile, "0755", hook(v), "; then") +
		"\tenv+=(ACTIONS_RUNNER_HOOK_JOB_STARTED=" + hookFile + ")\nelse\n\tfailed=1\nfi\n")
	b.WriteString("\n" + block("env.sh") + "\n" + block("report.sh"))
	return region("Sets the environment and the job hook of the runner.", b.String(), v.onFailure())
}

// onFailure is what GARM's script does when not all is in place: a runner that should refuse jobs and cannot must not
// get any.
func (v values) onFailure() string {
	if v.refuse {
		return `fail "cannot set up the check of who started a job"`
	}
	return "true"
}

func tmateEnv(v values) string {
	return assign("tmate_host", v.tmate.Host) +
		assign("tmate_port", v.tmate.Port) +
		assign("tmate_rsa", v.tmate.RSAFingerprint) +
		assign("tmate_ed25519", v.tmate.ED25519Fingerprint) +
		assign("tmate_relayed", strconv.FormatBool(v.relayed)) +
		block("tmate.sh")
}

// hook returns the script that the runner runs before each job.
func hook(v values) string {
	text := "#!/bin/bash\n" + block("prejob.sh")
	if v.refuse {
		text += block("contributor.sh")
	}
	if v.otel != (collector{}) {
		text += "\n" + assign("otel_endpoint", v.otel.endpoint) +
			assign("otel_insecure", strconv.FormatBool(v.otel.insecure)) +
			block("otel.sh")
	}
	if v.script != "" {
		text += block("prejob-script.sh")
	}
	return text + "exit 0\n"
}
