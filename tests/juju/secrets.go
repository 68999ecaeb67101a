package juju

import (
	"context"
	"fmt"
	"strings"

	"github.com/juju/juju/core/secrets"
	"github.com/juju/names/v5"

	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
)

// SecretInfo is what juju show-secret shows.
type SecretInfo struct {
	URI      string // secret:<id>
	Name     string // a user secret's name, else the owner's label
	Owner    string // the model's name, an application or a unit
	Revision int    // the latest
	// Content is the latest revision's, when it was asked for.
	Content map[string]string
	// Access lists the applications and units that may read it.
	Access []string
	// Revisions are all that exist.
	Revisions []int
}

// AddSecret is juju add-secret; it returns the secret's URI.
func (m *Model) AddSecret(_ context.Context, name string, content map[string]string) (string, error) {
	data, err := encode(content)
	if err != nil {
		return "", fmt.Errorf("cannot add secret %s: %w", name, err)
	}
	uri := secrets.NewURI()
	err = m.state.Update(func() error {
		_, err := m.state.CreateSecret(uri, m.tag(), state.SecretChange{Label: &name, Data: data})
		return err
	})
	if err != nil {
		return "", fmt.Errorf("cannot add secret %s: %w", name, err)
	}
	return uri.String(), nil
}

func (m *Model) tag() names.Tag { return names.NewModelTag(m.state.UUID) }

// encode checks keys and sizes as juju add-secret does.
func encode(content map[string]string) (secrets.SecretData, error) {
	var args []string
	for _, key := range sorted(content) {
		args = append(args, key+"="+content[key])
	}
	return secrets.CreateSecretData(args)
}

// userSecret runs f with a user's secret, named or referred to by URI.
func (m *Model) userSecret(ref, what string, f func(*state.Secret) error) error {
	err := m.state.Update(func() error {
		s, err := m.findSecret(ref)
		if err != nil {
			return err
		}
		if s.Owner != m.tag() {
			return fmt.Errorf("secret %q is not a user's", ref)
		}
		return f(s)
	})
	if err != nil {
		return fmt.Errorf("cannot %s secret %s: %w", what, ref, err)
	}
	return nil
}

// findSecret finds a secret by its URI, or a user's secret by its name.
func (m *Model) findSecret(ref string) (*state.Secret, error) {
	if strings.HasPrefix(ref, "secret:") {
		uri, err := secrets.ParseURI(ref)
		if err != nil {
			return nil, err
		}
		return m.state.Secret(uri)
	}
	for _, s := range m.state.OwnedSecrets(m.tag()) {
		if s.Label == ref {
			return s, nil
		}
	}
	return nil, fmt.Errorf("secret %q not found", ref)
}

// UpdateSecret is juju update-secret, by name or URI.
func (m *Model) UpdateSecret(_ context.Context, ref string, content map[string]string) error {
	return m.userSecret(ref, "update", func(s *state.Secret) error {
		data, err := encode(content)
		if err != nil {
			return err
		}
		return s.Update(state.SecretChange{Data: data})
	})
}

// GrantSecret is juju grant-secret, by name or URI.
func (m *Model) GrantSecret(_ context.Context, ref, application string) error {
	return m.userSecret(ref, "grant", func(s *state.Secret) error {
		return s.Grant(names.NewApplicationTag(application), m.tag(), secrets.RoleView)
	})
}

// RevokeSecret is juju revoke-secret, by name or URI.
func (m *Model) RevokeSecret(_ context.Context, ref, application string) error {
	return m.userSecret(ref, "revoke", func(s *state.Secret) error {
		s.Revoke(names.NewApplicationTag(application))
		return nil
	})
}

// RemoveSecret is juju remove-secret, by name or URI.
func (m *Model) RemoveSecret(_ context.Context, ref string) error {
	return m.userSecret(ref, "remove", func(s *state.Secret) error {
		s.Remove()
		return nil
	})
}

// Secrets is juju secrets: all secrets of the model, without their content.
func (m *Model) Secrets(context.Context) ([]SecretInfo, error) {
	var all []SecretInfo
	m.state.View(func() {
		for _, id := range sorted(m.state.Secrets) {
			all = append(all, m.secretInfo(m.state.Secrets[id]))
		}
	})
	return all, nil
}

// ShowSecret is juju show-secret, by name or URI, with --reveal or without.
func (m *Model) ShowSecret(_ context.Context, ref string, reveal bool) (SecretInfo, error) {
	var info SecretInfo
	err := m.view(func() error {
		s, err := m.findSecret(ref)
		if err != nil {
			return err
		}
		info = m.secretInfo(s)
		if !reveal {
			return nil
		}
		data, err := s.Value(s.Latest)
		if err != nil {
			return err
		}
		info.Content, err = secrets.NewSecretValue(data).Values()
		return err
	})
	if err != nil {
		return SecretInfo{}, fmt.Errorf("cannot show secret %s: %w", ref, err)
	}
	return info, nil
}

func (m *Model) secretInfo(s *state.Secret) SecretInfo {
	info := SecretInfo{
		URI: s.URI.String(), Name: s.Label, Owner: s.Owner.Id(), Revision: s.Latest, Revisions: sorted(s.Revisions),
	}
	if s.Owner == m.tag() {
		info.Owner = m.config.Name
	}
	for _, g := range s.Grants() {
		if tag, err := names.ParseTag(g.Subject); err == nil && g.Role == secrets.RoleView {
			info.Access = append(info.Access, tag.Id())
		}
	}
	return info
}
