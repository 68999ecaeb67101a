package configurator_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/configurator"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

const (
	password   = "the-password"
	privateKey = "the-private-key"
)

// scaleSet is what the operator's options say, with the secrets that they name.
func scaleSet() runnerconfig.ScaleSet {
	return runnerconfig.ScaleSet{
		Name: "small",
		Provider: runnerconfig.Provider{
			AuthURL: "https://keystone.example.com", Username: "ci", ProjectName: "runners", UserDomainName: "Default",
			ProjectDomainName: "Default", RegionName: "RegionOne", Network: "net", PasswordSecret: "secret:operators0",
		},
		App:           runnerconfig.App{AppID: 42, InstallationID: 7, PrivateKeySecret: "secret:operators1"},
		Machine:       runnerconfig.Machine{ImageID: "ubuntu", Flavor: "m1.small", OSArch: "amd64"},
		Org:           "acme",
		RunnerGroup:   "Default",
		MinIdleRunner: 1,
		MaxRunner:     3,

		BootstrapTimeoutMinutes: 20,
	}
}

func values() configurator.Secrets {
	return configurator.Secrets{Password: secret.New(password), PrivateKey: secret.New(privateKey)}
}

// publication is the relation in a new dispatch of small/0.
func (j *juju) publication() configurator.Publication {
	j.t.Helper()
	all, err := configurator.Publications(j.t.Context(), j.tools(), hook.Env{UnitName: "small/0", CharmDir: j.dir})
	require.NoError(j.t, err)
	require.Len(j.t, all, 1)
	return all[0]
}

func (j *juju) declare(s runnerconfig.ScaleSet, secrets configurator.Secrets) {
	j.t.Helper()
	require.NoError(j.t, j.publication().Declare(j.t.Context(), s, secrets, "small"))
}

// Nothing is granted in a relation that may be on its way out before anybody came; what was declared once goes on.
func TestCanDeclare(t *testing.T) {
	j := newJuju(t)
	j.units = nil
	assert.False(t, j.publication().CanDeclare())
	j.units = []string{"garm/0"}
	assert.True(t, j.publication().CanDeclare())
	j.declare(scaleSet(), values())
	j.units = nil
	assert.True(t, j.publication().CanDeclare())
}

// Juju fails a hook that grants a secret in a relation that is being removed, and rolls back what it wrote: the hook after it
// leaves the declaration out.
func TestDeclarationInVainIsLeftOutOnce(t *testing.T) {
	j := newJuju(t)
	for range 2 {
		require.True(t, j.publication().CanDeclare())
		j.declare(scaleSet(), values())
		delete(j.bags, "small/0")
		require.False(t, j.publication().CanDeclare())
	}
	require.True(t, j.publication().CanDeclare())
	j.declare(scaleSet(), values())
	require.True(t, j.publication().CanDeclare())

	// One that leads again later is not taken for one that failed.
	delete(j.bags, "small/0")
	require.True(t, j.publication().CanDeclare())
}

func TestDeclareWritesOnlyWhatIsNew(t *testing.T) {
	j := newJuju(t)
	j.declare(scaleSet(), values())
	first := j.taken()
	require.Len(t, first, 5)
	assert.Equal(t, []string{
		"secret-add configurator-password." + relationID, "secret-grant secret:made0",
		"secret-add configurator-github-key." + relationID, "secret-grant secret:made1",
	}, first[:4])
	assert.Equal(t, "secret:made0", j.bags["small/0"]["openstack_password_secret_uri"])
	assert.Equal(t, "secret:made1", j.bags["small/0"]["github_private_key_secret_uri"])
	assert.Equal(t, "small", j.bags["small/0"]["provider_name"])
	assert.Equal(t, map[string]string{"value": password}, j.secrets["secret:made0"].content)
	assert.Equal(t, map[string]string{"value": privateKey}, j.secrets["secret:made1"].content)

	j.declare(scaleSet(), values())
	assert.Empty(t, j.taken(), "all is there already")

	changed := scaleSet()
	changed.Flavor = "m1.large"
	changed.Labels = runnerconfig.List{"x64"}
	j.declare(changed, values())
	assert.Equal(t, []string{"relation-set small/0 flavor labels"}, j.taken())

	rotated := values()
	rotated.Password = secret.New("another-password")
	j.declare(scaleSet(), values())
	j.taken()
	j.declare(scaleSet(), rotated)
	assert.Equal(t, []string{"secret-set secret:made0"}, j.taken())
	assert.Equal(t, map[string]string{"value": "another-password"}, j.secrets["secret:made0"].content)

	for _, value := range []string{password, privateKey, "another-password"} {
		assert.NotContains(t, j.seen, value, "in arguments or on stdin")
	}
}

