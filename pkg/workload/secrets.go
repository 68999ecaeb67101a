package workload

import (
	"crypto/rand"

	"github.com/garm-charms/garm-charms/pkg/secret"
)

// NewPassphrase makes GARM's database passphrase: exactly 32 characters, which GARM's strength check accepts.
func NewPassphrase() secret.Value { return secret.New((rand.Text() + rand.Text())[:passphraseSize]) }

// NewJWTSecret makes the secret that GARM signs its tokens with.
func NewJWTSecret() secret.Value { return secret.New(rand.Text() + rand.Text()) }

// NewAdminPassword makes a password that GARM accepts for its administrator.
func NewAdminPassword() secret.Value { return secret.New(rand.Text()) }
