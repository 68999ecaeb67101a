package live

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/garm-charms/garm-charms/tests/github"
)

// forge is a simulated GitHub that a model's pods reach: a GitHub Enterprise Server that its own authority vouches for.
type forge struct {
	*github.Server

	address string
}

type forges struct{ github, enterprise *forge }

// startForges serves a scenario's GitHubs, each on a port of its own, until the context ends.
func (r Run) startForges(ctx context.Context, m *Model) (f forges, err error) {
	address := r.Address
	if address == "" {
		if address, err = localAddress(m.conn.Addr()); err != nil {
			return f, err
		}
	}
	if f.github, err = startForge(ctx, address); err == nil {
		f.enterprise, err = startForge(ctx, address)
	}
	return f, err
}

func startForge(ctx context.Context, address string) (*forge, error) {
	server, err := github.New(github.Options{})
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return nil, fmt.Errorf("cannot serve GitHub, for which pods must reach this machine by %s: %w", address, err)
	}
	go func() { _ = server.Serve(ctx, listener) }() // what it cannot do a scenario misses
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return &forge{Server: server, address: net.JoinHostPort(address, port)}, err
}

func (f *forge) url() string { return "https://" + f.address }

// endpoint is the name that garm gives the server in GARM.
func (f *forge) endpoint() string {
	return strings.NewReplacer(":", "-", "[", "", "]", "").Replace(f.address)
}

// options are those by which a configurator is for this server.
func (f *forge) options() map[string]string {
	return map[string]string{"github-url": f.url(), "github-ca-certificate": string(f.CA())}
}

// localAddress is this machine's on the way to the controller. Nothing is sent.
func localAddress(controller string) (string, error) {
	conn, err := net.Dial("udp", controller)
	if err != nil {
		return "", fmt.Errorf("cannot find the way to the controller: %w", err)
	}
	defer conn.Close()
	host, _, err := net.SplitHostPort(conn.LocalAddr().String())
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsLoopback() {
		return "", fmt.Errorf("cannot tell by which address pods reach this machine, since the controller is at %s: give it (GITHUB_ADDRESS)", controller)
	}
	return host, nil
}