// A hook that failed after Juju had taken its secret has left one that no databag names.
func TestDeclareTakesUpSecretThatIsNotPublished(t *testing.T) {
	j := newJuju(t)
	j.secrets["secret:left"] = &secretRecord{label: "configurator-password." + relationID, content: map[string]string{"value": password}}
	j.declare(scaleSet(), values())
	assert.Contains(t, j.taken(), "secret-grant secret:left")
	assert.Equal(t, "secret:left", j.bags["small/0"]["openstack_password_secret_uri"])
}

func TestProviderNameStaysWhatItWas(t *testing.T) {
	for _, row := range []struct {
		summary, own, answered, want string
	}{
		{"new", "", "", "small"},
		{"published before", "small-0", "", "small-0"},
		{"in use by garm", "", "small-0", "small-0"},
		{"garm knows best", "other", "small-0", "small-0"},
	} {
		j := newJuju(t)
		j.bags["small/0"] = map[string]string{"provider_name": row.own}
		j.bags["garm"] = map[string]string{"provider_name": row.answered}
		j.declare(scaleSet(), values())
		assert.Equal(t, row.want, j.bags["small/0"]["provider_name"], row.summary)
	}
}

func TestHoldLeavesTheRest(t *testing.T) {
	j := newJuju(t)
	j.declare(scaleSet(), values())
	j.taken()
	require.NoError(t, j.publication().Hold(t.Context(), "Set flavor"))
	assert.Equal(t, []string{"relation-set small/0 hold"}, j.taken())
	assert.Equal(t, "m1.small", j.bags["small/0"]["flavor"])
	require.NoError(t, j.publication().Hold(t.Context(), "Set flavor"))
	assert.Empty(t, j.taken())

	j.declare(scaleSet(), values())
	assert.Equal(t, []string{"relation-set small/0 hold"}, j.taken())
	assert.NotContains(t, j.bags["small/0"], "hold")
}

func TestWithdrawClearsWhatIsOurs(t *testing.T) {
	j := newJuju(t)
	j.declare(scaleSet(), values())
	require.NoError(t, j.publication().Hold(t.Context(), "Set flavor"))
	j.bags["small/0"]["ingress-address"] = "10.0.0.1"
	require.NoError(t, j.publication().Withdraw(t.Context()))
	assert.Equal(t, map[string]string{"ingress-address": "10.0.0.1"}, j.bags["small/0"])
	j.taken()
	require.NoError(t, j.publication().Withdraw(t.Context()))
	assert.Empty(t, j.taken())
}

func TestPublicationsLeaveOutTheBrokenRelation(t *testing.T) {
	j := newJuju(t)
	all, err := configurator.Publications(t.Context(), j.tools(), hook.Env{
		UnitName: "small/0", Event: hook.Event{Kind: hook.KindRelationBroken, RelationID: relationID},
	})
	require.NoError(t, err)
	assert.Empty(t, all)
}

func TestAnswerIsRead(t *testing.T) {
	j := newJuju(t)
	assert.Equal(t, configurator.Answer{}, j.publication().Answer)

	j.bags["garm"] = map[string]string{"status": "refused", "message": "m", "scaleset_id": "5", "template_id": "12", "provider_name": "p"}
	assert.Equal(t, configurator.Answer{Status: "refused", Message: "m", ScaleSetID: "5", TemplateID: "12", ProviderName: "p"}, j.publication().Answer)

	j.refuse["relation-get garm"] = hook.ErrRelationGone
	assert.Equal(t, configurator.Answer{}, j.publication().Answer)
	j.refuse["relation-get garm"] = errors.New("agent is gone")
	_, err := configurator.Publications(t.Context(), j.tools(), hook.Env{UnitName: "small/0", CharmDir: j.dir})
	require.ErrorContains(t, err, "agent is gone")

	j = newJuju(t)
	j.apps, j.units = []string{""}, nil
	assert.Equal(t, configurator.Answer{}, j.publication().Answer, "nobody is known to be there")
}

