package hook

import (
	"context"
	"fmt"
	"slices"
)

// Storages lists the IDs of a storage's attached instances ("data/0"), sorted. Kubernetes starts no pod before its volumes are
// there, even while Juju still says that one is not provisioned.
func (t *Tools) Storages(ctx context.Context, name string) ([]string, error) {
	var ids []string
	if err := t.read(ctx, &ids, "storage-list", "--format=json", "--", name); err != nil {
		return nil, fmt.Errorf("cannot list storage %s: %w", name, err)
	}
	slices.Sort(ids)
	return ids, nil
}
