package apiserver

import (
	"context"
	"encoding/base64"
	"time"

	apiservererrors "github.com/juju/juju/apiserver/errors"
	"github.com/juju/juju/core/secrets"
	"github.com/juju/juju/rpc/params"
	"github.com/juju/names/v5"

	"github.com/garm-charms/garm-charms/tests/juju"
)

// Secrets is the facade of a user's secrets.
type Secrets struct{ s *Server }

// decoded is what a user gave before the client encoded it.
func decoded(content params.SecretContentParams) (map[string]string, error) {
	return secrets.NewSecretValue(content.Data).Values()
}

// CreateSecrets adds secrets.
func (f *Secrets) CreateSecrets(ctx context.Context, args params.CreateSecretArgs) (params.StringResults, error) {
	var results params.StringResults
	for _, arg := range args.Args {
		content, err := decoded(arg.Content)
		var uri string
		if err == nil {
			uri, err = f.s.model.AddSecret(ctx, *arg.Label, content)
		}
		results.Results = append(results.Results, params.StringResult{Result: uri, Error: apiservererrors.ServerError(err)})
	}
	return results, nil
}

// UpdateSecrets makes new revisions.
func (f *Secrets) UpdateSecrets(ctx context.Context, args params.UpdateUserSecretArgs) (params.ErrorResults, error) {
	return errorResults(args.Args, func(arg params.UpdateUserSecretArg) error {
		content, err := decoded(arg.Content)
		if err != nil {
			return err
		}
		return f.s.model.UpdateSecret(ctx, either(arg.URI, arg.ExistingLabel), content)
	}), nil
}

func either(uri, label string) string {
	if uri != "" {
		return uri
	}
	return label
}

// RemoveSecrets removes secrets.
func (f *Secrets) RemoveSecrets(ctx context.Context, args params.DeleteSecretArgs) (params.ErrorResults, error) {
	return errorResults(args.Args, func(arg params.DeleteSecretArg) error {
		return f.s.model.RemoveSecret(ctx, either(arg.URI, arg.Label))
	}), nil
}

// GrantSecret lets applications read a secret.
func (f *Secrets) GrantSecret(ctx context.Context, arg params.GrantRevokeUserSecretArg) (params.ErrorResults, error) {
	return errorResults(arg.Applications, func(app string) error {
		return f.s.model.GrantSecret(ctx, either(arg.URI, arg.Label), app)
	}), nil
}

// RevokeSecret takes that back.
func (f *Secrets) RevokeSecret(ctx context.Context, arg params.GrantRevokeUserSecretArg) (params.ErrorResults, error) {
	return errorResults(arg.Applications, func(app string) error {
		return f.s.model.RevokeSecret(ctx, either(arg.URI, arg.Label), app)
	}), nil
}

// ListSecrets shows the secret that the filter means.
func (f *Secrets) ListSecrets(ctx context.Context, args params.ListSecretsArgs) (params.ListSecretResults, error) {
	ref := ""
	if args.Filter.URI != nil {
		ref = *args.Filter.URI
	} else if args.Filter.Label != nil {
		ref = *args.Filter.Label
	}
	info, err := f.s.model.ShowSecret(ctx, ref, args.ShowSecrets)
	if err != nil {
		return params.ListSecretResults{}, nil //nolint:nilerr // Juju lists none
	}
	return params.ListSecretResults{Results: []params.ListSecretResult{f.result(info)}}, nil
}

func (f *Secrets) result(info juju.SecretInfo) params.ListSecretResult {
	result := params.ListSecretResult{URI: info.URI, Label: info.Name, LatestRevision: info.Revision, OwnerTag: f.owner(info.Owner)}
	for _, app := range info.Access {
		result.Access = append(result.Access, params.AccessInfo{TargetTag: names.NewApplicationTag(app).String(), Role: secrets.RoleView})
	}
	for _, revision := range info.Revisions {
		result.Revisions = append(result.Revisions, params.SecretRevision{Revision: revision, CreateTime: time.Now(), UpdateTime: time.Now()})
	}
	if info.Content != nil {
		data := map[string]string{}
		for key, value := range info.Content {
			data[key] = base64.StdEncoding.EncodeToString([]byte(value))
		}
		result.Value = &params.SecretValueResult{Data: data}
	}
	return result
}

func (f *Secrets) owner(name string) string {
	if names.IsValidUnit(name) {
		return names.NewUnitTag(name).String()
	}
	if name == f.s.model.Name() {
		return names.NewModelTag(f.s.model.UUID()).String()
	}
	return names.NewApplicationTag(name).String()
}
