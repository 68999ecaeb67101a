package runner

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

//go:embed actions-runner
var actionsRunner embed.FS

// Tarball returns the archive of a runner application for Linux that takes its jobs from RunJob. It is made of scripts, so
// it fits every architecture.
func Tarball() ([]byte, error) {
	files, err := fs.Sub(actionsRunner, "actions-runner")
	if err != nil {
		return nil, fmt.Errorf("cannot pack runner: %w", err)
	}
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	archive := tar.NewWriter(compressed)
	err = fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		header := tar.Header{Name: path, Mode: 0o755, Typeflag: tar.TypeReg}
		if entry.IsDir() {
			header.Typeflag = tar.TypeDir
			return archive.WriteHeader(&header)
		}
		content, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		header.Size = int64(len(content))
		if err := archive.WriteHeader(&header); err != nil {
			return err
		}
		_, err = archive.Write(content)
		return err
	})
	if err := errors.Join(err, archive.Close(), compressed.Close()); err != nil {
		return nil, fmt.Errorf("cannot pack runner: %w", err)
	}
	return out.Bytes(), nil
}
