// Package configurator is the garm-configurator relation, from both ends: how garm-configurator publishes a scale set and
// its secrets, and how garm reads the declarations and answers them.
//
// It does not know what a valid declaration is; that is pkg/runnerconfig's.
package configurator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

// Endpoint is the relation's name on both sides.
const Endpoint = "garm-configurator"

// secretKey is the key of the content of every secret on this relation, and of the operator's secrets behind it.
const secretKey = "value"

// providerKey is in every declaration.
const providerKey = "provider_name"

// Secrets are what a declaration's secrets hold.
type Secrets struct {
	Password   secret.Value // of the OpenStack user
	PrivateKey secret.Value // of the GitHub App, PEM; empty if there is a Token
	Token      secret.Value // personal access token; empty if there is a PrivateKey
}

// Publication is one relation in which this unit may declare its application's scale set.
type Publication struct {
	// Answer is what garm says of the scale set; the zero value when it does not answer.
	Answer Answer

	tools    *hook.Tools
	relation hook.Relation
	own      map[string]string
	attempt  string // file that is there from a first declaration until the next dispatch
	inVain   bool   // the dispatch before made one, and nothing came of it
}

// Application is the application at the other end; empty when it is not known.
func (p Publication) Application() string { return p.relation.App }

// CanDeclare tells whether to make a first declaration. In a relation that is being removed Juju fails the hook that grants a
// secret, after it has ended, and runs it again and again, with no way to tell beforehand (Juju state/secrets.go,
// GrantSecretAccess). So none is made before somebody is there to read it, and not again in the hook after one that came to
// nothing: the removal can go on then, and in a relation that stays the next event tries again.
func (p Publication) CanDeclare() bool {
	return p.own[providerKey] != "" || len(p.relation.Units) > 0 && !p.inVain
}

// Publications lists the relations to publish in.
func Publications(ctx context.Context, tools *hook.Tools, env hook.Env) ([]Publication, error) {
	relations, err := tools.Relations(ctx, Endpoint)
	if err != nil {
		return nil, err
	}
	var publications []Publication
	for _, relation := range relations {
		if env.Event.Breaks(relation.ID) {
			continue
		}
		p := Publication{tools: tools, relation: relation, attempt: filepath.Join(env.CharmDir, ".first-"+relation.ID)}
		if err := p.read(ctx, env.UnitName); err != nil {
			return nil, err
		}
		switch err := os.Remove(p.attempt); {
		case err == nil:
			p.inVain = true
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("cannot forget the last declaration in relation %s: %w", relation.ID, err)
		}
		publications = append(publications, p)
	}
	return publications, nil
}

// read gets both ends' databags side by side: a hook tool is a process, and takes its time to start.
func (p *Publication) read(ctx context.Context, unit string) (err error) {
	var answerErr error
	var both sync.WaitGroup
	both.Go(func() { p.Answer, answerErr = readAnswer(ctx, p.tools, p.relation) })
	p.own, err = p.tools.Databag(ctx, p.relation.ID, unit)
	both.Wait()
	return errors.Join(err, answerErr)
}

// Declare publishes the scale set with copies of its secrets. Nothing is written that is there already. Only the leader
// may call it.
func (p Publication) Declare(ctx context.Context, s runnerconfig.ScaleSet, secrets Secrets, application string) error {
	if p.own[providerKey] == "" {
		if err := os.WriteFile(p.attempt, nil, 0o600); err != nil {
			return fmt.Errorf("cannot remember the declaration in relation %s: %w", p.relation.ID, err)
		}
	}
	s.ProviderName = p.providerName(application)
	copies, err := p.copies(ctx, s)
	if err != nil {
		return err
	}
	for _, k := range kinds() {
		uri := k.uri(&s)
		if *uri == "" {
			continue
		}
		if *uri, err = p.copySecret(ctx, k.label, *k.value(&secrets), p.own[k.key], copies); err != nil {
			return err
		}
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
func (p Publication) providerName(application string) string {
	for _, known := range []string{p.Answer.ProviderName, p.own[providerKey]} {
		if known != "" {
			return known
		}
	}
	return application
}