func TestOperatorSecrets(t *testing.T) {
	rsaKey := pemOf(t)
	for _, row := range []struct {
		summary       string
		password, key map[string]string
		refuse        error // of the password
		want          []string
	}{
		{"both are good", map[string]string{"value": password}, map[string]string{"value": rsaKey}, nil, nil},
		{"not granted", nil, map[string]string{"value": rsaKey}, fmt.Errorf("secret-get: %w", hook.ErrPermission), []string{
			"openstack-password is a secret that is not granted; run: juju grant-secret secret:operators0 small",
		}},
		{"there is none", nil, map[string]string{"value": rsaKey}, nil, []string{
			"openstack-password is a secret that does not exist; run: juju add-secret NAME value#file=PATH, and set the option to what it prints",
		}},
		{"key of another name", map[string]string{"password": password}, map[string]string{"value": rsaKey}, nil, []string{
			`openstack-password is a secret without the key "value"; run: juju update-secret secret:operators0 value#file=PATH`,
		}},
		{"empty", map[string]string{"value": "\r\n"}, map[string]string{"value": ""}, nil, []string{
			`openstack-password is a secret whose "value" is empty; run: juju update-secret secret:operators0 value#file=PATH`,
			`github-app-private-key is a secret whose "value" is empty; run: juju update-secret secret:operators1 value#file=PATH`,
		}},
		{"something else", map[string]string{"value": password}, map[string]string{"value": "no key"}, nil, []string{
			"github-app-private-key is not an RSA private key in PEM; download it again from the App's settings on GitHub",
		}},
		{"two at once", nil, nil, nil, []string{
			"openstack-password is a secret that does not exist; run: juju add-secret NAME value#file=PATH, and set the option to what it prints",
			"github-app-private-key is a secret that does not exist; run: juju add-secret NAME value#file=PATH, and set the option to what it prints",
		}},
	} {
		t.Run(row.summary, func(t *testing.T) {
			j := newJuju(t)
			for uri, content := range map[string]map[string]string{"secret:operators0": row.password, "secret:operators1": row.key} {
				if content != nil {
					j.secrets[uri] = &secretRecord{content: content}
				}
			}
			j.refuse["secret-get secret:operators0"] = row.refuse
			read, problems, err := configurator.OperatorSecrets(t.Context(), j.tools(), "small", scaleSet())
			require.NoError(t, err)
			var sentences []string
			for _, p := range problems {
				sentences = append(sentences, p.String())
			}
			assert.Equal(t, row.want, sentences)
			assert.Equal(t, strings.TrimSpace(row.password["value"]), read.Password.Reveal())
			assert.Equal(t, row.key["value"], read.PrivateKey.Reveal())
		})
	}
}

// A file given with value#file= ends its last line; a blank in front belongs to the password all the same.
func TestLineEndIsNoPartOfThePassword(t *testing.T) {
	rsaKey := pemOf(t)
	for _, end := range []string{"", "\n", "\r\n"} {
		j := newJuju(t)
		j.secrets["secret:operators0"] = &secretRecord{content: map[string]string{"value": " two words " + end}}
		j.secrets["secret:operators1"] = &secretRecord{content: map[string]string{"value": rsaKey}}
		read, problems, err := configurator.OperatorSecrets(t.Context(), j.tools(), "small", scaleSet())
		require.NoError(t, err)
		assert.Empty(t, problems)
		assert.Equal(t, " two words ", read.Password.Reveal())
		assert.Equal(t, rsaKey, read.PrivateKey.Reveal())
	}
}

func TestWhatIsNoSecretIsNotReadAsOne(t *testing.T) {
	j := newJuju(t)
	s := scaleSet()
	s.PasswordSecret, s.PrivateKeySecret = "secret:my_secret", "hunter2"
	j.refuse["secret-get"] = errors.New("not to be called")
	_, problems, err := configurator.OperatorSecrets(t.Context(), j.tools(), "small", s)
	require.NoError(t, err)
	assert.Empty(t, problems, "the rules have said it")
}

