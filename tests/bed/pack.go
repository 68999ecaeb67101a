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

// StandIns packs each of them into a directory, as NAME.charm, and returns their paths by name.
func StandIns(dir string) (map[string]string, error) {
	const root = "standins"
	names, err := standIns.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("cannot pack stand-ins: %w", err)
	}
	paths := map[string]string{}
	for _, name := range names {
		paths[name.Name()] = filepath.Join(dir, name.Name()+".charm")
		if err := pack(path.Join(root, name.Name()), paths[name.Name()]); err != nil {
			return nil, fmt.Errorf("cannot pack %s: %w", name.Name(), err)
		}
	}
	return paths, nil
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
