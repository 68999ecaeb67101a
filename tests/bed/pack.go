package bed

import (
	"archive/zip"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// standIns are charms of other projects as far as scenarios need them; their dispatch is a shell script.
//
//go:embed standins
var standIns embed.FS

// packStandIns writes NAME.charm for each of them.
func (b *Bed) packStandIns() error {
	const root = "standins"
	names, err := standIns.ReadDir(root)
	if err != nil {
		return fmt.Errorf("cannot pack stand-ins: %w", err)
	}
	for _, name := range names {
		if err := pack(path.Join(root, name.Name()), filepath.Join(b.config.Dir, name.Name()+".charm")); err != nil {
			return fmt.Errorf("cannot pack %s: %w", name.Name(), err)
		}
	}
	return nil
}

func pack(dir, target string) (err error) {
	file, err := os.Create(target)
	if err != nil {
		return err
	}
	archive := zip.NewWriter(file)
	defer func() { err = errors.Join(err, archive.Close(), file.Close()) }()
	entries, err := standIns.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		content, err := standIns.ReadFile(path.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		header := &zip.FileHeader{Name: entry.Name(), Method: zip.Deflate}
		header.SetMode(mode(entry))
		writer, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := writer.Write(content); err != nil {
			return err
		}
	}
	return nil
}

// mode gives dispatch back the permission to run that embedding takes away.
func mode(entry fs.DirEntry) fs.FileMode {
	if entry.Name() == "dispatch" {
		return 0o755
	}
	return 0o644
}
