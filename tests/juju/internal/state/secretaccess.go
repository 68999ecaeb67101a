package state

import (
	"strings"

	"github.com/juju/errors"
	"github.com/juju/juju/core/secrets"
	"github.com/juju/names/v5"
)

// LabelExists says that a label is taken.
const LabelExists = errors.ConstError("label exists")

func dashed(unit string) string { return strings.ReplaceAll(unit, "/", "-") }

// Grant lets subject read (or manage) the secret for as long as scope lives (state/secrets.go, GrantSecretAccess).
func (s *Secret) Grant(subject, scope names.Tag, role secrets.SecretRole) error {
	for what, tag := range map[string]names.Tag{"scope": scope, "subject": subject} {
		alive, err := s.model.alive(tag)
		if err != nil {
			return errors.Annotatef(err, "invalid %s reference", what)
		}
		if !alive {
			return errors.Errorf("cannot grant access to secret: %s %q is not alive", what, tag)
		}
	}
	old := s.grants[subject.String()]
	if old != nil && old.scope != scope.String() {
		return errors.New("cannot change secret permission scope")
	}
	s.grants[subject.String()] = &grant{scope: scope.String(), role: role}
	return nil
}

// Revoke takes back what was granted to subject.
func (s *Secret) Revoke(subject names.Tag) { delete(s.grants, subject.String()) }

func (s *Secret) dropScope(scope string) {
	for subject, g := range s.grants {
		if g.scope == scope {
			delete(s.grants, subject)
		}
	}
}

// Access is what subject itself was granted.
func (s *Secret) Access(subject names.Tag) secrets.SecretRole {
	if g := s.grants[subject.String()]; g != nil {
		return g.role
	}
	return secrets.RoleNone
}

// Access is one grant of a secret.
type Access struct {
	Subject, Scope string
	Role           secrets.SecretRole
}

// Grants lists who may read or manage the secret.
func (s *Secret) Grants() []Access {
	var all []Access
	for _, subject := range sortedKeys(s.grants) {
		all = append(all, Access{Subject: subject, Scope: s.grants[subject].scope, Role: s.grants[subject].role})
	}
	return all
}

// CanRead says whether a unit may read the secret: by itself or as one of its application.
func (s *Secret) CanRead(u *Unit) bool {
	return s.Access(names.NewUnitTag(u.Name)).Allowed(secrets.RoleView) ||
		s.Access(names.NewApplicationTag(u.App.Name)).Allowed(secrets.RoleView)
}

// Consumer is what the unit tracks, nil when it never read the secret.
func (s *Secret) Consumer(u *Unit) *Consumer { return s.consumers[names.NewUnitTag(u.Name).String()] }

// Consume gives the revision that the unit reads, and remembers what it tracks: on the first read and with refresh
// the latest one; peek reads the latest without tracking it.
func (s *Secret) Consume(u *Unit, refresh, peek bool, label *string) (int, error) {
	c := s.Consumer(u)
	if c == nil || refresh || label != nil {
		var err error
		if c, err = s.track(u, c, label, c == nil || refresh); err != nil {
			return 0, err
		}
	}
	if peek {
		return s.Latest, nil
	}
	return c.Current, nil
}

func (s *Secret) track(u *Unit, known *Consumer, label *string, latest bool) (*Consumer, error) {
	c := &Consumer{}
	if known != nil {
		*c = *known
	}
	if latest {
		c.Current, c.Latest = s.Latest, s.Latest
	}
	if label != nil && *label != c.Label {
		if err := s.model.checkConsumerLabel(u, *label); err != nil {
			return nil, err
		}
		c.Label = *label
	}
	s.consumers[names.NewUnitTag(u.Name).String()] = c
	s.markObsolete()
	return c, nil
}

// ConsumedSecrets lists the secrets that the unit has read.
func (m *Model) ConsumedSecrets(u *Unit) []*Secret {
	var found []*Secret
	for _, id := range sortedKeys(m.Secrets) {
		if m.Secrets[id].Consumer(u) != nil {
			found = append(found, m.Secrets[id])
		}
	}
	return found
}

// checkOwnerLabel follows state/secrets.go: a label is unique for its owner, and between an application and its units.
func (m *Model) checkOwnerLabel(owner names.Tag, label string) error {
	if label == "" {
		return nil
	}
	for _, s := range m.Secrets {
		if s.Label == label && related(s.Owner.String(), owner.String()) {
			return taken(label)
		}
		for tag, c := range s.consumers {
			if c.Label == label && related(tag, owner.String()) {
				return taken(label)
			}
		}
	}
	return nil
}

func (m *Model) checkConsumerLabel(u *Unit, label string) error {
	return m.checkOwnerLabel(names.NewUnitTag(u.Name), label)
}

func taken(label string) error {
	return errors.WithType(errors.Errorf("secret with label %q already exists", label), LabelExists)
}

// related says whether two owners are the same, or an application and one of its units.
func related(a, b string) bool {
	return a == b || unitOf(a, b) || unitOf(b, a)
}

func unitOf(unit, application string) bool {
	tag, err := names.ParseUnitTag(unit)
	if err != nil {
		return false
	}
	name, err := names.UnitApplication(tag.Id())
	return err == nil && application == names.NewApplicationTag(name).String()
}
