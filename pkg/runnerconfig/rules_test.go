package runnerconfig_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
)

func TestParseRules(t *testing.T) {
	const proxy = "http://proxy.example.com:3128"
	const (
		notURL      = " must be a URL like http://host:port or https://host, without blanks"
		notAddress  = "aproxy-exclude-addresses must be a comma-separated list of IPv4 addresses or CIDRs like 10.0.0.0/8"
		notPorts    = "aproxy-redirect-ports must be a comma-separated list of ports or ranges like 80,8000-8080, each in 1..65535"
		notLine     = " must be one line of text without control characters"
		noOrg       = "org must be the name of a GitHub organisation"
		ownerName   = "repo must be owner/name, without .git at the end"
		scriptNames = "pre-install-scripts must name each script with at most 128 letters, digits, dots, dashes and underscores, and not with 00- or 01- in front"
		scriptTexts = "pre-install-scripts must not have empty scripts, or any with NUL characters"
		scriptBytes = "pre-install-scripts must be at most 24576 bytes in all, counting 256 for each script beside its text: OpenStack takes no larger user data"
		ownPort     = "runner-http-proxy must not be on port %s, which is redirected to it; name it by its IPv4 address, or set aproxy-redirect-ports without that port"
		catchesOwn  = "aproxy-redirect-ports must leave out the proxy's own port 3128, for example by two ranges around it, or else runner-http-proxy must name an IPv4 address"
		notSecret   = "openstack-password must be a Juju secret like secret:abc123"
		notPrinted  = "name must be printable ASCII"
		notWhole    = "github-app-id must be a whole number"
	)
	const (
		notServer = "github-url must be a URL like https://github.example.com, without path, user or query"
		noServer  = " needs github-url to name a GitHub Enterprise Server"
		notPEM    = "github-ca-certificate must be certificates in PEM, without a private key"
		noPrefix  = "runner-prefix must be at most 40 letters, digits and dashes, with no dash at either end"
		noSlug    = "enterprise must be the enterprise's name as in its address github.com/enterprises/NAME"
		ghes      = "https://github.example.com"
	)
	certificate, key := selfSigned(t)
	token := func(set map[string]string) map[string]string {
		options := map[string]string{"github-app-id": "", "github-app-installation-id": "", "github-app-private-key": "", "github-token": "secret:t0"}
		maps.Copy(options, set)
		return options
	}
	long := strings.Repeat("x", 65537)
	for _, row := range []struct {
		summary string
		set     map[string]string
		want    []string
	}{
		{"complete", nil, nil},
		{"blank is unset", map[string]string{"dockerhub-mirror": "  ", "pre-job-script": "\n"}, nil},
		{"values are stripped", map[string]string{"os-arch": " amd64 "}, nil},
		{"every missing option", map[string]string{"name": "", "flavor": " ", "github-app-id": ""}, []string{"name is required", "github-app-id is required", "flavor is required"}},
		{"no entity", map[string]string{"org": ""}, []string{"org or repo or enterprise is required"}},
		{"two entities", map[string]string{"repo": "acme/widgets"}, []string{"org and repo are set; reset all but one"}},
		{"three entities", map[string]string{"repo": "acme/widgets", "enterprise": "acme", "github-app-id": "", "github-app-installation-id": "", "github-app-private-key": "", "github-token": "secret:t0"}, []string{"org and repo and enterprise are set; reset all but one"}},
		{"repository", map[string]string{"org": "", "repo": "acme/widgets.go"}, nil},
		{"repository without owner", map[string]string{"org": "", "repo": "widgets"}, []string{ownerName}},
		{"repository with path", map[string]string{"org": "", "repo": "acme/widgets/x"}, []string{ownerName}},
		{"other spelling of architecture", map[string]string{"os-arch": "x64"}, nil},
		{"unknown architecture", map[string]string{"os-arch": "riscv64"}, []string{"os-arch must be one of amd64, arm64, arm"}},
		{"name with ampersand", map[string]string{"name": "a&b"}, []string{"name must have neither blanks nor slashes nor any of & ; # % +"}},
		{"name with percent", map[string]string{"name": "100%"}, []string{"name must have neither blanks nor slashes nor any of & ; # % +"}},
		{"name with slash", map[string]string{"name": "a/b"}, []string{"name must have neither blanks nor slashes nor any of & ; # % +"}},
		{"no runner at all", map[string]string{"max-runner": "0"}, []string{"max-runner must be at least 1"}},
		{"one runner", map[string]string{"max-runner": "1"}, nil},
		{"negative idle", map[string]string{"min-idle-runner": "-1"}, []string{"min-idle-runner must be at least 0"}},
		{"as many idle as there may be", map[string]string{"min-idle-runner": "3"}, nil},
		{"more idle than there may be", map[string]string{"min-idle-runner": "4"}, []string{"min-idle-runner must not be greater than max-runner"}},
		{"number that is none", map[string]string{"max-runner": "many"}, []string{"max-runner must be a whole number"}},
		{"NUL", map[string]string{"pre-job-script": "a\x00b"}, []string{"pre-job-script must be UTF-8 text without NUL characters"}},
		{"not UTF-8", map[string]string{"flavor": "a\xffb"}, []string{"flavor must be UTF-8 text without NUL characters"}},
		{"beyond the BMP", map[string]string{"pre-job-script": "echo 🦀"}, nil},

		{"http mirror", map[string]string{"dockerhub-mirror": "http://mirror.example.com"}, nil},
		{"mirror of another scheme", map[string]string{"dockerhub-mirror": "ftp://mirror"}, []string{"dockerhub-mirror" + notURL}},
		{"proxy without scheme", map[string]string{"runner-http-proxy": "proxy:3128"}, []string{"runner-http-proxy" + notURL}},
		{"proxy with blank", map[string]string{"runner-http-proxy": "http://pro xy:3128"}, []string{"runner-http-proxy" + notURL}},
		{"proxy with newline", map[string]string{"runner-http-proxy": "http://proxy:3128/\nx"}, []string{"runner-http-proxy" + notURL}},
		{"highest port", map[string]string{"runner-http-proxy": "http://proxy:65535"}, nil},
		{"port too high", map[string]string{"runner-http-proxy": "http://proxy:65536"}, []string{"runner-http-proxy" + notURL}},
		{"port zero", map[string]string{"runner-http-proxy": "http://proxy:0"}, []string{"runner-http-proxy" + notURL}},
		{"empty port", map[string]string{"runner-http-proxy": "http://proxy:"}, []string{"runner-http-proxy" + notURL}},
		{"collector without host", map[string]string{"otel-collector-endpoint": "http://"}, []string{"otel-collector-endpoint" + notURL}},

		{"excluded addresses", map[string]string{"runner-http-proxy": proxy, "aproxy-exclude-addresses": "10.0.0.0/8, 192.0.2.7,10.1.2.3/8"}, nil},
		{"excluded host name", map[string]string{"runner-http-proxy": proxy, "aproxy-exclude-addresses": "10.0.0.0/8,example.com"}, []string{notAddress + `; got "example.com"`}},
		{"excluded IPv6", map[string]string{"runner-http-proxy": proxy, "aproxy-exclude-addresses": "::1"}, []string{notAddress + `; got "::1"`}},
		{"empty entry", map[string]string{"runner-http-proxy": proxy, "aproxy-exclude-addresses": "10.0.0.1,,10.0.0.2"}, []string{notAddress + `; got ""`}},
		{"excluded without proxy", map[string]string{"aproxy-exclude-addresses": "10.0.0.1"}, []string{"aproxy-exclude-addresses needs runner-http-proxy to be set"}},
		{"ports", map[string]string{"runner-http-proxy": proxy, "aproxy-redirect-ports": "1,80, 443,8000-8080,65535,7-7"}, nil},
		{"port range upside down", map[string]string{"runner-http-proxy": proxy, "aproxy-redirect-ports": "8080-8000"}, []string{notPorts + `; got "8080-8000"`}},
		{"port out of range", map[string]string{"runner-http-proxy": proxy, "aproxy-redirect-ports": "0"}, []string{notPorts + `; got "0"`}},
		{"port in words", map[string]string{"runner-http-proxy": proxy, "aproxy-redirect-ports": "http"}, []string{notPorts + `; got "http"`}},
		{"ports without proxy", map[string]string{"aproxy-redirect-ports": "80"}, []string{"aproxy-redirect-ports needs runner-http-proxy to be set"}},

		{"strangers refused", map[string]string{"allow-external-contributor": "false"}, nil},
		{"strangers neither refused nor allowed", map[string]string{"allow-external-contributor": "yes"}, []string{"allow-external-contributor must be true or false"}},
		{"debug sessions through the proxy", map[string]string{"runner-http-proxy": proxy, "use-runner-proxy-for-tmate": "true"}, nil},
		{"debug sessions through no proxy", map[string]string{"use-runner-proxy-for-tmate": "true"}, []string{"use-runner-proxy-for-tmate needs runner-http-proxy to be set"}},
		{"debug sessions direct", map[string]string{"use-runner-proxy-for-tmate": "false"}, nil},

		{"largest script", map[string]string{"pre-job-script": long[1:]}, nil},
		{"script too large", map[string]string{"pre-job-script": long}, []string{"pre-job-script must be at most 65536 bytes long"}},
		{"reserved script name", map[string]string{"pre-install-scripts": `{"00-mine": "true"}`}, []string{scriptNames}},
		{"secret that is none", map[string]string{"openstack-password": "hunter2"}, []string{notSecret}},
		{"longest name", map[string]string{"name": long[:64]}, nil},
		{"name too long", map[string]string{"name": long[:65]}, []string{"name must be at most 64 characters long"}},
		{"name with blank", map[string]string{"name": "a b"}, []string{"name must have neither blanks nor slashes nor any of & ; # % +"}},
		{"name beyond ASCII", map[string]string{"name": "größe"}, []string{notPrinted}},
		{"longest label", map[string]string{"labels": "gpu," + long[:64]}, nil},
		{"label too long", map[string]string{"labels": "gpu," + long[:65]}, []string{`labels must be at most 64 characters long; got "` + long[:65] + `"`}},
		{"label beyond ASCII", map[string]string{"labels": "groß"}, []string{`labels must be printable ASCII; got "groß"`}},
		{"label with blank", map[string]string{"labels": "two words"}, nil},
		{"empty labels", map[string]string{"labels": ",gpu,,"}, nil},
		{"most labels", map[string]string{"labels": strings.Repeat("a,", 64)}, nil},
		{"too many labels", map[string]string{"labels": strings.Repeat("a,", 65)}, []string{"labels must have at most 64 entries"}},
		{"runner group", map[string]string{"runner-group": "Größe 1"}, nil},
		{"runner group of two lines", map[string]string{"runner-group": "a\nb"}, []string{"runner-group" + notLine}},
		{"longest runner group", map[string]string{"runner-group": long[:64]}, nil},
		{"runner group too long", map[string]string{"runner-group": long[:65]}, []string{"runner-group must be at most 64 characters long"}},
		{"longest organisation", map[string]string{"org": long[:39]}, nil},
		{"organisation too long", map[string]string{"org": long[:40]}, []string{noOrg}},
		{"organisation's URL", map[string]string{"org": "https://github.com/acme"}, []string{noOrg}},
		{"organisation with dash in front", map[string]string{"org": "-acme"}, []string{noOrg}},
		{"repository of an enterprise's user", map[string]string{"org": "", "repo": "mona_acme/widgets"}, nil},
		{"repository as it is cloned", map[string]string{"org": "", "repo": "acme/widgets.git"}, []string{ownerName}},
		{"repository of dots", map[string]string{"org": "", "repo": "acme/.."}, []string{ownerName}},
		{"repository with dot in front", map[string]string{"org": "", "repo": "acme/.github"}, nil},
		{"longest repository", map[string]string{"org": "", "repo": "acme/" + long[:100]}, nil},
		{"repository too long", map[string]string{"org": "", "repo": "acme/" + long[:101]}, []string{ownerName}},
		{"arm64 in other words", map[string]string{"os-arch": "AArch64"}, nil},
		{"32-bit ARM", map[string]string{"os-arch": "arm"}, nil},
		{"32-bit Intel", map[string]string{"os-arch": "i386"}, []string{"os-arch must be one of amd64, arm64, arm"}},
		{"first App", map[string]string{"github-app-id": "1"}, nil},
		{"no App", map[string]string{"github-app-id": "0"}, []string{"github-app-id is required"}},
		{"App below", map[string]string{"github-app-id": "-1"}, []string{"github-app-id must be at least 1"}},
		{"client ID for an App's", map[string]string{"github-app-id": "Iv1.8a61f9b3a7aba766"}, []string{notWhole}},
		{"App ID with sign", map[string]string{"github-app-id": "+1"}, []string{notWhole}},
		{"App ID beyond 64 bits", map[string]string{"github-app-id": "9223372036854775808"}, []string{notWhole}},
		{"two lines of flavor", map[string]string{"flavor": "m1\nsmall"}, []string{"flavor" + notLine}},
		{"flavor with blank", map[string]string{"flavor": "m1 small"}, nil},
		{"longest project", map[string]string{"openstack-project-name": long[:255]}, nil},
		{"project too long", map[string]string{"openstack-project-name": long[:256]}, []string{"openstack-project-name must be at most 255 characters long"}},
		{"network with escape", map[string]string{"openstack-network": "a\x1b[2J"}, []string{"openstack-network" + notLine}},
		{"auth URL in the clear", map[string]string{"openstack-auth-url": "http://keystone"}, nil},
		{"auth URL of another scheme", map[string]string{"openstack-auth-url": "ftp://keystone"}, []string{"openstack-auth-url" + notURL}},
		{"longest URL", map[string]string{"dockerhub-mirror": "http://m/" + long[:2039]}, nil},
		{"URL too long", map[string]string{"dockerhub-mirror": "http://m/" + long[:2040]}, []string{"dockerhub-mirror must be at most 2048 characters long"}},
		{"host that no shell should see", map[string]string{"dockerhub-mirror": "http://mir$(reboot)ror"}, []string{"dockerhub-mirror" + notURL}},
		{"host with dash in front", map[string]string{"dockerhub-mirror": "http://-mirror"}, []string{"dockerhub-mirror" + notURL}},
		{"host of dots", map[string]string{"dockerhub-mirror": "http://.."}, []string{"dockerhub-mirror" + notURL}},
		{"IPv6 host", map[string]string{"dockerhub-mirror": "http://[2001:db8::1]:5000"}, nil},

		{"most excluded", map[string]string{"runner-http-proxy": proxy, "aproxy-exclude-addresses": strings.Repeat("10.0.0.1,", 255) + "10.0.0.1"}, nil},
		{"too many excluded", map[string]string{"runner-http-proxy": proxy, "aproxy-exclude-addresses": strings.Repeat("10.0.0.1,", 256) + "10.0.0.1"}, []string{"aproxy-exclude-addresses must have at most 256 entries"}},
		{"excluded with port", map[string]string{"runner-http-proxy": proxy, "aproxy-exclude-addresses": "10.0.0.1:80"}, []string{notAddress + `; got "10.0.0.1:80"`}},
		{"port too high in a range", map[string]string{"runner-http-proxy": proxy, "aproxy-redirect-ports": "80-65536"}, []string{notPorts + `; got "80-65536"`}},
		{"range without end", map[string]string{"runner-http-proxy": proxy, "aproxy-redirect-ports": "80-"}, []string{notPorts + `; got "80-"`}},
		{"two dashes", map[string]string{"runner-http-proxy": proxy, "aproxy-redirect-ports": "80-81-82"}, []string{notPorts + `; got "80-81-82"`}},
		{"proxy's port in a range", map[string]string{"runner-http-proxy": proxy, "aproxy-redirect-ports": "1-65535"}, []string{catchesOwn}},
		{"ranges around the proxy's port", map[string]string{"runner-http-proxy": proxy, "aproxy-redirect-ports": "1-3127,3129-65535"}, nil},
		{"proxy's port at the end of a range", map[string]string{"runner-http-proxy": proxy, "aproxy-redirect-ports": "3000-3128"}, []string{catchesOwn}},
		{"proxy on a port redirected by default", map[string]string{"runner-http-proxy": "http://proxy"}, []string{fmt.Sprintf(ownPort, "80")}},
		{"proxy over TLS on such a port", map[string]string{"runner-http-proxy": "https://proxy"}, []string{fmt.Sprintf(ownPort, "443")}},
		{"such a proxy, other ports", map[string]string{"runner-http-proxy": "http://proxy", "aproxy-redirect-ports": "443"}, nil},
		{"proxy by address, all ports", map[string]string{"runner-http-proxy": "http://10.0.0.1:3128", "aproxy-redirect-ports": "1-65535"}, nil},
		{"proxy by IPv6 address", map[string]string{"runner-http-proxy": "http://[2001:db8::1]:80"}, nil},

		{"script of zeros and ones", map[string]string{"pre-install-scripts": "{\"a\": \"x\\u0000\"}"}, []string{scriptTexts}},
		{"empty script", map[string]string{"pre-install-scripts": "a: ' '\nb: 'true'"}, []string{scriptTexts}},
		{"script name with slash", map[string]string{"pre-install-scripts": "../a: 'true'"}, []string{scriptNames}},
		{"longest script name", map[string]string{"pre-install-scripts": long[:128] + ": 'true'"}, nil},
		{"script name too long", map[string]string{"pre-install-scripts": "{" + long[:129] + ": 'true'}"}, []string{scriptNames}},
		{"reserved for the relay", map[string]string{"pre-install-scripts": "01-a: 'true'"}, []string{scriptNames}},
		{"first free number", map[string]string{"pre-install-scripts": "02-a: 'true'"}, nil},
		{"largest pre-install script", map[string]string{"pre-install-scripts": "#!" + long[:24576-256-2]}, nil},
		{"pre-install script too large", map[string]string{"pre-install-scripts": "#!" + long[:24576-256-1]}, []string{scriptBytes}},
		{"pre-install scripts too large together", map[string]string{"pre-install-scripts": "a: " + long[:12288] + "\nb: " + long[:12288]}, []string{scriptBytes}},
		{"secret of another model", map[string]string{"openstack-password": "secret://0b5e3c0e-0000-4000-8000-000000000000/abc123"}, nil},
		{"name of a secret", map[string]string{"openstack-password": "secret:my_secret"}, []string{notSecret}},
		{"token", token(nil), nil},
		{"neither App nor token", token(map[string]string{"github-token": ""}), []string{
			"github-app-id is required", "github-app-installation-id is required", "github-app-private-key (or github-token in place of the three) is required",
		}},
		{"part of an App", map[string]string{"github-app-installation-id": ""}, []string{"github-app-installation-id is required"}},
		{"App and token", map[string]string{"github-token": "secret:t0"}, []string{
			"github-token and github-app-id, github-app-installation-id, github-app-private-key are both set; reset one or the other",
		}},
		{"part of an App and token", token(map[string]string{"github-app-id": "1"}), []string{"github-token and github-app-id are both set; reset one or the other"}},
		{"token in the clear", token(map[string]string{"github-token": "ghp_0123456789"}), []string{"github-token must be a Juju secret like secret:abc123"}},
		{"enterprise", token(map[string]string{"org": "", "enterprise": "acme-inc"}), nil},
		{"enterprise with an App", map[string]string{"org": "", "enterprise": "acme"}, []string{"enterprise needs github-token: a GitHub App cannot register an enterprise's runners"}},
		{"longest enterprise", token(map[string]string{"org": "", "enterprise": long[:100]}), nil},
		{"enterprise too long", token(map[string]string{"org": "", "enterprise": long[:101]}), []string{noSlug}},
		{"enterprise's URL", token(map[string]string{"org": "", "enterprise": "github.com/enterprises/acme"}), []string{noSlug}},

		{"server", map[string]string{"github-url": ghes + "/"}, nil},
		{"server on a port, in the clear", map[string]string{"github-url": "http://github.example.com:8080"}, nil},
		{"server with path", map[string]string{"github-url": ghes + "/acme"}, []string{notServer}},
		{"server with user", map[string]string{"github-url": "https://me:pw@github.example.com"}, []string{notServer}},
		{"server with query", map[string]string{"github-url": ghes + "?a"}, []string{notServer}},
		{"server without scheme", map[string]string{"github-url": "github.example.com"}, []string{"github-url" + notURL}},
		{"server's other URLs", map[string]string{"github-url": ghes, "github-api-url": "https://api.example.com/v3", "github-upload-url": "https://uploads.example.com"}, nil},
		{"API with user", map[string]string{"github-url": ghes, "github-api-url": "https://me@api.example.com"}, []string{"github-api-url must be a URL without user or query"}},
		{"API without server", map[string]string{"github-api-url": "https://api.example.com"}, []string{"github-api-url" + noServer}},
		{"API of github.com", map[string]string{"github-url": "https://GitHub.com/", "github-api-url": "https://api.github.com"}, []string{"github-api-url" + noServer}},
		{"uploads without server", map[string]string{"github-upload-url": ghes}, []string{"github-upload-url" + noServer}},
		{"certificate", map[string]string{"github-url": ghes, "github-ca-certificate": certificate}, nil},
		{"certificates with remarks", map[string]string{"github-url": ghes, "github-ca-certificate": "# ours\n" + certificate + "\n\n# theirs\n" + certificate}, nil},
		{"certificate without server", map[string]string{"github-ca-certificate": certificate}, []string{"github-ca-certificate" + noServer}},
		{"certificate's private key", map[string]string{"github-url": ghes, "github-ca-certificate": certificate + key}, []string{notPEM}},
		{"certificate cut off", map[string]string{"github-url": ghes, "github-ca-certificate": certificate + certificate[:60]}, []string{notPEM}},
		{"path of a certificate", map[string]string{"github-url": ghes, "github-ca-certificate": "/etc/ssl/ca.pem"}, []string{notPEM}},
		{"certificates too large", map[string]string{"github-url": ghes, "github-ca-certificate": certificate + long}, []string{"github-ca-certificate must be at most 65536 bytes long"}},

		{"longest prefix", map[string]string{"runner-prefix": long[:40]}, nil},
		{"prefix too long", map[string]string{"runner-prefix": long[:41]}, []string{noPrefix}},
		{"prefix of one", map[string]string{"runner-prefix": "a"}, nil},
		{"prefix with dash at its end", map[string]string{"runner-prefix": "acme-"}, []string{noPrefix}},
		{"prefix with dot", map[string]string{"runner-prefix": "a.b"}, []string{noPrefix}},
		{"shortest bootstrap timeout", map[string]string{"bootstrap-timeout-minutes": "1"}, nil},
		{"no bootstrap timeout", map[string]string{"bootstrap-timeout-minutes": "0"}, []string{"bootstrap-timeout-minutes must be at least 1"}},
		{"a day", map[string]string{"bootstrap-timeout-minutes": "1440"}, nil},
		{"longer than a day", map[string]string{"bootstrap-timeout-minutes": "1441"}, []string{"bootstrap-timeout-minutes must be at most 1440"}},
		{"several at once", map[string]string{"max-runner": "0", "dockerhub-mirror": "x", "flavor": ""}, []string{
			"flavor is required", "dockerhub-mirror" + notURL, "max-runner must be at least 1",
		}},
	} {
		t.Run(row.summary, func(t *testing.T) {
			options := validOptions()
			maps.Copy(options, row.set)
			_, problems := runnerconfig.Parse(options)
			var got []string
			for _, p := range problems {
				got = append(got, p.String())
			}
			assert.ElementsMatch(t, row.want, got)
		})
	}
}

// selfSigned is a certificate in PEM and its private key.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", keyDER)
}
