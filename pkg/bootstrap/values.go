package bootstrap

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// values are options taken apart, each in the form the shell wants.
type values struct {
	mirror  string
	proxy   proxy
	otel    collector
	otelURL string
	script  string
	refuse  bool
	tmate   Tmate
	relayed bool // debug sessions go through the proxy
}

// proxy is what aproxy and its nft rules are made of.
type proxy struct {
	url     string // as the operator wrote it
	address string // host:port, with user information and brackets if there are any; aproxy takes no scheme
	host    string // what is resolved
	port    string
	user    string // user:password, decoded; empty for none
	exclude string // IPv4 networks, as elements of an nft set
	ports   string // ports and ranges, as elements of an nft set
}

// collector is where the OTLP exporter sends to.
type collector struct {
	endpoint string // host:port
	insecure bool   // plain text
}

func parse(o Options) (values, error) {
	v := values{
		mirror: o.DockerHubMirror, otelURL: o.OTelCollectorEndpoint, script: o.PreJobScript, refuse: o.RefuseExternalContributor,
		tmate: o.Tmate, relayed: o.UseRunnerProxyForTmate && o.RunnerHTTPProxy != "",
	}
	var err error
	if o.DockerHubMirror != "" {
		if _, err = parseURL(o.DockerHubMirror); err != nil {
			return values{}, fmt.Errorf("cannot use the Docker Hub mirror: %w", err)
		}
	}
	if v.proxy, err = parseProxy(o); err != nil {
		return values{}, err
	}
	if v.otel, err = parseCollector(o.OTelCollectorEndpoint); err != nil {
		return values{}, err
	}
	if strings.ContainsRune(o.PreJobScript, 0) {
		return values{}, errors.New("cannot use the pre-job script: it has a NUL character")
	}
	return v, o.Tmate.Check()
}

// Check returns what is wrong with a server; nothing is with the zero value.
func (t Tmate) Check() error {
	number, err := strconv.ParseUint(t.Port, 10, 16)
	switch {
	case t == Tmate{}:
		return nil
	case !plainHost(t.Host):
		return errors.New("cannot use the tmate server: its host is neither a name nor an address")
	case err != nil || number == 0:
		return errors.New("cannot use the tmate server: its port is not between 1 and 65535")
	case !isFingerprint(t.RSAFingerprint) || !isFingerprint(t.ED25519Fingerprint):
		return errors.New("cannot use the tmate server: its fingerprints are not both SHA256: and base64")
	}
	return nil
}

func isFingerprint(text string) bool {
	digest, found := strings.CutPrefix(text, "SHA256:")
	base64 := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("+/=", r)
	}
	return found && digest != "" && strings.TrimFunc(digest, base64) == ""
}

// parseURL returns an http(s) URL with a plain host. The text may have a password in it: no error repeats it.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return nil, errors.New("it is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("it does not start with http:// or https://")
	case !plainHost(u.Hostname()):
		return nil, errors.New("its host is neither a name nor an address")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, errors.New("its port is not between 1 and 65535")
		}
	}
	return u, nil
}

func plainHost(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Zone() == "" // which may be any text
	}
	return plainName(host) && !strings.HasPrefix(host, "-")
}

// parseProxy returns the zero proxy when none is set.
func parseProxy(o Options) (proxy, error) {
	if o.RunnerHTTPProxy == "" {
		return proxy{}, nil
	}
	u, err := parseURL(o.RunnerHTTPProxy)
	if err != nil {
		return proxy{}, fmt.Errorf("cannot use the runner's proxy: %w", err)
	}
	p := proxy{url: o.RunnerHTTPProxy, host: u.Hostname()}
	_, p.address, _ = strings.Cut(o.RunnerHTTPProxy, "://")
	if end := strings.IndexAny(p.address, "/?#"); end >= 0 {
		p.address = p.address[:end]
	}
	p.port = cmp.Or(u.Port(), defaultPort(u.Scheme))
	if u.Port() == "" {
		p.address = strings.TrimSuffix(p.address, ":") + ":" + p.port
	}
	if u.User != nil {
		password, _ := u.User.Password()
		p.user = u.User.Username() + ":" + password
	}
	if strings.ContainsFunc(p.user, unicode.IsControl) {
		return proxy{}, errors.New("cannot use the runner's proxy: its user or password has control characters")
	}
	if p.exclude, err = networks(o.AproxyExcludeAddresses); err != nil {
		return proxy{}, err
	}
	p.ports, err = portRanges(cmp.Or(o.AproxyRedirectPorts, "80,443"))
	return p, err
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// parseCollector returns the zero collector when no endpoint is set. Transport security follows the scheme, and the port
// is OTLP's own when none is named (4317, registered with IANA).
func parseCollector(endpoint string) (collector, error) {
	if endpoint == "" {
		return collector{}, nil
	}
	u, err := parseURL(endpoint)
	if err != nil {
		return collector{}, fmt.Errorf("cannot use the OpenTelemetry collector endpoint: %w", err)
	}
	return collector{
		endpoint: net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "4317")),
		insecure: u.Scheme == "http",
	}, nil
}

// networks turns addresses and networks into the elements of an nft set, without host bits.
func networks(list string) (string, error) {
	var elements []string
	for _, token := range tokens(list) {
		prefix, err := netip.ParsePrefix(token)
		if err != nil {
			var address netip.Addr
			if address, err = netip.ParseAddr(token); err == nil {
				prefix, err = address.Prefix(address.BitLen())
			}
		}
		if err != nil || !prefix.Addr().Is4() {
			return "", fmt.Errorf("cannot exclude %q from the runner's proxy: it is not an IPv4 address or network", token)
		}
		elements = append(elements, prefix.Masked().String())
	}
	return strings.Join(elements, ", "), nil
}

type portRange struct{ first, last uint64 }

// portRanges turns ports and ranges into the elements of an nft set, where no two may overlap.
func portRanges(list string) (string, error) {
	var ranges []portRange
	for _, token := range tokens(list) {
		r, err := parsePortRange(token)
		if err != nil {
			return "", err
		}
		ranges = append(ranges, r)
	}
	slices.SortFunc(ranges, func(a, b portRange) int { return cmp.Compare(a.first, b.first) })
	var merged []portRange
	for _, r := range ranges {
		if n := len(merged); n > 0 && r.first <= merged[n-1].last {
			merged[n-1].last = max(merged[n-1].last, r.last)
			continue
		}
		merged = append(merged, r)
	}
	var elements []string
	for _, r := range merged {
		element := strconv.FormatUint(r.first, 10)
		if r.last > r.first {
			element += "-" + strconv.FormatUint(r.last, 10)
		}
		elements = append(elements, element)
	}
	return strings.Join(elements, ", "), nil
}

func parsePortRange(token string) (portRange, error) {
	low, high, isRange := strings.Cut(token, "-")
	if !isRange {
		high = low
	}
	first, err1 := strconv.ParseUint(low, 10, 16)
	last, err2 := strconv.ParseUint(high, 10, 16)
	if err1 != nil || err2 != nil || first == 0 || last < first {
		return portRange{}, fmt.Errorf("cannot redirect port %q to the runner's proxy: it is neither a port nor a range of ports", token)
	}
	return portRange{first, last}, nil
}

// tokens splits a list at its commas, without the spaces around them. An empty list has none.
func tokens(list string) []string {
	if strings.TrimSpace(list) == "" {
		return nil
	}
	parts := strings.Split(list, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}
