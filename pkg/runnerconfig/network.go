package runnerconfig

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// isWebURL accepts what every place can take to which these URLs go: its host is a plain name or an address.
func isWebURL(text string) bool {
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return false
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || !isHost(u.Hostname()) {
		return false
	}
	if strings.HasSuffix(u.Host, ":") {
		return false
	}
	return u.Port() == "" || isPort(u.Port())
}

func isHost(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	return strings.Trim(text, plain) == "" && strings.Trim(text, ".") != "" && text[0] != '-'
}

// isIPv4Net accepts an address or a CIDR whose host bits may be set, as nft does.
func isIPv4Net(text string) bool {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix.Addr().Is4()
	}
	addr, err := netip.ParseAddr(text)
	return err == nil && addr.Is4()
}

// portRange reads a port or two joined by a dash.
func portRange(text string) (low, high uint64, ok bool) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	low, err := strconv.ParseUint(first, 10, 16)
	if err != nil {
		return 0, 0, false
	}
	high, err = strconv.ParseUint(last, 10, 16)
	return low, high, err == nil && low >= 1 && low <= high
}

func isPort(text string) bool {
	_, _, ok := portRange(text)
	return ok && !strings.Contains(text, "-")
}

// ownPort is the proxy's port if a redirect of the ports could catch aproxy's own connections to the proxy, else empty.
//
// The redirect leaves out the addresses that the proxy has when a runner boots. That holds for a proxy that is given by
// its address (and IPv6 is not redirected at all), but a name may come to mean another address while the runner lives:
// then aproxy would connect to itself without end, were the proxy's port among those redirected.
func (o Options) ownPort() string {
	u, err := url.Parse(o.RunnerHTTPProxy)
	if err != nil || !isWebURL(o.RunnerHTTPProxy) {
		return ""
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	redirected := o.AproxyRedirectPorts
	if len(redirected) == 0 {
		redirected = List{"80", "443"}
	}
	number, _, _ := portRange(port)
	for _, entry := range redirected {
		if low, high, ok := portRange(entry); ok && low <= number && number <= high {
			return port
		}
	}
	return ""
}
