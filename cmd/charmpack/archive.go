package main

import (
	"archive/zip"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// file is one entry of the archive: content, or else the file at path.
type file struct {
	content    []byte
	path       string
	executable bool
}

func (f file) read() ([]byte, error) {
	if f.path == "" {
		return f.content, nil
	}
	return os.ReadFile(f.path)
}

// mode is the entry's own, never the one in the checkout: Juju runs dispatch with the bits it finds here.
func (f file) mode() os.FileMode {
	if f.executable {
		return 0o755
	}
	return 0o644
}

// writeArchive writes files as a zip, the same bytes for the same files. The archive gets its name when check has no
// objection, so that there is never a broken one under it.
func writeArchive(name string, files map[string]file, check func(name string) error) error {
	temporary, err := os.CreateTemp(filepath.Dir(name), ".charmpack-*.charm")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	err = writeZip(temporary, files)
	if closeErr := temporary.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err := check(temporary.Name()); err != nil {
		return err
	}
	if err := os.Chmod(temporary.Name(), 0o644); err != nil { //nolint:gosec // an archive is for everybody
		return err
	}
	return os.Rename(temporary.Name(), name)
}

func writeZip(out io.Writer, files map[string]file) error {
	archive := zip.NewWriter(out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := addEntry(archive, name, files[name]); err != nil {
			return fmt.Errorf("cannot add %s: %w", name, err)
		}
	}
	return archive.Close()
}

func addEntry(archive *zip.Writer, name string, entry file) error {
	content, err := entry.read()
	if err != nil {
		return err
	}
	header := &zip.FileHeader{
		Name:   name,
		Method: zip.Deflate,
		// The earliest time a zip can hold.
		Modified: time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC),
	}
	header.SetMode(entry.mode())
	writer, err := archive.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = writer.Write(content)
	return err
}
