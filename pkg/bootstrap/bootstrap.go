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
	// RefuseExternalContributor fails each job that the pull request, the review or the comment of somebody started who is
	// neither owner nor member nor collaborator of the repository.
	RefuseExternalContributor bool
	// Tmate is the SSH server for debug sessions of jobs; the zero value is none.
	Tmate Tmate
	// UseRunnerProxyForTmate sends debug sessions through the HTTP proxy, if there is one.
	UseRunnerProxyForTmate bool
}

// Tmate is a tmate SSH server, as a job's debug session finds and trusts it.
type Tmate struct {
	// Host is its name or address.
	Host string
	// Port is its TCP port.
	Port string
	// RSAFingerprint and ED25519Fingerprint are those of its host keys, as "SHA256:" and base64.
	RSAFingerprint, ED25519Fingerprint string
}

// IsZero reports whether no option is set, so that GARM's own template does.
func (o Options) IsZero() bool {
	o.UseRunnerProxyForTmate = false // it asks for nothing by itself
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

// The names of our pre-install scripts: GARM's cloud-init runs them in the order of their names, and the proxy must be set
// up before GARM's own script is fetched, maybe through it.
const (
	aproxyScript = "00-aproxy"
	tmateScript  = "01-tmate-proxy"
)

// PreInstall returns the pre-install scripts by name: the operator's own, one that sets up aproxy when there is a proxy,
// and one that relays debug sessions through that proxy. GARM's provider runs them as root before the runner reaches GARM.
func PreInstall(o Options, custom map[string]string) (map[string][]byte, error) {
	scripts := make(map[string][]byte, len(custom)+2)
	for name, text := range custom {
		switch {
		case !plainName(name):
			return nil, fmt.Errorf("cannot use %q as the name of a pre-install script: it takes letters, digits and ._-", name)
		case strings.HasPrefix(name, "00-"), strings.HasPrefix(name, "01-"):
			return nil, fmt.Errorf("cannot use %q as the name of a pre-install script: 00- and 01- are for those that set up the proxy", name)
		}
		scripts[name] = []byte(text)
	}
	if o.RunnerHTTPProxy == "" {
		return scripts, nil
	}
	v, err := parse(o)
	if err != nil {
		return nil, err
	}
	scripts[aproxyScript] = []byte(aproxy(v.proxy))
	if v.tmate != (Tmate{}) {
		scripts[tmateScript] = []byte(tmateProxy(v))
	}
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
