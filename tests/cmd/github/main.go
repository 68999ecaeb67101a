// Program github is the GitHub simulator (package tests/github) for tests that do not run in its process. It must hold
// nothing that the package does not: this is its flags, and its methods as HTTP (control.go).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/garm-charms/garm-charms/tests/github"
)

const usage = `Usage: github [-listen ADDRESS] [-control ADDRESS] [-certs DIRECTORY]

A simulator of GitHub. Map these names to its address, and trust DIRECTORY/ca.pem:
  github.com api.github.com uploads.github.com pipelines.actions.githubusercontent.com
Under any other name it is a GitHub Enterprise Server.

`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		stop()
		os.Exit(1)
	}
}

// run says on out where it listens, and serves until the context is done.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("github", flag.ContinueOnError)
	flags.Usage = func() {
		_, _ = fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	listen := flags.String("listen", ":443", "`address` to be GitHub on (TLS)")
	controlAt := flags.String("control", "127.0.0.1:8443", "`address` of the control API (plain HTTP, no authentication)")
	certs := flags.String("certs", ".", "`directory` to write ca.pem to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	server, err := github.New(github.Options{})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(*certs, "ca.pem"), server.CA(), 0o644); err != nil {
		return fmt.Errorf("cannot write the certificate: %w", err)
	}
	forge, err := net.Listen("tcp", *listen)
	if err != nil {
		return fmt.Errorf("cannot be GitHub: %w", err)
	}
	defer func() { _ = forge.Close() }() // serve closed it, unless it was not reached
	door, err := net.Listen("tcp", *controlAt)
	if err != nil {
		return fmt.Errorf("cannot open the control API: %w", err)
	}
	defer func() { _ = door.Close() }()
	if _, err := fmt.Fprintf(out, "GitHub: %s\ncontrol: http://%s\n", forge.Addr(), door.Addr()); err != nil {
		return fmt.Errorf("cannot say where it listens: %w", err)
	}
	return serve(ctx, server, forge, door)
}

// serve ends when the context is done or one of the two listeners fails.
func serve(ctx context.Context, server *github.Server, forge, door net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	control := &http.Server{Handler: newControl(server), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 2)
	go func() { ended <- server.Serve(ctx, forge) }()
	go func() { ended <- control.Serve(door) }()
	var first error
	select {
	case <-ctx.Done():
	case first = <-ended:
	}
	cancel()
	if err := control.Close(); first == nil {
		first = err
	}
	return first
}
