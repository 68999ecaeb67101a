package garm

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"golang.org/x/sync/errgroup"

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

// secrets returns GARM's secrets; who may makes those that are missing. The error is hook.ErrSecretNotFound for
// another unit that is there first.
func (c charm) secrets(ctx context.Context, mayMake func(context.Context) (bool, error)) (keys, error) {
	var made, admin hook.SecretContent
	var reads errgroup.Group
	reads.Go(func() (err error) {
		made, err = c.secret(ctx, keysLabel, mayMake, func() hook.SecretContent {
			return hook.SecretContent{"jwt-secret": workload.NewJWTSecret(), "db-passphrase": workload.NewPassphrase()}
		})
		return err
	})
	reads.Go(func() (err error) {
		admin, err = c.secret(ctx, adminLabel, mayMake, func() hook.SecretContent {
			return hook.SecretContent{
				"username":  secret.New("admin"),
				"password":  workload.NewAdminPassword(),
				"email":     secret.New("admin@garm.local"),
				"full-name": secret.New("GARM Admin"),
			}
		})
		return err
	})
	err := reads.Wait()
	return keys{jwtSecret: made["jwt-secret"], dbPassphrase: made["db-passphrase"], admin: adminOf(admin)}, err
}

// secret returns an application's secret with all the keys that fresh makes. The leader makes those that are missing, and
// never others: a hook of an earlier charm may have made a part of them.
func (c charm) secret(ctx context.Context, label string, mayMake func(context.Context) (bool, error), fresh func() hook.SecretContent) (hook.SecretContent, error) {
	found, err := c.tools.SecretByLabel(ctx, label, hook.Peek)
	absent := errors.Is(err, hook.ErrSecretNotFound)
	if err != nil && !absent {
		return nil, err
	}
	content := completed(found, fresh())
	if maps.Equal(content, found) {
		return content, nil
	}
	leader, err := mayMake(ctx)
	switch {
	case err != nil:
		return nil, err
	case !leader:
		return nil, fmt.Errorf("cannot use secret %s before the leader has completed it: %w", label, hook.ErrSecretNotFound)
	case absent:
		_, err := c.tools.AddSecret(ctx, label, content)
		return content, err
	}
	info, err := c.tools.SecretInfo(ctx, label)
	if err != nil {
		return nil, err
	}
	c.log.InfoContext(ctx, "complete the secret "+label)
	return content, c.tools.SetSecret(ctx, info.URI, content)
}

// completed is content with what it lacks of fresh.
func completed(content, fresh hook.SecretContent) hook.SecretContent {
	all := maps.Clone(fresh)
	for key, value := range content {
		if !value.Empty() {
			all[key] = value
		}
	}
	return all
}

func adminOf(content hook.SecretContent) garmapi.Admin {
	return garmapi.Admin{
		Username: content["username"].Reveal(),
		Password: content["password"],
		Email:    content["email"].Reveal(),
		FullName: content["full-name"].Reveal(),
	}
}
