package configurator

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

// Declared is what one related configurator declares. Exactly one of ScaleSet and the three reasons why there is none
// has a meaning.
type Declared struct {
	Application string
	RelationID  string

	ScaleSet runnerconfig.ScaleSet
	Secrets  Secrets

	// Absent: it has published nothing yet, or withdrawn it.
	Absent bool
	// Hold is the configurator's own word why its configuration cannot be used at present.
	Hold string
	// Invalid is why its declaration cannot be used.
	Invalid error
}

// Valid tells whether there is a declaration to follow.
func (d Declared) Valid() bool { return !d.Absent && d.Hold == "" && d.Invalid == nil }

// atOnce is how many relations are read side by side.
const atOnce = 8

// ReadAll returns what every related configurator declares, in the order of the relations. A relation that is being
// removed declares nothing.
func ReadAll(ctx context.Context, tools *hook.Tools, event hook.Event) ([]Declared, error) {
	relations, err := tools.Relations(ctx, Endpoint)
	if err != nil {
		return nil, err
	}
	relations = slices.DeleteFunc(relations, func(r hook.Relation) bool {
		return event.Breaks(r.ID)
	})
	all := make([]Declared, len(relations))
	var reads errgroup.Group
	reads.SetLimit(atOnce)
	for i, relation := range relations {
		reads.Go(func() (err error) {
			all[i], err = read(ctx, tools, relation, revisionFor(event))
			return err
		})
	}
	return all, reads.Wait()
}

// revisionFor is the newest one in any case; an action leaves it to the next event to say that it is in use.
func revisionFor(event hook.Event) hook.Revision {
	if event.Kind == hook.KindAction {
		return hook.Peek
	}
	return hook.Latest
}

// read takes the first unit that declares anything; units other than the leader clear theirs.
func read(ctx context.Context, tools *hook.Tools, relation hook.Relation, revision hook.Revision) (Declared, error) {
	d := Declared{Application: relation.App, RelationID: relation.ID, Absent: true}
	for _, unit := range relation.Units {
		bag, err := tools.Databag(ctx, relation.ID, unit)
		if errors.Is(err, hook.ErrRelationGone) {
			continue
		}
		if err != nil {
			return d, err
		}
		scaleSet, err := runnerconfig.Decode(bag)
		hold := bag[runnerconfig.KeyHold]
		if errors.Is(err, runnerconfig.ErrAbsent) && hold == "" {
			continue
		}
		d.Absent, d.Hold = false, hold
		if hold != "" {
			return d, nil
		}
		d.ScaleSet, d.Invalid = scaleSet, err
		if err == nil {
			d.Secrets, d.Invalid = relationSecrets(ctx, tools, scaleSet, revision)
		}
		return d, nil
	}
	return d, nil
}

func relationSecrets(ctx context.Context, tools *hook.Tools, s runnerconfig.ScaleSet, revision hook.Revision) (Secrets, error) {
	var read Secrets
	errs := make([]error, len(kinds()))
	var reads errgroup.Group
	for i, k := range kinds() {
		if uri := *k.uri(&s); uri != "" {
			reads.Go(func() error {
				*k.value(&read), errs[i] = relationSecret(ctx, tools, k.option, uri, revision)
				return nil
			})
		}
	}
	_ = reads.Wait() // errs has what went wrong: the first in this order is the one to tell
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return Secrets{}, errs[i]
	}
	return read, nil
}

func relationSecret(ctx context.Context, tools *hook.Tools, option, uri string, revision hook.Revision) (secret.Value, error) {
	content, err := tools.Secret(ctx, uri, revision)
	if err != nil {
		return secret.Value{}, fmt.Errorf("cannot read the secret for %s: %w", option, err)
	}
	if content[secretKey].Empty() {
		return secret.Value{}, fmt.Errorf("cannot use the secret for %s: it has no value under the key %q", option, secretKey)
	}
	return content[secretKey], nil
}

// Answer is what garm says about a configurator's scale set.
type Answer struct {
	Status       string // one of the runnerconfig.Status values; empty when garm does not answer
	Message      string
	ScaleSetID   string
	TemplateID   string
	ProviderName string
}

func readAnswer(ctx context.Context, tools *hook.Tools, relation hook.Relation) (Answer, error) {
	if relation.App == "" {
		return Answer{}, nil
	}
	return readAnswerOf(ctx, tools, relation.ID, relation.App)
}

func readAnswerOf(ctx context.Context, tools *hook.Tools, relationID, application string) (Answer, error) {
	bag, err := tools.Databag(ctx, relationID, application)
	if errors.Is(err, hook.ErrRelationGone) {
		return Answer{}, nil
	}
	return Answer{
		Status:       bag[runnerconfig.AnswerStatus],
		Message:      bag[runnerconfig.AnswerMessage],
		ScaleSetID:   bag[runnerconfig.AnswerScaleSetID],
		TemplateID:   bag[runnerconfig.AnswerTemplateID],
		ProviderName: bag[runnerconfig.AnswerProviderName],
	}, err
}

// Postpone tells a configurator that garm cannot look after its scale set at present, and why. What else garm answered before
// stays.
func (d Declared) Postpone(ctx context.Context, tools *hook.Tools, application, why string) error {
	have, err := readAnswerOf(ctx, tools, d.RelationID, application)
	if err != nil || have.Status == "" {
		return err
	}
	have.Status, have.Message = runnerconfig.StatusPending, why
	return d.Respond(ctx, tools, application, have)
}

// Respond gives the configurator garm's answer. Nothing is written that is there already; only the leader may call it.
func (d Declared) Respond(ctx context.Context, tools *hook.Tools, application string, a Answer) error {
	have, err := tools.Databag(ctx, d.RelationID, application)
	if err != nil {
		return err
	}
	return tools.SetAppDatabag(ctx, d.RelationID, hook.Changes(have, map[string]string{
		runnerconfig.AnswerStatus:       a.Status,
		runnerconfig.AnswerMessage:      a.Message,
		runnerconfig.AnswerScaleSetID:   a.ScaleSetID,
		runnerconfig.AnswerTemplateID:   a.TemplateID,
		runnerconfig.AnswerProviderName: a.ProviderName,
	}))
}
