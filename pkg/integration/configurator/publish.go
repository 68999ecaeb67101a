// Package configurator is the garm-configurator relation, from both ends: how garm-configurator publishes a scale set and
// its secrets, and how garm reads the declarations and answers them.
//
// It does not know what a valid declaration is; that is pkg/runnerconfig's.
package configurator

import (
	"context"
	"errors"
	"fmt"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

// Endpoint is the relation's name on both sides.
const Endpoint = "garm-configurator"

// secretKey is the key of the content of every secret on this relation, and of the operator's secrets behind it.
const secretKey = "value"

// Secrets are what a declaration's secrets hold.
type Secrets struct {
	Password   secret.Value // of the OpenStack user
	PrivateKey secret.Value // of the GitHub App, PEM
}

// OperatorSecrets reads the secrets that the configuration names. Each that cannot be used is a problem of its option;
// application is the one to grant it to.
func OperatorSecrets(ctx context.Context, tools *hook.Tools, application string, s runnerconfig.ScaleSet) (Secrets, []runnerconfig.Problem, error) {
	var read Secrets
	var problems []runnerconfig.Problem
	for _, wanted := range []struct {
		option, uri string
		into        *secret.Value
	}{
		{"openstack-password", s.PasswordSecret, &read.Password},
		{"github-app-private-key", s.PrivateKeySecret, &read.PrivateKey},
	} {
		if wanted.uri == "" {
			continue // a problem of the configuration already
		}
		content, err := tools.Secret(ctx, wanted.uri, hook.Latest)
		text := ""
		switch {
		case errors.Is(err, hook.ErrPermission):
			text = fmt.Sprintf("is a secret that is not granted; run: juju grant-secret %s %s", wanted.uri, application)
		case errors.Is(err, hook.ErrSecretNotFound):
			text = "is a secret that does not exist; run: juju add-secret NAME value#file=PATH, and set the option to what it prints"
		case err != nil:
			return Secrets{}, nil, err
		case content[secretKey].Empty():
			text = fmt.Sprintf("is a secret without a value under the key %q; run: juju update-secret %s %s#file=PATH", secretKey, wanted.uri, secretKey)
		case wanted.into == &read.PrivateKey:
			_, text = runnerconfig.PKCS1(content[secretKey])
		}
		if text != "" {
			problems = append(problems, runnerconfig.Problem{Option: wanted.option, Text: text})
		}
		*wanted.into = content[secretKey]
	}
	return read, problems, nil
}

// Publication is one relation in which this unit may declare its application's scale set.
type Publication struct {
	tools    *hook.Tools
	relation hook.Relation
	own      map[string]string
}

// Publications lists the relations to publish in.
func Publications(ctx context.Context, tools *hook.Tools, env hook.Env) ([]Publication, error) {
	relations, err := tools.Relations(ctx, Endpoint)
	if err != nil {
		return nil, err
	}
	var publications []Publication
	for _, relation := range relations {
		if env.Event.Kind == hook.KindRelationBroken && env.Event.RelationID == relation.ID {
			continue
		}
		own, err := tools.Databag(ctx, relation.ID, env.UnitName)
		if err != nil {
			return nil, err
		}
		publications = append(publications, Publication{tools: tools, relation: relation, own: own})
	}
	return publications, nil
}

// Declare publishes the scale set with copies of its secrets. Nothing is written that is there already. Only the leader
// may call it.
func (p Publication) Declare(ctx context.Context, s runnerconfig.ScaleSet, secrets Secrets, answer Answer, application string) error {
	s.ProviderName = p.providerName(answer, application)
	var err error
	if s.PasswordSecret, err = p.copySecret(ctx, "configurator-password", secrets.Password, p.own["openstack_password_secret_uri"]); err != nil {
		return err
	}
	if s.PrivateKeySecret, err = p.copySecret(ctx, "configurator-github-key", secrets.PrivateKey, p.own["github_private_key_secret_uri"]); err != nil {
		return err
	}
	bag, err := s.Encode()
	if err != nil {
		return err
	}
	return p.write(ctx, bag)
}

// Hold asks garm to leave what was declared before as it is, for the reason given.
func (p Publication) Hold(ctx context.Context, reason string) error {
	if p.own[runnerconfig.KeyHold] == reason {
		return nil
	}
	return p.tools.SetUnitDatabag(ctx, p.relation.ID, map[string]string{runnerconfig.KeyHold: reason})
}

// Withdraw clears this unit's declaration: the leader's alone counts.
func (p Publication) Withdraw(ctx context.Context) error { return p.write(ctx, nil) }

// write makes the contract's part of this unit's databag exactly bag.
func (p Publication) write(ctx context.Context, bag map[string]string) error {
	changes := map[string]string{}
	for _, key := range append(runnerconfig.Keys(), runnerconfig.KeyHold) {
		if p.own[key] != bag[key] {
			changes[key] = bag[key]
		}
	}
	return p.tools.SetUnitDatabag(ctx, p.relation.ID, changes)
}

// providerName stays what it was: GARM cannot move a scale set to another provider, and a deployment that was refreshed
// from the Python charm has one named after its unit.
func (p Publication) providerName(answer Answer, application string) string {
	for _, known := range []string{answer.ProviderName, p.own["provider_name"]} {
		if known != "" {
			return known
		}
	}
	return application
}

// copySecret keeps an application's own secret with that value, granted to the relation, and returns its URI.
// published is the URI that the databag has, whose grant is therefore committed.
func (p Publication) copySecret(ctx context.Context, label string, value secret.Value, published string) (string, error) {
	label += "." + p.relation.ID // one for each relation: a secret is granted to an application over one relation only
	content := hook.SecretContent{secretKey: value}
	info, err := p.tools.SecretInfo(ctx, label)
	switch {
	case errors.Is(err, hook.ErrSecretNotFound):
		if info.URI, err = p.tools.AddSecret(ctx, label, content); err != nil {
			return "", err
		}
	case err != nil:
		return "", err
	default:
		if err := p.refreshSecret(ctx, info.URI, content); err != nil {
			return "", err
		}
	}
	if info.URI == published {
		return info.URI, nil
	}
	return info.URI, p.tools.GrantSecret(ctx, info.URI, p.relation.ID)
}

func (p Publication) refreshSecret(ctx context.Context, uri string, content hook.SecretContent) error {
	have, err := p.tools.Secret(ctx, uri, hook.Peek)
	if err != nil {
		return err
	}
	if have[secretKey] == content[secretKey] {
		return nil
	}
	return p.tools.SetSecret(ctx, uri, content)
}
