package github

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// download is the runner application that is on offer.
type download struct {
	version string // without "v"
	archive []byte
	sum     string // sha256 in hexadecimal
}

// architectures are those GitHub has a Linux runner for, in its own words.
func architectures() []string { return []string{"x64", "arm64", "arm"} }

func newDownload(version string, archive []byte) download {
	sum := sha256.Sum256(archive)
	return download{version, archive, hex.EncodeToString(sum[:])}
}

func emptyDownload() (download, error) {
	var archive bytes.Buffer
	compressed := gzip.NewWriter(&archive)
	if err := tar.NewWriter(compressed).Close(); err != nil {
		return download{}, err
	}
	if err := compressed.Close(); err != nil {
		return download{}, err
	}
	return newDownload("2.330.0", archive.Bytes()), nil
}

// SetRunner sets the runner application on offer for Linux on every architecture: its version ("2.330.0") and its archive
// (tar, gzip). Until it is called that is an archive with nothing in it.
func (s *Server) SetRunner(version string, archive []byte) {
	d := newDownload(version, bytes.Clone(archive))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.download = d
}

func (d download) file(architecture string) string {
	return "actions-runner-linux-" + architecture + "-" + d.version + ".tar.gz"
}

func (s *Server) listDownloads(r *http.Request, _ *entity) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []map[string]string
	for _, architecture := range architectures() {
		file := s.download.file(architecture)
		list = append(list, map[string]string{
			"os": "linux", "architecture": architecture, "filename": file, "sha256_checksum": s.download.sum,
			"download_url": siteURL(r) + "/actions/runner/releases/download/v" + s.download.version + "/" + file,
		})
	}
	return answer{http.StatusOK, list}
}

func (s *Server) serveDownload(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	d := s.download
	s.mu.Unlock()
	for _, architecture := range architectures() {
		if r.PathValue("version") == "v"+d.version && strings.EqualFold(r.PathValue("file"), d.file(architecture)) {
			w.Header().Set("Content-Type", "application/octet-stream")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(d.archive))
			return
		}
	}
	http.NotFound(w, r)
}
