package api

import (
	"github.com/juju/errors"
	apiservererrors "github.com/juju/juju/apiserver/errors"
	"github.com/juju/juju/core/secrets"
	"github.com/juju/juju/rpc/params"
	"github.com/juju/names/v5"

	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
)

// SecretsManager is the facade of the hook tools for secrets (apiserver/facades/agent/secretsmanager, version 2).
type SecretsManager struct {
	s *Session
}

// backend is the id and the kind of the only place of secrets, the controller itself (secrets/provider/juju).
const backend = "controller"

// GetSecretBackendConfigs names the place where secrets are kept.
func (f *SecretsManager) GetSecretBackendConfigs(params.SecretBackendArgs) (params.SecretBackendConfigResults, error) {
	return params.SecretBackendConfigResults{
		ActiveID: backend,
		Results: map[string]params.SecretBackendConfigResult{backend: {
			ModelUUID: f.s.model.UUID,
			ModelName: f.s.model.Name,
			Config:    params.SecretBackendConfig{BackendType: backend},
		}},
	}, nil
}

// CreateSecretURIs makes up URIs for secret-add.
func (f *SecretsManager) CreateSecretURIs(arg params.CreateSecretURIsArg) (params.StringResults, error) {
	if arg.Count <= 0 {
		return params.StringResults{}, errors.NotValidf("secret URI count %d", arg.Count)
	}
	var result params.StringResults
	for range arg.Count {
		uri := secrets.NewURI().WithSource(f.s.model.UUID)
		result.Results = append(result.Results, params.StringResult{Result: uri.String()})
	}
	return result, nil
}

// GetSecretMetadata lists the secrets that the unit owns, and as leader those of its application.
func (f *SecretsManager) GetSecretMetadata() (params.ListSecretResults, error) {
	var result params.ListSecretResults
	var err error
	f.s.model.View(func() {
		var u *state.Unit
		if u, err = f.s.own(f.s.unit.String()); err != nil {
			return
		}
		owners := []names.Tag{f.s.unit}
		if u.IsLeader() {
			owners = append(owners, names.NewApplicationTag(u.App.Name))
		}
		for _, s := range f.s.model.OwnedSecrets(owners...) {
			result.Results = append(result.Results, metadata(s))
		}
	})
	return result, err
}

func metadata(s *state.Secret) params.ListSecretResult {
	m := params.ListSecretResult{
		URI: s.URI.String(), Version: 1, OwnerTag: s.Owner.String(), RotatePolicy: s.Rotate.String(),
		Description: s.Description, Label: s.Label, LatestRevision: s.Latest,
	}
	for _, g := range s.Grants() {
		if g.Role == secrets.RoleView {
			m.Access = append(m.Access, params.AccessInfo{TargetTag: g.Subject, ScopeTag: g.Scope, Role: g.Role})
		}
	}
	for _, n := range sorted(s.Revisions) {
		m.Revisions = append(m.Revisions, params.SecretRevision{Revision: n})
		m.LatestExpireTime = s.Revisions[n].Expires
	}
	return m
}

// manage finds a secret that the unit may manage: its own, or its application's when it leads.
func (f *SecretsManager) manage(text string) (*state.Secret, error) {
	uri, err := secrets.ParseURI(text)
	if err != nil {
		return nil, err
	}
	s, err := f.s.model.Secret(uri)
	if err != nil {
		return nil, err
	}
	u, err := f.s.own(f.s.unit.String())
	if err != nil {
		return nil, err
	}
	switch {
	case s.Access(f.s.unit).Allowed(secrets.RoleManage):
		return s, nil
	case !s.Access(names.NewApplicationTag(u.App.Name)).Allowed(secrets.RoleManage):
		return nil, apiservererrors.ErrPerm
	case !u.IsLeader():
		return nil, notLeader(u)
	}
	return s, nil
}

func (f *SecretsManager) create(arg params.CreateSecretArg) error {
	if len(arg.Content.Data) == 0 {
		return errors.NotValidf("empty secret value")
	}
	owner, err := names.ParseTag(arg.OwnerTag)
	if err != nil {
		return err
	}
	u, err := f.s.own(f.s.unit.String())
	if err != nil {
		return err
	}
	switch owner {
	case names.NewApplicationTag(u.App.Name):
		if !u.IsLeader() {
			return notLeader(u)
		}
	case f.s.unit:
	default:
		return apiservererrors.ErrPerm
	}
	uri := secrets.NewURI()
	if arg.URI != nil {
		if uri, err = secrets.ParseURI(*arg.URI); err != nil {
			return err
		}
	}
	_, err = f.s.model.CreateSecret(uri, owner, change(arg.UpsertSecretArg))
	return labelled(err, arg.Label)
}

func labelled(err error, label *string) error {
	if errors.Is(err, state.LabelExists) {
		return errors.AlreadyExistsf("secret with label %q", *label)
	}
	return err
}

func change(arg params.UpsertSecretArg) state.SecretChange {
	return state.SecretChange{
		Label: arg.Label, Description: arg.Description, Rotate: arg.RotatePolicy,
		Expires: arg.ExpireTime, Data: secrets.SecretData(arg.Content.Data),
	}
}

func (f *SecretsManager) update(arg params.UpdateSecretArg) error {
	if arg.RotatePolicy == nil && arg.Description == nil && arg.ExpireTime == nil && arg.Label == nil &&
		len(arg.Content.Data) == 0 {
		return errors.New("at least one attribute to update must be specified")
	}
	s, err := f.manage(arg.URI)
	if err != nil {
		return err
	}
	return labelled(s.Update(change(arg.UpsertSecretArg)), arg.Label)
}

