package bed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// The juju command for shells: it sends its arguments, each ended by a zero byte, and prints the answer.
const jujuCommand = `#!/bin/sh
printf '%%s\0' "$@" | exec curl -sS --fail-with-body --unix-socket %s --data-binary @- -H 'Content-Type: application/octet-stream' http://juju/
`

// serveJuju makes bin/juju, in the bed's directory, this world's juju command until ctx ends.
func (b *Bed) serveJuju(ctx context.Context) error {
	socket := filepath.Join(b.config.Dir, "juju.socket")
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("cannot serve juju: %w", err)
	}
	bin := filepath.Join(b.config.Dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(bin, "juju"), fmt.Appendf(nil, jujuCommand, socket), 0o755); err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(b.answerJuju), BaseContext: func(net.Listener) context.Context { return ctx }}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	b.closers = append(b.closers, func() error {
		err := server.Close()
		if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
			err = errors.Join(err, serveErr)
		}
		return err
	})
	return nil
}

// answerJuju carries out one command. What it prints is the answer, whether it fails or not.
func (b *Bed) answerJuju(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var out bytes.Buffer
	if err := b.Juju(&out).Run(r.Context(), strings.Split(strings.TrimSuffix(string(body), "\x00"), "\x00")...); err != nil {
		fmt.Fprintln(&out, "ERROR", err)
		w.WriteHeader(http.StatusUnprocessableEntity)
	}
	_, _ = out.WriteTo(w) // a shell that has gone reads nothing
}
