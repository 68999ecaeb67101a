package configurator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

// kind is one of the secrets that a declaration may have.
type kind struct {
	option string
	// label is that of the application's own copy, followed by the relation that it is for: Juju grants a secret to an
	// application over one relation only.
	label string
	// key is the databag's, of the copy's URI.
	key   string
	uri   func(*runnerconfig.ScaleSet) *string
	value func(*Secrets) *secret.Value
	// read makes what is used of what the operator's secret holds, or says what is wrong with it.
	read func(secret.Value) (used secret.Value, problem string)
}

func kinds() []kind {
	return []kind{
		{
			option: "openstack-password", label: "configurator-password", key: "openstack_password_secret_uri",
			uri:   func(s *runnerconfig.ScaleSet) *string { return &s.PasswordSecret },
			value: func(s *Secrets) *secret.Value { return &s.Password },
			read:  readLine,
		},
		{
			option: "github-app-private-key", label: "configurator-github-key", key: "github_private_key_secret_uri",
			uri:   func(s *runnerconfig.ScaleSet) *string { return &s.PrivateKeySecret },
			value: func(s *Secrets) *secret.Value { return &s.PrivateKey },
			read: func(value secret.Value) (secret.Value, string) {
				_, problem := runnerconfig.PKCS1(value)
				return value, problem
			},
		},
		{
			option: "github-token", label: "configurator-github-token", key: "github_token_secret_uri",
			uri:   func(s *runnerconfig.ScaleSet) *string { return &s.TokenSecret },
			value: func(s *Secrets) *secret.Value { return &s.Token },
			read:  readLine,
		},
	}
}

// readLine takes the line end of a file given with value#file= for no part of the secret.
func readLine(value secret.Value) (secret.Value, string) { return withoutLineEnd(value), "" }

func labelFor(label, relationID string) string { return label + "." + relationID }

// OperatorSecrets reads the secrets that the configuration names. Each that cannot be used is a problem of its option;
// application is the one to grant it to. An option that is no secret's URI is the rules' to tell.
func OperatorSecrets(ctx context.Context, tools *hook.Tools, application string, s runnerconfig.ScaleSet) (Secrets, []runnerconfig.Problem, error) {
	var read Secrets
	var problems []runnerconfig.Problem
	for _, k := range kinds() {
		uri := *k.uri(&s)
		if !runnerconfig.IsSecretURI(uri) {
			continue
		}
		value, problem, err := operatorSecret(ctx, tools, application, uri)
		if err != nil {
			return Secrets{}, nil, err
		}
		if problem == "" {
			value, problem = k.read(value)
		}
		if problem != "" {
			problems = append(problems, runnerconfig.Problem{Option: k.option, Text: problem})
		}
		*k.value(&read) = value
	}
	return read, problems, nil
}

func withoutLineEnd(value secret.Value) secret.Value {
	return secret.New(strings.TrimRight(value.Reveal(), "\r\n"))
}

// operatorSecret returns the secret's value, or why there is none.
func operatorSecret(ctx context.Context, tools *hook.Tools, application, uri string) (value secret.Value, problem string, err error) {
	content, err := tools.Secret(ctx, uri, hook.Latest)
	switch {
	case errors.Is(err, hook.ErrPermission):
		return secret.Value{}, fmt.Sprintf("is a secret that is not granted; run: juju grant-secret %s %s", uri, application), nil
	case errors.Is(err, hook.ErrSecretNotFound):
		return secret.Value{}, "is a secret that does not exist; run: juju add-secret NAME value#file=PATH, and set the option to what it prints", nil
	case err != nil:
		return secret.Value{}, "", err
	}
	value, has := content[secretKey]
	switch {
	case !has:
		return secret.Value{}, fmt.Sprintf("is a secret without the key %q; run: juju update-secret %s %s#file=PATH", secretKey, uri, secretKey), nil
	case withoutLineEnd(value).Empty():
		return secret.Value{}, fmt.Sprintf("is a secret whose %q is empty; run: juju update-secret %s %s#file=PATH", secretKey, uri, secretKey), nil
	}
	return value, "", nil
}

