package runnerconfig_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pemOf("PRIVATE KEY", der)
}

func TestPKCS1(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	elliptical, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	plain := pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))

	for summary, text := range map[string]string{
		"PKCS#1":                    plain,
		"PKCS#8":                    pkcs8(t, key),
		"with text about it":        "the key of App 42\n" + plain + "\n\n",
		"with line ends of Windows": strings.ReplaceAll(plain, "\n", "\r\n"),
		"without newline at end":    strings.TrimSpace(plain),
	} {
		converted, problem := runnerconfig.PKCS1(secret.New(text))
		assert.Empty(t, problem, summary)
		assert.Equal(t, plain, converted.Reveal(), summary)
	}
	for summary, text := range map[string]string{
		"nothing":       "",
		"no PEM":        "hunter2-hunter2",
		"cut off":       plain[:len(plain)/2],
		"public key":    pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&key.PublicKey)),
		"elliptic":      pkcs8(t, elliptical),
		"other content": pemOf("RSA PRIVATE KEY", []byte("hunter2-hunter2")),
	} {
		converted, problem := runnerconfig.PKCS1(secret.New(text))
		assert.Equal(t, "is not an RSA private key in PEM; download it again from the App's settings on GitHub", problem, summary)
		assert.True(t, converted.Empty(), summary)
	}
}
