package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/garm-charms/garm-charms/pkg/secret"
)

const text = "hunter2"

type login struct {
	Password secret.Value            `json:"password" yaml:"password"`
	Pointer  *secret.Value           `json:"pointer" yaml:"pointer"`
	ByName   map[string]secret.Value `json:"byName" yaml:"byName"`
	hidden   secret.Value
}

func newLogin() login {
	value := secret.New(text)
	return login{Password: value, Pointer: &value, ByName: map[string]secret.Value{"a": value}, hidden: value}
}

func TestValueIsNeverPrinted(t *testing.T) {
	holder := newLogin()
	require.False(t, holder.hidden.Empty())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.3s", "%T"} {
		for name, value := range map[string]any{
			"value": holder.Password, "pointer": holder.Pointer, "struct": holder, "struct pointer": &holder, "slice": []any{holder},
		} {
			printed := fmt.Sprintf(verb, value)
			assert.NotContains(t, printed, text, "%s printed with %s", name, verb)
			assert.NotContains(t, printed, fmt.Sprintf("%x", text), "%s printed with %s", name, verb)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		assert.Equal(t, "[redacted]", fmt.Sprintf(verb, holder.Password), verb)
	}
}

func TestValueIsNeverEncoded(t *testing.T) {
	asJSON, err := json.Marshal(newLogin())
	require.NoError(t, err)
	asYAML, err := yaml.Marshal(newLogin())
	require.NoError(t, err)

	assert.JSONEq(t, `{"password":"[redacted]","pointer":"[redacted]","byName":{"a":"[redacted]"}}`, string(asJSON))
	assert.Contains(t, string(asYAML), "[redacted]")
	assert.NotContains(t, string(asYAML), text)
}

func TestValueIsNeverLogged(t *testing.T) {
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("login", "value", secret.New(text), "holder", newLogin())
	}
	assert.Contains(t, out.String(), "[redacted]")
	assert.NotContains(t, out.String(), text)
}

func TestReveal(t *testing.T) {
	assert.Equal(t, text, secret.New(text).Reveal())
	assert.Empty(t, secret.Value{}.Reveal())
}

func TestEquality(t *testing.T) {
	seen := map[secret.Value]string{secret.New(text): "text", {}: "empty"}
	assert.Equal(t, "text", seen[secret.New("hunter"+fmt.Sprint(2))])
	assert.Equal(t, "empty", seen[secret.New("")])
	assert.NotContains(t, seen, secret.New("other"))
	assert.True(t, secret.New("").Empty())
	assert.Empty(t, secret.New("").String())
}
