package api

import (
	"github.com/juju/errors"
	apiservererrors "github.com/juju/juju/apiserver/errors"
	"github.com/juju/juju/core/life"
	"github.com/juju/juju/rpc/params"
	"github.com/juju/names/v5"

	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
)

func (f *Uniter) storage(id params.StorageAttachmentId) (*state.Storage, *state.Unit, error) {
	u, err := f.s.own(id.UnitTag)
	if err != nil {
		return nil, nil, err
	}
	tag, err := names.ParseStorageTag(id.StorageTag)
	if err != nil {
		return nil, nil, apiservererrors.ErrPerm
	}
	s, ok := u.Storages[tag.Id()]
	if !ok {
		return nil, nil, errors.NotFoundf("attachment of storage %q to unit %q", tag.Id(), u.Name)
	}
	return s, u, nil
}

// UnitStorageAttachments lists the unit's storages.
func (f *Uniter) UnitStorageAttachments(args params.Entities) (params.StorageAttachmentIdsResults, error) {
	return params.StorageAttachmentIdsResults{Results: units(f.s, args, func(u *state.Unit) params.StorageAttachmentIdsResult {
		var result params.StorageAttachmentIdsResult
		for _, id := range sorted(u.Storages) {
			result.Result.Ids = append(result.Result.Ids, params.StorageAttachmentId{
				StorageTag: names.NewStorageTag(id).String(), UnitTag: f.s.unit.String(),
			})
		}
		return result
	}, func(e *params.Error) params.StorageAttachmentIdsResult {
		return params.StorageAttachmentIdsResult{Error: e}
	})}, nil
}

// StorageAttachments describes storages.
func (f *Uniter) StorageAttachments(args params.StorageAttachmentIds) (params.StorageAttachmentResults, error) {
	return params.StorageAttachmentResults{Results: bulk(f.s, false, args.Ids,
		func(id params.StorageAttachmentId) params.StorageAttachmentResult {
			s, _, err := f.storage(id)
			if err != nil {
				return params.StorageAttachmentResult{Error: fault(err)}
			}
			return params.StorageAttachmentResult{Result: params.StorageAttachment{
				StorageTag: id.StorageTag, OwnerTag: id.UnitTag, UnitTag: id.UnitTag,
				Kind: params.StorageKindFilesystem, Location: s.Location, Life: s.Life,
			}}
		})}, nil
}

// StorageAttachmentLife gives the lives of storages.
func (f *Uniter) StorageAttachmentLife(args params.StorageAttachmentIds) (params.LifeResults, error) {
	return params.LifeResults{Results: bulk(f.s, false, args.Ids, func(id params.StorageAttachmentId) params.LifeResult {
		s, _, err := f.storage(id)
		if err != nil {
			return params.LifeResult{Error: fault(err)}
		}
		return params.LifeResult{Life: s.Life}
	})}, nil
}

// WatchUnitStorageAttachments watches which storages the unit has, and their lives.
func (f *Uniter) WatchUnitStorageAttachments(args params.Entities) (params.StringsWatchResults, error) {
	now := func() map[string]string {
		lives := map[string]string{}
		if u, err := f.s.model.Unit(f.s.unit.Id()); err == nil {
			for id, s := range u.Storages {
				lives[id] = string(s.Life)
			}
		}
		return lives
	}
	return f.watchStrings(args, func() params.StringsWatchResult { return keys(f.s, now) })
}

// WatchStorageAttachments watches single storages.
func (f *Uniter) WatchStorageAttachments(args params.StorageAttachmentIds) (params.NotifyWatchResults, error) {
	return params.NotifyWatchResults{Results: bulk(f.s, false, args.Ids, func(id params.StorageAttachmentId) params.NotifyWatchResult {
		s, _, err := f.storage(id)
		if err != nil {
			return params.NotifyWatchResult{Error: fault(err)}
		}
		return notify(f.s, func() life.Value { return s.Life })
	})}, nil
}

// DestroyUnitStorageAttachments makes the unit's storages dying.
func (f *Uniter) DestroyUnitStorageAttachments(args params.Entities) (params.ErrorResults, error) {
	return f.change(args, func(u *state.Unit) error {
		for _, s := range u.Storages {
			s.Life = life.Dying
		}
		return nil
	})
}

// RemoveStorageAttachments takes storages that the charm has let go from the unit; one that is gone is no error.
func (f *Uniter) RemoveStorageAttachments(args params.StorageAttachmentIds) (params.ErrorResults, error) {
	return changes(f.s, args.Ids, func(id params.StorageAttachmentId) error {
		s, u, err := f.storage(id)
		if errors.Is(err, errors.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if s.Life == life.Alive {
			return errors.Errorf("cannot remove storage attachment %s:%s: storage attachment is not dying", s.ID, u.Name)
		}
		delete(u.Storages, s.ID)
		return nil
	}), nil
}
