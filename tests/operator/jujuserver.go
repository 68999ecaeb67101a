package operator

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

// ServeJuju makes bin/juju, in the operator's home, the juju command of their shell until stop is called.
func (o *Operator) ServeJuju(ctx context.Context) (stop func() error, err error) {
	socket := filepath.Join(o.Home, "juju.socket")
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("cannot serve juju: %w", err)
	}
	bin := filepath.Join(o.Home, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(bin, "juju"), fmt.Appendf(nil, jujuCommand, socket), 0o755); err != nil {
		return nil, err
	}
	server := &http.Server{Handler: http.HandlerFunc(o.answerJuju), BaseContext: func(net.Listener) context.Context { return ctx }}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return func() error {
		err := server.Close()
		if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
			err = errors.Join(err, serveErr)
		}
		return err
	}, nil
}

// answerJuju carries out one command. What it prints is the answer, whether it fails or not.
func (o *Operator) answerJuju(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var out bytes.Buffer
	if err := o.Juju(&out).Run(r.Context(), strings.Split(strings.TrimSuffix(string(body), "\x00"), "\x00")...); err != nil {
		fmt.Fprintln(&out, "ERROR", err)
		w.WriteHeader(http.StatusUnprocessableEntity)
	}
	_, _ = out.WriteTo(w) // a shell that has gone reads nothing
}
