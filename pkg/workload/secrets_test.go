package workload_test

import (
	"testing"

	"github.com/nbutton23/zxcvbn-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/secret"
	"github.com/garm-charms/garm-charms/pkg/workload"
)

func TestGARMAcceptsGeneratedSecrets(t *testing.T) {
	t.Parallel()
	for name, generate := range map[string]func() secret.Value{
		"passphrase": workload.NewPassphrase, "JWT secret": workload.NewJWTSecret, "password": workload.NewAdminPassword,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := map[string]bool{}
			for range 1000 {
				text := generate().Reveal()
				// GARM's own check: config/config.go, auth/auth.go.
				require.Equal(t, 4, zxcvbn.PasswordStrength(text, nil).Score)
				seen[text] = true
			}
			assert.Len(t, seen, 1000)
		})
	}
	assert.Len(t, workload.NewPassphrase().Reveal(), 32)
}
