package garm

import (
	"context"
	"errors"

	"github.com/garm-charms/garm-charms/pkg/garmapi"
	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/secret"
	"github.com/garm-charms/garm-charms/pkg/workload"
)

// Labels and keys of the application's secrets. They are those of the Python charm, whose secrets are taken over.
const (
	keysLabel  = "garm-secrets"
	adminLabel = "garm-admin-credentials"
)

// keys are GARM's secrets. They are never made anew: the passphrase encrypts GARM's database, and the JWT secret signs the
// tokens of runners that are still booting.
type keys struct {
	jwtSecret    secret.Value
	dbPassphrase secret.Value
	admin        garmapi.Admin
}

// secrets returns GARM's secrets; the leader makes those that are missing. The error is hook.ErrSecretNotFound for
// another unit that is there first.
func (c charm) secrets(ctx context.Context, leader bool) (keys, error) {
	made, err := c.secret(ctx, keysLabel, leader, func() hook.SecretContent {
		return hook.SecretContent{"jwt-secret": workload.NewJWTSecret(), "db-passphrase": workload.NewPassphrase()}
	})
	if err != nil {
		return keys{}, err
	}
	admin, err := c.secret(ctx, adminLabel, leader, func() hook.SecretContent {
		return hook.SecretContent{
			"username":  secret.New("admin"),
			"password":  workload.NewAdminPassword(),
			"email":     secret.New("admin@garm.local"),
			"full-name": secret.New("GARM Admin"),
		}
	})
	return keys{jwtSecret: made["jwt-secret"], dbPassphrase: made["db-passphrase"], admin: adminOf(admin)}, err
}

func (c charm) secret(ctx context.Context, label string, leader bool, content func() hook.SecretContent) (hook.SecretContent, error) {
	found, err := c.tools.SecretByLabel(ctx, label, hook.Peek)
	if !errors.Is(err, hook.ErrSecretNotFound) || !leader {
		return found, err
	}
	made := content()
	_, err = c.tools.AddSecret(ctx, label, made)
	return made, err
}

func adminOf(content hook.SecretContent) garmapi.Admin {
	return garmapi.Admin{
		Username: content["username"].Reveal(),
		Password: content["password"],
		Email:    content["email"].Reveal(),
		FullName: content["full-name"].Reveal(),
	}
}
