package garm

import (
	"context"
	"errors"
	"fmt"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/status"
)

func (c charm) act(ctx context.Context) error {
	switch c.env.Event.Name {
	case "get-credentials":
		return c.getCredentials(ctx)
	}
	return fmt.Errorf("cannot run action %s: this charm has none of that name", c.env.Event.Name)
}

func (c charm) getCredentials(ctx context.Context) error {
	content, err := c.tools.SecretByLabel(ctx, adminLabel, hook.Peek)
	if errors.Is(err, hook.ErrSecretNotFound) {
		return c.tools.FailAction(ctx, status.NoCredentials())
	}
	if err != nil {
		return err
	}
	results := map[string]string{}
	for _, key := range []string{"username", "password", "email", "full-name"} {
		results[key] = content[key].Reveal()
	}
	return c.tools.SetActionResults(ctx, results)
}
