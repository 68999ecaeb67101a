package bed

import (
	"archive/zip"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

//go:embed image-builder
var imageBuilder embed.FS

// packImageBuilder writes the charm that offers runner images, whose dispatch is a shell script.
func (b *Bed) packImageBuilder() (err error) {
	file, err := os.Create(filepath.Join(b.config.Dir, "image-builder.charm"))
	if err != nil {
		return fmt.Errorf("cannot pack the image builder: %w", err)
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	archive := zip.NewWriter(file)
	entries, err := imageBuilder.ReadDir("image-builder")
	if err != nil {
		return fmt.Errorf("cannot pack the image builder: %w", err)
	}
	for _, entry := range entries {
		content, err := imageBuilder.ReadFile(path.Join("image-builder", entry.Name()))
		if err != nil {
			return fmt.Errorf("cannot pack the image builder: %w", err)
		}
		header := &zip.FileHeader{Name: entry.Name(), Method: zip.Deflate}
		header.SetMode(mode(entry))
		writer, err := archive.CreateHeader(header)
		if err != nil {
			return fmt.Errorf("cannot pack the image builder: %w", err)
		}
		if _, err := writer.Write(content); err != nil {
			return fmt.Errorf("cannot pack the image builder: %w", err)
		}
	}
	return archive.Close()
}

// mode gives dispatch back the permission to run that embedding takes away.
func mode(entry fs.DirEntry) fs.FileMode {
	if entry.Name() == "dispatch" {
		return 0o755
	}
	return 0o644
}