func (f *SecretsManager) track(text string) error {
	uri, err := secrets.ParseURI(text)
	if err != nil {
		return err
	}
	s, err := f.s.model.Secret(uri)
	if err != nil {
		return err
	}
	u, err := f.s.own(f.s.unit.String())
	if err != nil {
		return err
	}
	_, err = s.Consume(u, true, false, nil)
	return err
}

func (f *SecretsManager) grant(arg params.GrantRevokeSecretArg) error {
	return f.access(arg, func(s *state.Secret, subject names.Tag) error {
		scope := subject
		if arg.ScopeTag != "" {
			var err error
			if scope, err = names.ParseTag(arg.ScopeTag); err != nil {
				return err
			}
		}
		return s.Grant(subject, scope, secrets.SecretRole(arg.Role))
	})
}

func (f *SecretsManager) revoke(arg params.GrantRevokeSecretArg) error {
	return f.access(arg, func(s *state.Secret, subject names.Tag) error {
		s.Revoke(subject)
		return nil
	})
}

func (f *SecretsManager) access(arg params.GrantRevokeSecretArg, do func(*state.Secret, names.Tag) error) error {
	if role := secrets.SecretRole(arg.Role); role != "" && !role.IsValid() {
		return errors.NotValidf("secret role %q", arg.Role)
	}
	s, err := f.manage(arg.URI)
	if err != nil {
		return err
	}
	for _, text := range arg.SubjectTags {
		subject, err := names.ParseTag(text)
		if err != nil {
			return err
		}
		if err := do(s, subject); err != nil {
			return errors.Annotatef(err, "cannot change access to %q for %q", arg.URI, text)
		}
	}
	return nil
}

func (f *SecretsManager) remove(arg params.DeleteSecretArg) error {
	s, err := f.manage(arg.URI)
	if err == nil {
		s.Remove(arg.Revisions...)
	}
	return err
}

// GetSecretContentInfo is secret-get: not buffered, it moves what the unit tracks at once.
func (f *SecretsManager) GetSecretContentInfo(args params.GetSecretContentArgs) (params.SecretContentResults, error) {
	return params.SecretContentResults{Results: bulk(f.s, true, args.Args,
		func(a params.GetSecretContentArg) params.SecretContentResult {
			data, err := f.content(a)
			if err != nil {
				return params.SecretContentResult{Error: fault(err)}
			}
			return params.SecretContentResult{Content: params.SecretContentParams{Data: data}}
		})}, nil
}

func (f *SecretsManager) content(arg params.GetSecretContentArg) (secrets.SecretData, error) {
	if arg.URI == "" && arg.Label == "" {
		return nil, errors.NewNotValid(nil, "both uri and label are empty")
	}
	u, err := f.s.own(f.s.unit.String())
	if err != nil {
		return nil, err
	}
	s, label, err := f.lookUp(u, arg)
	if err != nil {
		return nil, err
	}
	if !s.CanRead(u) {
		return nil, apiservererrors.ErrPerm
	}
	revision, err := s.Consume(u, arg.Refresh, arg.Peek, label)
	if err != nil {
		return nil, errors.Annotate(err, "getting latest secret revision")
	}
	return s.Value(revision)
}

// lookUp finds the secret that secret-get means, and the label under which the unit wants to know it from now on.
func (f *SecretsManager) lookUp(u *state.Unit, arg params.GetSecretContentArg) (*state.Secret, *string, error) {
	if arg.URI == "" {
		s, err := f.byLabel(u, arg.Label)
		return s, nil, err
	}
	uri, err := secrets.ParseURI(arg.URI)
	if err != nil {
		return nil, nil, err
	}
	s, err := f.s.model.Secret(uri)
	if err != nil || arg.Label == "" {
		return s, nil, err
	}
	owned := s.Owner == f.s.unit || s.Owner == names.NewApplicationTag(u.App.Name)
	if !owned {
		return s, &arg.Label, nil
	}
	if arg.Label == s.Label {
		return s, nil, nil
	}
	if s.Owner != f.s.unit && !u.IsLeader() {
		return s, &arg.Label, nil
	}
	// The owner's label is the secret's own.
	return s, nil, labelled(s.Update(state.SecretChange{Label: &arg.Label}), &arg.Label)
}

func (f *SecretsManager) byLabel(u *state.Unit, label string) (*state.Secret, error) {
	for _, s := range f.s.model.OwnedSecrets(f.s.unit, names.NewApplicationTag(u.App.Name)) {
		if s.Label == label {
			return s, nil
		}
	}
	for _, s := range f.s.model.ConsumedSecrets(u) {
		if s.Consumer(u).Label == label {
			return s, nil
		}
	}
	return nil, errors.NotFoundf("consumer label %q", label)
}

// GetSecretRevisionContentInfo gives revisions to those who manage the secret.
func (f *SecretsManager) GetSecretRevisionContentInfo(arg params.SecretRevisionArg) (params.SecretContentResults, error) {
	var s *state.Secret
	var err error
	f.s.model.View(func() { s, err = f.manage(arg.URI) })
	if err != nil {
		return params.SecretContentResults{}, err
	}
	return params.SecretContentResults{Results: bulk(f.s, false, arg.Revisions, func(n int) params.SecretContentResult {
		data, err := s.Value(n)
		if err != nil {
			return params.SecretContentResult{Error: fault(err)}
		}
		return params.SecretContentResult{Content: params.SecretContentParams{Data: data}}
	})}, nil
}
