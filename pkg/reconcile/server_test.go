package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

// TestServer is the life of an enterprise's scale set and an organisation's, on a GitHub Enterprise Server, with tokens.
func TestServer(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.forge.Do(t, "POST", "/entities", `{"entity":"enterprises/acme-inc","runner_groups":["big"]}`)
	for _, token := range []string{"first", "second"} {
		l.forge.Do(t, "POST", "/tokens", `{"token":"`+token+`"}`)
	}
	onServer := func(token string) func(*desired.Declaration) {
		return func(d *desired.Declaration) {
			d.GitHubURL, d.GitHubCACertificate = l.forge.URL, string(l.forge.CA(t))
			d.App, d.PrivateKey, d.Token = runnerconfig.App{}, secret.Value{}, secret.New(token)
		}
	}
	enterprise := func(d *desired.Declaration) {
		d.Org, d.Enterprise, d.RunnerGroup, d.RunnerPrefix, d.BootstrapTimeoutMinutes = "", "Acme-Inc", "big", "Acme", 7
	}
	name := strings.ReplaceAll(strings.TrimPrefix(l.forge.URL, "https://"), ":", "-")
	at := func(plan string) string { return strings.ReplaceAll(plan, "SERVER", name) }

	declarations := []desired.Declaration{l.declared("whole", onServer("first"), enterprise), l.declared("small", onServer("first"))}
	l.assertPlanned(at(`
create endpoint SERVER: a configurator names this GitHub server
create credential token-enterprise-acme-inc-SERVER: a configurator uses it
create credential token-organization-acme-SERVER: a configurator uses it
create enterprise acme-inc at SERVER: a configurator declares a scale set for it
create organization acme at SERVER: a configurator declares a scale set for it
create scale set whole of enterprise acme-inc at SERVER: whole declares it
create scale set small of organization acme at SERVER: small declares it`), declarations...)
	l.assertPlanned("", declarations...)
	assert.Len(t, l.onGitHub(), 2)
	whole := l.observe().ScaleSets[0]
	assert.Equal(t, "Acme", whole.RunnerPrefix)
	assert.Equal(t, 7, whole.BootstrapTimeout)

	declarations[0] = l.declared("whole", onServer("second"), enterprise, func(d *desired.Declaration) {
		d.RunnerPrefix, d.BootstrapTimeoutMinutes, d.MinIdleRunner = "", 20, 1
	})
	l.assertPlanned(at(`
update credential token-enterprise-acme-inc-SERVER: its App, key or token has changed
update scale set whole of enterprise acme-inc at SERVER: min idle runners 0 -> 1, runner prefix Acme -> garm, bootstrap timeout 7 -> 20`), declarations...)
	l.assertPlanned("", declarations...)
	require.Eventually(t, func() bool { return len(l.observe().ScaleSets[0].Runners) == 1 }, soon, 100*time.Millisecond)

	// A certificate can be replaced, but neither be taken away nor the URLs be changed.
	all := func(change func(*desired.Declaration)) (changed []desired.Declaration) {
		for _, d := range declarations {
			change(&d)
			changed = append(changed, d)
		}
		return changed
	}
	declarations = all(func(d *desired.Declaration) { d.GitHubCACertificate += "\n" + d.GitHubCACertificate })
	l.assertPlanned(at(`update endpoint SERVER: its URLs or its certificate have changed`), declarations...)
	l.assertPlanned("", declarations...)
	l.assertPlanned(at(`defer endpoint SERVER: GARM cannot forget the certificate of a server; set github-ca-certificate again`),
		all(func(d *desired.Declaration) { d.GitHubCACertificate = "" })...)
	p, _ := l.pass(nil, all(func(d *desired.Declaration) { d.GitHubAPIURL = l.forge.URL + "/api/v4" })...)
	assert.Contains(t, p.String(), at(`defer endpoint SERVER: GARM cannot change the URLs of a server that it has scale sets of; set them back to `+l.forge.URL))

	l.settle()
	assert.Empty(t, l.onGitHub())
	l.assertBare(l.observe())
	assert.NotContains(t, l.log.String(), "second", "a token")
}
