package runnerconfig

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"

	"github.com/garm-charms/garm-charms/pkg/secret"
)

// PKCS1 returns a GitHub App's private key in the one form that GARM takes (GARM config, GithubApp; PKCS#8 is answered with
// a bare 500), or what is wrong with it, to follow the name of its option. What is wrong never quotes the key.
func PKCS1(key secret.Value) (converted secret.Value, problem string) {
	const noKey = "is not an RSA private key in PEM; download it again from the App's settings on GitHub"
	block, _ := pem.Decode([]byte(key.Reveal()))
	if block == nil {
		return secret.Value{}, noKey
	}
	parsed, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		other, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return secret.Value{}, noKey
		}
		rsaKey, isRSA := other.(*rsa.PrivateKey)
		if !isRSA {
			return secret.Value{}, noKey
		}
		parsed = rsaKey
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(parsed)})
	return secret.New(string(text)), ""
}
