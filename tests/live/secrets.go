package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	apisecrets "github.com/juju/juju/api/client/secrets"
	"github.com/juju/juju/core/secrets"
	"github.com/juju/names/v5"

	"github.com/garm-charms/garm-charms/tests/juju"
)

func (m *Model) secrets() *apisecrets.Client { return apisecrets.NewClient(m.conn) }

// reference is a secret by its URI, or a user's secret by its name.
func reference(ref string) (uri *secrets.URI, name string, err error) {
	if !strings.HasPrefix(ref, "secret:") {
		return nil, ref, nil
	}
	uri, err = secrets.ParseURI(ref)
	return uri, "", err
}

func encode(content map[string]string) (secrets.SecretData, error) {
	var args []string
	for _, key := range slices.Sorted(maps.Keys(content)) {
		args = append(args, key+"="+content[key])
	}
	return secrets.CreateSecretData(args)
}

// AddSecret is juju add-secret; it returns the secret's URI.
func (m *Model) AddSecret(_ context.Context, name string, content map[string]string) (string, error) {
	data, err := encode(content)
	if err != nil {
		return "", fmt.Errorf("cannot add secret %s: %w", name, err)
	}
	uri, err := m.secrets().CreateSecret(name, "", data)
	if err != nil {
		return "", fmt.Errorf("cannot add secret %s: %w", name, err)
	}
	return uri, nil
}

// UpdateSecret is juju update-secret.
func (m *Model) UpdateSecret(_ context.Context, ref string, content map[string]string) error {
	uri, name, err := reference(ref)
	if err != nil {
		return fmt.Errorf("cannot update secret %s: %w", ref, err)
	}
	data, err := encode(content)
	if err == nil {
		err = m.secrets().UpdateSecret(uri, name, nil, "", "", data)
	}
	if err != nil {
		return fmt.Errorf("cannot update secret %s: %w", ref, err)
	}
	return nil
}

// GrantSecret is juju grant-secret.
func (m *Model) GrantSecret(_ context.Context, ref, app string) error {
	return m.access("grant", ref, app, m.secrets().GrantSecret)
}

// RevokeSecret is juju revoke-secret.
func (m *Model) RevokeSecret(_ context.Context, ref, app string) error {
	return m.access("revoke", ref, app, m.secrets().RevokeSecret)
}

func (m *Model) access(what, ref, app string, change func(*secrets.URI, string, []string) ([]error, error)) error {
	uri, name, err := reference(ref)
	if err == nil {
		var results []error
		results, err = change(uri, name, []string{app})
		err = errors.Join(append(results, err)...)
	}
	if err != nil {
		return fmt.Errorf("cannot %s secret %s: %w", what, ref, err)
	}
	return nil
}

// RemoveSecret is juju remove-secret.
func (m *Model) RemoveSecret(_ context.Context, ref string) error {
	uri, name, err := reference(ref)
	if err == nil && uri == nil {
		// This client dereferences the URI, so that of the name is needed.
		uri, err = m.uriOf(name)
	}
	if err == nil {
		err = m.secrets().RemoveSecret(uri, "", nil)
	}
	if err != nil {
		return fmt.Errorf("cannot remove secret %s: %w", ref, err)
	}
	return nil
}

func (m *Model) uriOf(name string) (*secrets.URI, error) {
	found, err := m.secrets().ListSecrets(false, secrets.Filter{Label: &name})
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d secrets are called %s", len(found), name)
	}
	return found[0].Metadata.URI, nil
}

// ShowSecret is juju show-secret.
func (m *Model) ShowSecret(_ context.Context, ref string, reveal bool) (juju.SecretInfo, error) {
	uri, name, err := reference(ref)
	if err != nil {
		return juju.SecretInfo{}, fmt.Errorf("cannot show secret %s: %w", ref, err)
	}
	filter := secrets.Filter{URI: uri}
	if uri == nil {
		filter.Label = &name
	}
	found, err := m.secrets().ListSecrets(reveal, filter)
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%d secrets are meant", len(found))
	}
	if err == nil && found[0].Error != "" {
		err = errors.New(found[0].Error)
	}
	if err != nil {
		return juju.SecretInfo{}, fmt.Errorf("cannot show secret %s: %w", ref, err)
	}
	return m.secretInfo(found[0])
}

func (m *Model) secretInfo(s apisecrets.SecretDetails) (info juju.SecretInfo, err error) {
	info = juju.SecretInfo{URI: s.Metadata.URI.String(), Name: s.Metadata.Label, Revision: s.Metadata.LatestRevision}
	owner, err := names.ParseTag(s.Metadata.OwnerTag)
	if err != nil {
		return info, fmt.Errorf("cannot show secret %s: %w", info.URI, err)
	}
	info.Owner = owner.Id()
	if owner == m.tag {
		info.Owner = m.name
	}
	for _, access := range s.Access {
		if to, err := names.ParseTag(access.Target); err == nil {
			info.Access = append(info.Access, to.Id())
		}
	}
	for _, revision := range s.Revisions {
		info.Revisions = append(info.Revisions, revision.Revision)
	}
	if s.Value != nil {
		info.Content, err = s.Value.Values()
	}
	return info, err
}
