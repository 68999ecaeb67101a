package garm

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/configurator"
	"github.com/garm-charms/garm-charms/pkg/plan"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/secret"
	"github.com/garm-charms/garm-charms/pkg/workload"
)

// The cloud in which an application's runners boot is the one that it declares, or declared before; nobody else's, whatever
// is said by whom first.
func TestNobodyTakesAnothersCloud(t *testing.T) {
	t.Parallel()
	declares := func(application, cloud string) configurator.Declared {
		return configurator.Declared{Application: application, ScaleSet: runnerconfig.ScaleSet{
			Name: application, Org: "acme", Provider: runnerconfig.Provider{ProviderName: "big", AuthURL: cloud},
		}}
	}
	image := workload.Images()[0]
	kept, err := workload.Provider{Name: "big", Cloud: workload.Cloud{AuthURL: "https://kept"}}.Keep()
	require.NoError(t, err)
	content, err := json.Marshal(map[string]string{keptKey: kept.Reveal()})
	require.NoError(t, err)
	owned := peer{
		providers: map[string]string{"big": keyed(secret.New("key"), kept)},
		inventory: plan.Inventory{ScaleSets: map[uint]plan.Owned{1: {Application: "big", Provider: "big"}}},
	}
	evil := declares("evil", "https://evil")
	for summary, row := range map[string]struct {
		peer     peer
		declared []configurator.Declared
		cloud    string
		written  int
	}{
		"it declares one":      {owned, []configurator.Declared{evil, declares("big", "https://new")}, "https://new", 1},
		"it is on hold":        {owned, []configurator.Declared{evil, {Application: "big", Hold: "Set flavor"}}, "https://kept", 0},
		"it declares nothing":  {owned, []configurator.Declared{{Application: "big", Absent: true}, evil}, "https://kept", 0},
		"it is invalid":        {owned, []configurator.Declared{evil, {Application: "big", Invalid: assert.AnError}}, "https://kept", 0},
		"it is gone":           {owned, []configurator.Declared{evil}, "https://kept", 0},
		"nobody had it before": {peer{}, []configurator.Declared{declares("big", "https://new"), evil}, "https://new", 1},
	} {
		t.Run(summary, func(t *testing.T) {
			t.Parallel()
			tools := &tools{answers: map[string]string{"secret-get": string(content), "secret-info-get": `{"9m4e2mr0ui3e8a215n4g":{"label":"provider.big"}}`}}
			in := inputs{peer: row.peer, declared: configurator.Contest(row.declared, row.peer.inventory), keys: keys{jwtSecret: secret.New("key")}}
			providers, err := charmWith(t, tools).providers(t.Context(), image, &in)
			require.NoError(t, err)
			require.Len(t, providers, 1)
			assert.Equal(t, row.cloud, providers[0].Cloud.AuthURL)
			require.NoError(t, charmWith(t, tools).keepProviders(t.Context(), providers, &in))
			assert.Equal(t, row.written, tools.called("secret-set")+tools.called("secret-add"))
		})
	}
}

// Whoever removes the secret of a provider that is left loses that provider, and no other.
func TestLostProviderIsLeftOut(t *testing.T) {
	t.Parallel()
	left := peer{
		providers: map[string]string{"lost": "digest"},
		inventory: plan.Inventory{ScaleSets: map[uint]plan.Owned{1: {Application: "gone", Provider: "lost"}}},
	}
	in := inputs{peer: left, declared: []configurator.Declared{{Application: "small", ScaleSet: runnerconfig.ScaleSet{Provider: runnerconfig.Provider{ProviderName: "small"}}}}}
	tools := &tools{fails: map[string]error{"secret-get": hook.ErrSecretNotFound}}
	providers, err := charmWith(t, tools).providers(t.Context(), workload.Images()[0], &in)
	require.NoError(t, err)
	require.Len(t, providers, 1)
	assert.Equal(t, "small", providers[0].Name)
}

// While a server's authority is changed, the configurators that name it do not have the same certificate. GARM trusts what
// any of them does, and of what is left where none of them has one.
func TestCertificates(t *testing.T) {
	t.Parallel()
	names := func(server, certificate string) configurator.Declared {
		return configurator.Declared{ScaleSet: runnerconfig.ScaleSet{Forge: runnerconfig.Forge{GitHubURL: "https://" + server, GitHubCACertificate: certificate}}}
	}
	held, invalid := names("ghes", "held"), names("ghes", "invalid")
	held.Hold, invalid.Invalid = "Set flavor", assert.AnError
	left := map[string]string{"ghes": "old", "left": "drained"}
	for _, row := range []struct {
		declared []configurator.Declared
		left     map[string]string
		want     []string
	}{
		{[]configurator.Declared{names("ghes", "old"), names("ghes", "new")}, left, []string{"drained", "new", "old"}},
		{[]configurator.Declared{names("ghes", "new"), names("ghes", "old")}, left, []string{"drained", "new", "old"}},
		{[]configurator.Declared{names("ghes", "new"), names("ghes", "new")}, left, []string{"drained", "new"}},
		{[]configurator.Declared{held, invalid}, left, []string{"drained", "old"}},
		{[]configurator.Declared{names("ghes", "")}, left, []string{"drained", "old"}},
		{[]configurator.Declared{names("ghes", "new"), names("public", "")}, nil, []string{"new"}},
		{nil, nil, nil},
	} {
		assert.Equal(t, row.want, certificates(row.declared, plan.Inventory{Certificates: row.left}))
	}
	assert.Len(t, left, 2, "the argument stays")
}
