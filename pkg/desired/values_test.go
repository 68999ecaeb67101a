package desired_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
)

//nolint:gochecknoglobals // keys take long to make, and no test changes one
var (
	keyOne = sync.OnceValue(newKey)
	keyTwo = sync.OnceValue(newKey)
)

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	return key
}

func pkcs1PEM(key *rsa.PrivateKey) string {
	return pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
}

func pkcs8PEM(key any) string {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return pemOf("PRIVATE KEY", der)
}

func ellipticPEM() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return pkcs8PEM(key)
}

func publicPEM(key *rsa.PrivateKey) string {
	return pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&key.PublicKey))
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestCredentialOfEitherEncodingIsTheSame(t *testing.T) {
	state, conflicts := desired.Build([]desired.Declaration{declared("a"), declared("b", key(pkcs8PEM(keyOne())))}, []byte(base))
	assert.Empty(t, conflicts)
	require.Len(t, state.Credentials, 1)
	assert.Equal(t, pkcs1PEM(keyOne()), state.Credentials[0].PrivateKey.Reveal())
}

// The description is all by which a rotated key can be seen.
func TestCredentialDescriptionChangesWithEachInput(t *testing.T) {
	description := func(changes ...func(*desired.Declaration)) string {
		state, conflicts := desired.Build([]desired.Declaration{declared("a", changes...)}, []byte(base))
		require.Empty(t, conflicts)
		return state.Credentials[0].Description
	}
	seen := map[string]bool{}
	for _, d := range []string{description(), description(app(43, 7)), description(app(42, 8)), description(key(pkcs1PEM(keyTwo())))} {
		assert.True(t, desired.IsMarked(d), d)
		assert.NotContains(t, d, "PRIVATE")
		seen[d] = true
	}
	assert.Len(t, seen, 4)
	assert.Equal(t, description(), description(name("other"), provider("other")), "what the credential is not made from")
}

func TestMark(t *testing.T) {
	marks := map[string]bool{}
	for _, parts := range [][]string{nil, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"", "ab"}, {"b", "a"}, {"a", "1:b"}, {"a1:b"}} {
		assert.True(t, desired.IsMarked(desired.Mark(parts...)))
		marks[desired.Mark(parts...)] = true
	}
	assert.Len(t, marks, 9, "all differ")
	for _, foreign := range []string{"", "Managed by garm", "Managed by the garm charmer, digest 0", "x" + desired.Mark()} {
		assert.False(t, desired.IsMarked(foreign), foreign)
	}
}

func specsOf(t *testing.T, changes ...func(*desired.Declaration)) string {
	t.Helper()
	state, conflicts := desired.Build([]desired.Declaration{declared("a", changes...)}, []byte(base))
	require.Empty(t, conflicts)
	return state.ScaleSets[0].ExtraSpecs
}

func TestExtraSpecs(t *testing.T) {
	scripts := func(d *desired.Declaration) {
		d.PreInstallScripts = runnerconfig.Scripts{"20-b": "echo <b>", "10-a": "echo a\n"}
	}
	assert.Equal(t, `{}`, specsOf(t))
	assert.Equal(t, `{"pre_install_scripts":{"10-a":"`+inBase64("echo a\n")+`","20-b":"`+inBase64("echo <b>")+`"}}`, specsOf(t, scripts))
	proxied := specsOf(t, scripts, func(d *desired.Declaration) { d.RunnerHTTPProxy = "http://proxy:3128" })
	assert.Regexp(t, `^{"disable_updates":true,"pre_install_scripts":{"00-aproxy":"[^"]+","10-a":"`, proxied)
	for _, specs := range []string{`{}`, specsOf(t, scripts), proxied} {
		assert.Equal(t, specs, desired.CanonicalSpecs([]byte(specs)), "what was sent is read back as the same text")
	}
}

