// Package configurator is the garm-configurator relation, from both ends: how garm-configurator publishes a scale set and
// its secrets, and how garm reads the declarations and answers them.
//
// It does not know what a valid declaration is; that is pkg/runnerconfig's.
package configurator

import (
	"context"
	"errors"
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
}

// Application is the application at the other end; empty when it is not known.
func (p Publication) Application() string { return p.relation.App }

// CanDeclare tells whether there is anybody to read a first declaration. In a relation that is being removed before its other
// side came nobody ever is, and Juju would fail the hook that grants a secret there, again and again.
func (p Publication) CanDeclare() bool { return len(p.relation.Units) > 0 || p.own[providerKey] != "" }

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
		p := Publication{tools: tools, relation: relation}
		if err := p.read(ctx, env.UnitName); err != nil {
			return nil, err
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
