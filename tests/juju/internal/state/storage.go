package state

import (
	"fmt"
	"path"

	"github.com/juju/charm/v12"
	"github.com/juju/errors"
	"github.com/juju/juju/core/life"
	"github.com/juju/juju/storage"
)

// Storage is a directory that one unit has.
type Storage struct {
	ID       string // name/number
	Name     string
	Unit     string
	Location string // in the charm's container
	Life     Life
}

// storageDir is where Juju mounts a storage that names no place of its own (core/paths).
const storageDir = "/var/lib/juju/storage"

func checkStorage(meta *charm.Meta, sizes map[string]string) error {
	for _, name := range sortedKeys(sizes) {
		declared, ok := meta.Storage[name]
		if !ok {
			return errors.Errorf("charm %q has no store called %q", meta.Name, name)
		}
		wanted, err := storage.ParseConstraints(sizes[name])
		if err != nil {
			return errors.Annotatef(err, "cannot parse constraints for storage %q", name)
		}
		if declared.MinimumSize > 0 && wanted.Size > 0 && wanted.Size < declared.MinimumSize {
			return errors.Errorf("charm %q store %q: minimum storage size is %d MB, %d MB specified",
				meta.Name, name, declared.MinimumSize, wanted.Size)
		}
		if declared.CountMax >= 0 && wanted.Count > uint64(declared.CountMax) {
			return errors.Errorf("charm %q store %q: at most %d instances supported, %d specified",
				meta.Name, name, declared.CountMax, wanted.Count)
		}
	}
	return nil
}

// attachStorage gives a new unit one instance of each storage that the charm demands or the operator asked for.
func (a *Application) attachStorage(u *Unit) {
	stores := a.Charm.Archive.Meta().Storage
	for _, name := range sortedKeys(stores) {
		_, asked := a.StorageSizes[name]
		if !asked && stores[name].CountMin == 0 {
			continue
		}
		s := &Storage{
			ID: fmt.Sprintf("%s/%d", name, a.model.next("stores", 0)), Name: name, Unit: u.Name, Life: life.Alive,
		}
		s.Location = mountPoint(stores[name], s.ID)
		u.Storages[s.ID] = s
	}
}

// mountPoint follows state/filesystem.go, FilesystemMountPoint.
func mountPoint(declared charm.Storage, id string) string {
	switch {
	case declared.Location != "" && declared.CountMax == 1:
		return declared.Location
	case declared.Location != "":
		return path.Join(declared.Location, id)
	}
	return path.Join(storageDir, id)
}
