package state

import (
	"time"

	"github.com/juju/errors"
	"github.com/juju/juju/core/life"
	"github.com/juju/juju/core/secrets"
	"github.com/juju/names/v5"
)

// Secret is a secret with its revisions, permissions and consumers.
type Secret struct {
	URI         *secrets.URI
	Owner       names.Tag // a unit, an application, or the model for a user's secret
	Label       string    // the owner's; a user secret's name
	Description string
	Rotate      secrets.RotatePolicy
	Latest      int
	Revisions   map[int]*Revision

	model     *Model
	grants    map[string]*grant    // by the subject's tag
	consumers map[string]*Consumer // by the consumer's tag
}

// Revision is one content of a secret.
type Revision struct {
	Data    secrets.SecretData // values in base64
	Expires *time.Time
	Created time.Time
	// Obsolete is set once nobody tracks the revision any more and a later one exists.
	Obsolete bool
}

type grant struct {
	scope string
	role  secrets.SecretRole
}

// Consumer is a unit that has read a secret.
type Consumer struct {
	Label   string
	Current int // the revision that it tracks
	Latest  int // the latest that it was told of
}

// SecretChange is what to change of a secret; nil fields stay.
type SecretChange struct {
	Label       *string
	Description *string
	Rotate      *secrets.RotatePolicy
	Expires     *time.Time
	Data        secrets.SecretData
}

// Secret finds a secret by its URI.
func (m *Model) Secret(uri *secrets.URI) (*Secret, error) {
	if s, ok := m.Secrets[uri.ID]; ok {
		return s, nil
	}
	return nil, errors.NotFoundf("secret %q", uri.String())
}

// OwnedSecrets lists the secrets of some owners, by URI.
func (m *Model) OwnedSecrets(owners ...names.Tag) []*Secret {
	var found []*Secret
	for _, id := range sortedKeys(m.Secrets) {
		for _, owner := range owners {
			if m.Secrets[id].Owner == owner {
				found = append(found, m.Secrets[id])
			}
		}
	}
	return found
}

// CreateSecret adds a secret; its owner may manage it.
func (m *Model) CreateSecret(uri *secrets.URI, owner names.Tag, c SecretChange) (*Secret, error) {
	if len(c.Data) == 0 {
		return nil, errors.New("cannot create a secret without content")
	}
	if alive, err := m.alive(owner); err != nil {
		return nil, errors.Annotate(err, "invalid owner reference")
	} else if !alive {
		return nil, errors.Errorf("cannot create secret for owner %q which is not alive", owner)
	}
	if c.Label != nil {
		if err := m.checkOwnerLabel(owner, *c.Label); err != nil {
			return nil, err
		}
	}
	s := &Secret{
		URI: &secrets.URI{ID: uri.ID}, Owner: owner, Rotate: secrets.RotateNever, model: m,
		Revisions: map[int]*Revision{}, consumers: map[string]*Consumer{},
		grants: map[string]*grant{owner.String(): {scope: owner.String(), role: secrets.RoleManage}},
	}
	m.Secrets[uri.ID] = s
	return s, s.apply(c)
}

// Update changes a secret; new content makes a revision, unless it is what the latest one holds (Juju 3.6).
func (s *Secret) Update(c SecretChange) error {
	if c.Label != nil && *c.Label != s.Label {
		if err := s.model.checkOwnerLabel(s.Owner, *c.Label); err != nil {
			return err
		}
	}
	if len(c.Data) > 0 && sameData(s.Revisions[s.Latest], c.Data) {
		c.Data = nil
	}
	return s.apply(c)
}

func sameData(r *Revision, data secrets.SecretData) bool {
	if r == nil || len(r.Data) != len(data) {
		return false
	}
	for k, v := range data {
		if r.Data[k] != v {
			return false
		}
	}
	return true
}

func (s *Secret) apply(c SecretChange) error {
	if c.Label != nil {
		s.Label = *c.Label
	}
	if c.Description != nil {
		s.Description = *c.Description
	}
	if c.Rotate != nil {
		s.Rotate = *c.Rotate
	}
	if len(c.Data) == 0 {
		if c.Expires != nil && s.Revisions[s.Latest] != nil {
			s.Revisions[s.Latest].Expires = expiry(c.Expires)
		}
		return nil
	}
	s.Latest++
	s.Revisions[s.Latest] = &Revision{Data: c.Data, Expires: expiry(c.Expires), Created: time.Now()}
	for _, consumer := range s.consumers {
		consumer.Latest = s.Latest
	}
	s.markObsolete()
	return nil
}

func expiry(t *time.Time) *time.Time {
	if t == nil || t.IsZero() {
		return nil
	}
	return t
}

// markObsolete marks the revisions that nobody tracks; the latest never is.
func (s *Secret) markObsolete() {
	tracked := map[int]bool{s.Latest: true}
	for _, c := range s.consumers {
		tracked[c.Current] = true
	}
	for n, r := range s.Revisions {
		if !tracked[n] {
			r.Obsolete = true
		}
	}
}

// Value is the content of a revision.
func (s *Secret) Value(revision int) (secrets.SecretData, error) {
	if r := s.Revisions[revision]; r != nil {
		return r.Data, nil
	}
	return nil, errors.NotFoundf("secret revision %q", s.URI.Name(revision))
}

// Remove deletes revisions, or the secret when no revision is left or none is named.
func (s *Secret) Remove(revisions ...int) {
	for _, n := range revisions {
		delete(s.Revisions, n)
	}
	if len(revisions) == 0 || len(s.Revisions) == 0 {
		delete(s.model.Secrets, s.URI.ID)
	}
}

func (m *Model) alive(tag names.Tag) (bool, error) {
	switch t := tag.(type) {
	case names.ModelTag:
		return true, nil
	case names.ApplicationTag:
		a, err := m.Application(t.Id())
		return err == nil && a.Life == life.Alive, err
	case names.UnitTag:
		u, err := m.Unit(t.Id())
		return err == nil && u.Life == life.Alive, err
	case names.RelationTag:
		r, err := m.RelationByKey(t.Id())
		return err == nil && r.Life == life.Alive, err
	}
	return false, errors.NotValidf("secret scope reference %q", tag)
}

// forget drops what belongs to an owner or consumer that is gone.
func (m *Model) forget(tag string) {
	for id, s := range m.Secrets {
		if s.Owner.String() == tag {
			delete(m.Secrets, id)
			continue
		}
		delete(s.grants, tag)
		s.dropScope(tag)
		delete(s.consumers, tag)
	}
}
