package api

import (
	"fmt"

	apiservererrors "github.com/juju/juju/apiserver/errors"
	"github.com/juju/juju/core/secrets"
	"github.com/juju/juju/rpc/params"
	"github.com/juju/names/v5"

	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
)

// GetConsumerSecretsRevisionInfo gives the latest revisions of secrets that the unit reads.
func (f *SecretsManager) GetConsumerSecretsRevisionInfo(
	args params.GetSecretConsumerInfoArgs,
) (params.SecretConsumerInfoResults, error) {
	return params.SecretConsumerInfoResults{Results: bulk(f.s, false, args.URIs, func(text string) params.SecretConsumerInfoResult {
		info, err := f.consumerInfo(args.ConsumerTag, text)
		info.Error = fault(err)
		return info
	})}, nil
}

func (f *SecretsManager) consumerInfo(consumer, text string) (params.SecretConsumerInfoResult, error) {
	var none params.SecretConsumerInfoResult
	u, err := f.s.own(consumer)
	if err != nil {
		return none, err
	}
	uri, err := secrets.ParseURI(text)
	if err != nil {
		return none, err
	}
	s, err := f.s.model.Secret(uri)
	if err != nil {
		return none, err
	}
	if !s.CanRead(u) {
		return none, apiservererrors.ErrPerm
	}
	c := s.Consumer(u)
	if c == nil {
		return none, &params.Error{Message: fmt.Sprintf("consumer of %q not found", text), Code: params.CodeNotFound}
	}
	info := params.SecretConsumerInfoResult{Revision: c.Latest, Label: c.Label}
	if info.Label == "" && (s.Owner == f.s.unit || s.Owner == names.NewApplicationTag(u.App.Name)) {
		info.Label = s.Label
	}
	return info, nil
}

// WatchConsumedSecretsChanges tells of new revisions of secrets that the unit has read, and of their removal. A first
// read of a secret whose latest revision is not its first one counts as a change.
func (f *SecretsManager) WatchConsumedSecretsChanges(args params.Entities) (params.StringsWatchResults, error) {
	now := func() map[string]int {
		latest := map[string]int{}
		u, err := f.s.model.Unit(f.s.unit.Id())
		if err != nil {
			return latest
		}
		for _, s := range f.s.model.ConsumedSecrets(u) {
			latest[s.URI.String()] = s.Consumer(u).Latest
		}
		return latest
	}
	return params.StringsWatchResults{Results: units(f.s, args, func(*state.Unit) params.StringsWatchResult {
		initial, _ := diffConsumed(nil, now())
		id := f.s.register(newWatch(now, diffConsumed))
		return params.StringsWatchResult{StringsWatcherId: id, Changes: initial.([]string)}
	}, func(e *params.Error) params.StringsWatchResult { return params.StringsWatchResult{Error: e} })}, nil
}

func diffConsumed(told, is map[string]int) (any, bool) {
	changes := []string{}
	for _, uri := range changedKeys(told, is) {
		if is[uri] > 1 {
			changes = append(changes, uri)
		}
	}
	for _, uri := range sorted(told) {
		if _, ok := is[uri]; !ok {
			changes = append(changes, uri)
		}
	}
	return changes, len(changes) > 0
}

// ownersAllowed checks the owners whose secrets an agent wants to watch: itself, and its application when it leads.
func (f *SecretsManager) ownersAllowed(args params.Entities) ([]names.Tag, error) {
	u, err := f.s.own(f.s.unit.String())
	if err != nil {
		return nil, err
	}
	var owners []names.Tag
	for _, e := range args.Entities {
		owner, err := names.ParseTag(e.Tag)
		if err != nil {
			return nil, err
		}
		switch {
		case owner == f.s.unit:
		case owner != names.NewApplicationTag(u.App.Name):
			return nil, apiservererrors.ErrPerm
		case !u.IsLeader():
			return nil, notLeader(u)
		}
		owners = append(owners, owner)
	}
	return owners, nil
}

// WatchObsolete tells owners of revisions that nobody tracks any more ("uri/revision") and of removed secrets ("uri").
// What was so before the watch began is not told.
func (f *SecretsManager) WatchObsolete(args params.Entities) (params.StringsWatchResult, error) {
	var result params.StringsWatchResult
	var err error
	f.s.model.View(func() {
		var owners []names.Tag
		if owners, err = f.ownersAllowed(args); err != nil {
			return
		}
		now := func() map[string]bool { return obsolete(f.s.model.OwnedSecrets(owners...)) }
		result.StringsWatcherId = f.s.register(newWatch(now, diffObsolete))
		result.Changes = []string{}
	})
	return result, err
}

// obsolete has the owned secrets and, as true, their obsolete revisions.
func obsolete(owned []*state.Secret) map[string]bool {
	all := map[string]bool{}
	for _, s := range owned {
		all[s.URI.String()] = false
		for n, r := range s.Revisions {
			if r.Obsolete {
				all[fmt.Sprintf("%s/%d", s.URI, n)] = true
			}
		}
	}
	return all
}

func diffObsolete(told, is map[string]bool) (any, bool) {
	changes := []string{}
	for _, key := range sorted(is) {
		if _, known := told[key]; is[key] && !known {
			changes = append(changes, key)
		}
	}
	for _, key := range sorted(told) {
		if _, ok := is[key]; !ok && !told[key] {
			changes = append(changes, key)
		}
	}
	return changes, len(changes) > 0
}

// WatchSecretsRotationChanges tells of due rotations; none ever is.
func (f *SecretsManager) WatchSecretsRotationChanges(args params.Entities) (params.SecretTriggerWatchResult, error) {
	return f.watchTrigger(args)
}

// WatchSecretRevisionsExpiryChanges tells of revisions that expire; none ever does.
func (f *SecretsManager) WatchSecretRevisionsExpiryChanges(args params.Entities) (params.SecretTriggerWatchResult, error) {
	return f.watchTrigger(args)
}

func (f *SecretsManager) watchTrigger(args params.Entities) (params.SecretTriggerWatchResult, error) {
	var result params.SecretTriggerWatchResult
	var err error
	f.s.model.View(func() {
		if _, err = f.ownersAllowed(args); err == nil {
			result.WatcherId = f.s.register(newWatch(func() bool { return false },
				func(bool, bool) (any, bool) { return nil, false }))
		}
	})
	return result, err
}