func TestTidy(t *testing.T) {
	j := newJuju(t)
	j.declare(scaleSet(), values())
	j.taken()
	tidy := func(event hook.Event) []string {
		t.Helper()
		require.NoError(t, configurator.Tidy(t.Context(), j.tools(), event, []configurator.Publication{j.publication()}, scaleSet()))
		return j.taken()
	}
	assert.Empty(t, tidy(hook.Event{Kind: hook.KindUpdateStatus}))
	j.secrets["secret:old"] = &secretRecord{label: "configurator-password.garm-configurator:0"}
	for _, kind := range []hook.Kind{hook.KindConfigChanged, hook.KindRelationBroken} {
		assert.Empty(t, tidy(hook.Event{Kind: kind, Relation: configurator.Endpoint, RelationID: relationID}))
	}
	j.secrets["secret:made0"].revision = 4
	assert.Equal(t, []string{"secret-remove secret:made0 --revision=3"},
		tidy(hook.Event{Kind: hook.KindSecretRemove, SecretURI: "secret:made0", SecretRevision: 3}))
	assert.Empty(t, tidy(hook.Event{Kind: hook.KindSecretRemove, SecretURI: "secret:made0", SecretRevision: 4}), "never the latest")
	assert.Empty(t, tidy(hook.Event{Kind: hook.KindSecretRemove, SecretURI: "secret:gone", SecretRevision: 3}), "a hook may run twice")

	// One that the Python charm made goes under another label and is published all the same.
	j.secrets["secret:made0"].label = "configurator-password"
	assert.Equal(t, []string{"secret-remove secret:old"}, tidy(hook.Event{Kind: hook.KindUpdateStatus}))
	assert.Empty(t, tidy(hook.Event{Kind: hook.KindUpdateStatus}))

	for _, tool := range []string{"secret-ids", "secret-info-get", "secret-remove"} {
		j.secrets["secret:old"] = &secretRecord{label: "configurator-password.garm-configurator:0"}
		p := j.publication()
		j.refuse[tool] = errors.New(tool + " failed")
		err := configurator.Tidy(t.Context(), j.tools(), hook.Event{Kind: hook.KindUpdateStatus}, []configurator.Publication{p}, scaleSet())
		require.ErrorContains(t, err, tool+" failed")
		delete(j.refuse, tool)
	}
}

// A secret that is published and yet gone is made again.
func TestDeclareMakesUpForALostSecret(t *testing.T) {
	j := newJuju(t)
	j.declare(scaleSet(), values())
	delete(j.secrets, "secret:made0")
	j.secrets["secret:another"] = &secretRecord{}
	j.taken()
	j.declare(scaleSet(), values())
	assert.Equal(t, []string{
		"secret-add configurator-password." + relationID, "secret-grant secret:made2", "relation-set small/0 openstack_password_secret_uri",
	}, j.taken())
}

func TestOperatorSecretsThatAreNotNamed(t *testing.T) {
	j := newJuju(t)
	read, problems, err := configurator.OperatorSecrets(t.Context(), j.tools(), "small", runnerconfig.ScaleSet{})
	require.NoError(t, err)
	assert.Empty(t, problems, "that they are missing is said elsewhere")
	assert.Equal(t, configurator.Secrets{}, read)

	j.refuse["secret-get"] = errors.New("agent is gone")
	_, _, err = configurator.OperatorSecrets(t.Context(), j.tools(), "small", scaleSet())
	require.ErrorContains(t, err, "agent is gone", "no fault of the operator's")
}

func pemOf(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

// Each hook tool that fails makes the step fail, and names itself.
func TestPublishingWithoutJuju(t *testing.T) {
	for _, tool := range []string{"relation-set", "secret-info-get", "secret-add", "secret-grant"} {
		j := newJuju(t)
		p := j.publication()
		j.refuse[tool] = errors.New(tool + " failed")
		require.ErrorContains(t, p.Declare(t.Context(), scaleSet(), values(), "small"), tool+" failed")
	}
	for _, tool := range []string{"secret-get", "secret-set"} {
		j := newJuju(t)
		j.declare(scaleSet(), values())
		p := j.publication()
		j.refuse[tool] = errors.New(tool + " failed")
		require.ErrorContains(t, p.Declare(t.Context(), scaleSet(), configurator.Secrets{Password: secret.New("x"), PrivateKey: secret.New("y")}, "small"), tool+" failed")
	}
	for _, tool := range []string{"relation-ids", "relation-list", "relation-get"} {
		j := newJuju(t)
		j.refuse[tool] = errors.New(tool + " failed")
		_, err := configurator.Publications(t.Context(), j.tools(), hook.Env{UnitName: "small/0", CharmDir: j.dir})
		require.ErrorContains(t, err, tool+" failed")
		_, err = configurator.ReadAll(t.Context(), j.tools(), hook.Event{})
		require.ErrorContains(t, err, tool+" failed")
	}
}

// A token in place of the App: the key's copy is withdrawn with the App, and removed when time is for it.