func inBase64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func TestCanonicalSpecs(t *testing.T) {
	for text, want := range map[string]string{
		``:                              `{}`,
		`null`:                          `{}`,
		` { } `:                         `{}`,
		`{"b": 1, "a": {"d":2,"c":""}}`: `{"a":{"c":"","d":2},"b":1}`,
		`"text"`:                        `"text"`,
		`[1, 2]`:                        `[1, 2]`,
		`{broken`:                       `{broken`,
	} {
		assert.Equal(t, want, desired.CanonicalSpecs([]byte(text)), text)
	}
}

func TestJoinLabels(t *testing.T) {
	for _, row := range []struct {
		labels []string
		want   string
	}{
		{nil, ""},
		{[]string{"x64"}, "x64"},
		{[]string{"x64", "Noble", "GPU"}, "GPU,Noble,x64"},
		{[]string{"GPU", "x64", "Noble"}, "GPU,Noble,x64"},
		{[]string{"x64", "x64"}, "x64"},
	} {
		assert.Equal(t, row.want, desired.JoinLabels(row.labels))
	}
	assert.Regexp(t, `^(?i:a),b$`, desired.JoinLabels([]string{"A", "b", "a"}), "GARM takes labels that differ in case only for one")
	assert.Equal(t, []string{"a", "b"}, desired.ScaleSet{Labels: "a,b"}.LabelList())
}

func TestEntityRefFoldsCase(t *testing.T) {
	ref := desired.NewEntityRef(desired.KindRepository, "Acme/Widgets", "github.com")
	assert.Equal(t, desired.NewEntityRef(desired.KindRepository, "acme/widgets", "github.com"), ref)
	assert.Equal(t, "repository acme/widgets", ref.String())
	assert.Equal(t, "scale set Small of repository acme/widgets", desired.ScaleSetKey{Entity: ref, Name: "Small"}.String())
}

func TestBlocksCarryEveryOption(t *testing.T) {
	full := runnerconfig.Options{
		DockerHubMirror: "https://mirror", RunnerHTTPProxy: "http://proxy:3128", OTelCollectorEndpoint: "http://otel:4317", PreJobScript: "true",
		AproxyExcludeAddresses: runnerconfig.List{"10.0.0.0/8", "192.0.2.7"}, AproxyRedirectPorts: runnerconfig.List{"80", "443"},
	}
	blocks := desired.Blocks(full)
	assert.Equal(t, "https://mirror http://proxy:3128 10.0.0.0/8,192.0.2.7 80,443 http://otel:4317 true",
		blocks.DockerHubMirror+" "+blocks.RunnerHTTPProxy+" "+blocks.AproxyExcludeAddresses+" "+blocks.AproxyRedirectPorts+" "+
			blocks.OTelCollectorEndpoint+" "+blocks.PreJobScript)
	assert.True(t, desired.Blocks(runnerconfig.Options{}).IsZero())
}

func TestFind(t *testing.T) {
	set := func(name, entity string) desired.ScaleSet {
		return desired.ScaleSet{ScaleSetKey: desired.ScaleSetKey{Name: name, Entity: desired.NewEntityRef(desired.KindOrganization, entity, "github.com")}}
	}
	s := desired.State{ScaleSets: []desired.ScaleSet{set("small", "acme"), set("small", "other"), set("large", "acme")}}
	assert.Equal(t, s.ScaleSets[:2], s.Find("small", ""))
	assert.Equal(t, s.ScaleSets[:1], s.Find("small", "Acme"))
	assert.Equal(t, s.ScaleSets[2:], s.Find("large", ""))
	assert.Empty(t, s.Find("large", "other"))
	assert.Empty(t, s.Find("", ""))

	theirs := set("small", "acme")
	theirs.Entity.Kind = desired.KindEnterprise
	s.ScaleSets = append(s.ScaleSets, theirs)
	assert.Len(t, s.Find("small", "acme"), 2)
	assert.Equal(t, s.ScaleSets[3:], s.Find("small", "Enterprise acme"))
}