// copies reads, side by side, the copies of the secrets that s names which are published already, by URI. One that is gone
// is not among them.
func (p Publication) copies(ctx context.Context, s runnerconfig.ScaleSet) (map[string]hook.SecretContent, error) {
	contents := map[string]hook.SecretContent{}
	var errs []error
	var guard sync.Mutex
	var all sync.WaitGroup
	for _, k := range kinds() {
		published := p.own[k.key]
		if published == "" || *k.uri(&s) == "" {
			continue
		}
		all.Go(func() {
			content, err := p.tools.Secret(ctx, published, hook.Latest)
			guard.Lock()
			defer guard.Unlock()
			if err == nil {
				contents[published] = content
			} else if !errors.Is(err, hook.ErrSecretNotFound) {
				errs = append(errs, err)
			}
		})
	}
	all.Wait()
	return contents, errors.Join(errs...)
}

// copySecret keeps an application's own secret with that value, granted to the relation, and returns its URI. The secret is
// granted if it is published: both are committed at once.
func (p Publication) copySecret(ctx context.Context, label string, value secret.Value, published string, copies map[string]hook.SecretContent) (string, error) {
	content := hook.SecretContent{secretKey: value}
	if have, there := copies[published]; there {
		return published, p.replaceSecret(ctx, published, have, content)
	}
	label = labelFor(label, p.relation.ID)
	info, err := p.tools.SecretInfo(ctx, label)
	switch {
	case errors.Is(err, hook.ErrSecretNotFound):
		info.URI, err = p.tools.AddSecret(ctx, label, content)
	case err == nil:
		err = p.refreshSecret(ctx, info.URI, content)
	}
	if err != nil {
		return "", err
	}
	return info.URI, p.tools.GrantSecret(ctx, info.URI, p.relation.ID)
}

// refreshSecret makes no revision when the content is what it was. It reads with refresh: an owner that reads its secret
// tracks a revision like any other reader, even if it only peeks, and what is tracked is never obsolete
// (Juju apiserver/facades/agent/secretsmanager/secrets.go, getConsumedRevision).
func (p Publication) refreshSecret(ctx context.Context, uri string, content hook.SecretContent) error {
	have, err := p.tools.Secret(ctx, uri, hook.Latest)
	if err != nil {
		return err
	}
	return p.replaceSecret(ctx, uri, have, content)
}

func (p Publication) replaceSecret(ctx context.Context, uri string, have, content hook.SecretContent) error {
	if have[secretKey] == content[secretKey] {
		return nil
	}
	return p.tools.SetSecret(ctx, uri, content)
}

// Tidy removes own secrets that are of no more use: at secret-remove the revision that nobody tracks any more, at
// update-status those of relations other than these, and of kinds that s does not name. Only the leader may call it.
//
// The relation-broken hook is no occasion for the latter: a unit that is removed has it too, while the others go on.
func Tidy(ctx context.Context, tools *hook.Tools, event hook.Event, publications []Publication, s runnerconfig.ScaleSet) error {
	if event.Kind == hook.KindUpdateStatus {
		return removeOrphans(ctx, tools, publications, s)
	}
	return tools.RemoveObsolete(ctx, event)
}

func removeOrphans(ctx context.Context, tools *hook.Tools, publications []Publication, s runnerconfig.ScaleSet) error {
	used, most := inUse(publications, s)
	owned, err := tools.Secrets(ctx)
	if err != nil || len(owned) <= most {
		return err
	}
	for _, uri := range owned {
		info, err := tools.SecretInfoByURI(ctx, uri)
		if err == nil && !used[info.Label] && !used[uri] {
			err = tools.RemoveSecret(ctx, uri)
		}
		if err := unlessGone(err); err != nil {
			return err
		}
	}
	return nil
}

// inUse has the URIs and labels of the secrets that are, or are about to be, published, and how many there are at most.
func inUse(publications []Publication, s runnerconfig.ScaleSet) (used map[string]bool, most int) {
	used = map[string]bool{}
	for _, p := range publications {
		for _, k := range kinds() {
			wanted := *k.uri(&s) != ""
			if wanted {
				most++
			}
			used[p.own[k.key]] = true
			used[labelFor(k.label, p.relation.ID)] = wanted || p.own[k.key] != ""
		}
	}
	return used, most
}

// unlessGone takes it as done that the secret to remove is no more: a hook may run twice.
func unlessGone(err error) error {
	if errors.Is(err, hook.ErrSecretNotFound) {
		return nil
	}
	return err
}
