package bed

import (
	"context"
	"fmt"

	"github.com/garm-charms/garm-charms/tests/provider"
)

// Secret is a value that must not stand in the world's records.
type Secret struct {
	Name  string // what it is
	Value string
	// OnConsole says that GARM's own install script shows it on the runner's console, which only the cloud's owner sees.
	OnConsole bool
}

// Secrets are those that this world has so far.
func (b *Bed) Secrets(ctx context.Context) ([]Secret, error) {
	operators, err := b.Operator.Secrets()
	if err != nil {
		return nil, err
	}
	var secrets []Secret
	for name, value := range operators {
		secrets = append(secrets, Secret{Name: name, Value: value})
	}
	own, err := b.Model.Secrets(ctx)
	if err != nil {
		return nil, err
	}
	for _, known := range own {
		info, err := b.Model.ShowSecret(ctx, known.URI, true)
		if err != nil {
			return nil, err
		}
		for _, name := range []string{"password", "jwt-secret", "db-passphrase"} {
			if value, has := info.Content[name]; has {
				secrets = append(secrets, Secret{Name: "GARM's " + name, Value: value})
			}
		}
	}
	instances, err := b.allInstances()
	if err != nil {
		return nil, err
	}
	for _, instance := range instances {
		token := Secret{Name: "the instance token of " + instance.Name, Value: instance.Bootstrap.InstanceToken, OnConsole: true}
		secrets = append(secrets, token)
	}
	return secrets, nil
}

func (b *Bed) allInstances() ([]provider.Instance, error) {
	live, err := b.Cloud.Instances()
	if err != nil {
		return nil, err
	}
	gone, err := b.Cloud.Deleted()
	if err != nil {
		return nil, fmt.Errorf("cannot list deleted instances: %w", err)
	}
	return append(live, gone...), nil
}
