// Package bootstrap renders what the runners of a scale set run while they boot: the install template that GARM serves
// to them, and the pre-install scripts that their cloud-init runs. It must not read files, talk to GARM, or trust an
// option: whatever an option holds reaches the runner as data.
//
// The shell is in the files of blocks/. They have no placeholders: a script is lines that assign values to variables,
// followed by such files as they are. Texts of the operator go in as quoted heredocs of which the runner takes an exact
// number of bytes, so any text arrives byte for byte, with or without a final newline, and stays readable in the
// template. (Base64 would be exact too, but nobody could read what a runner is going to run.) The one character that no
// shell text can carry is NUL, and a script that has one is refused.
package bootstrap

import (
	"fmt"
	"strings"
)

// Options are the runner options of one scale set. An empty string is an option that is not set.
type Options struct {
	// DockerHubMirror is the http(s) URL of a registry mirror of Docker Hub.
	DockerHubMirror string
	// RunnerHTTPProxy is the http(s) URL of the proxy that the runner's connections are sent to, by aproxy.
	RunnerHTTPProxy string
	// AproxyExcludeAddresses are IPv4 addresses and networks, separated by commas, that are not sent to the proxy.
	AproxyExcludeAddresses string
	// AproxyRedirectPorts are TCP ports and ranges N-M, separated by commas; 80 and 443 when empty.
	AproxyRedirectPorts string
	// OTelCollectorEndpoint is the http(s) URL of an OpenTelemetry collector (OTLP over gRPC).
	OTelCollectorEndpoint string
	// PreJobScript is the whole text of an executable file that is run before each job.
	PreJobScript string
}

// IsZero reports whether no option is set, so that GARM's own template does.
func (o Options) IsZero() bool {
	return o == Options{}
}

// Blocks are the two texts that Template puts into a template, as the runner sees them.
type Blocks struct {
	// Host prepares the machine. It stands before anything of GARM's, changes nothing that GARM's part looks at,
	// and cannot stop it.
	Host string
	// Runner writes the runner's environment and its job hook, once the runner is unpacked.
	Runner string
}

// Render returns the blocks of o, both empty when no option is set.
func Render(o Options) (Blocks, error) {
	if o.IsZero() {
		return Blocks{}, nil
	}
	v, err := parse(o)
	if err != nil {
		return Blocks{}, err
	}
	return Blocks{Host: hostBlock(v), Runner: runnerBlock(v)}, nil
}

// aproxyScript is the name under which the proxy is set up before GARM's own script is fetched, maybe through it.
// GARM's cloud-init runs pre-install scripts in the order of their names.
const aproxyScript = "00-aproxy"

// PreInstall returns the pre-install scripts by name: the operator's own, and the one that sets up aproxy when there is
// a proxy. GARM's provider runs them as root before the runner reaches GARM.
func PreInstall(o Options, custom map[string]string) (map[string][]byte, error) {
	scripts := make(map[string][]byte, len(custom)+1)
	for name, text := range custom {
		if !plainName(name) {
			return nil, fmt.Errorf("cannot use %q as the name of a pre-install script: it takes letters, digits and ._-", name)
		}
		scripts[name] = []byte(text)
	}
	if o.RunnerHTTPProxy == "" {
		return scripts, nil
	}
	if _, taken := scripts[aproxyScript]; taken {
		return nil, fmt.Errorf("cannot use %q as the name of a pre-install script: the runner's proxy is set up by one of that name", aproxyScript)
	}
	p, err := parseProxy(o)
	if err != nil {
		return nil, err
	}
	scripts[aproxyScript] = []byte(aproxy(p))
	return scripts, nil
}

// plainName tells whether a name is safe in a path and in a shell command: the provider pastes it into both
// (garm-provider-common cloudconfig/util.go).
func plainName(name string) bool {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-", r)
	}
	return strings.TrimFunc(name, plain) == "" && strings.Trim(name, ".") != ""
}
