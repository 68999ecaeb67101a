package hook

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Storage is one attached storage instance.
type Storage struct {
	ID       string // "data/0"
	Location string // where the charm's own container has it
}

// Storages lists the attached and provisioned instances of a storage, sorted by id.
func (t *Tools) Storages(ctx context.Context, name string) ([]Storage, error) {
	var ids []string
	if err := t.read(ctx, &ids, "storage-list", "--format=json", "--", name); err != nil {
		return nil, fmt.Errorf("cannot list storage %s: %w", name, err)
	}
	slices.Sort(ids)
	storages := make([]Storage, 0, len(ids))
	for _, id := range ids {
		var info struct {
			Location string `json:"location"`
		}
		err := t.read(ctx, &info, "storage-get", "--format=json", "-s", id)
		if errors.Is(err, ErrNotProvisioned) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read storage %s: %w", id, err)
		}
		storages = append(storages, Storage{ID: id, Location: info.Location})
	}
	return storages, nil
}
