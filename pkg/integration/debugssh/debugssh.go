// Package debugssh is the debug-ssh relation as garm uses it: a tmate SSH server gives, in its unit databags, the address
// and the host keys that a job's debug session needs. Nothing is written.
package debugssh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/garm-charms/garm-charms/pkg/bootstrap"
	"github.com/garm-charms/garm-charms/pkg/hook"
)

// Endpoint is the relation's name.
const Endpoint = "debug-ssh"

// Read returns the server that runners are told, the zero value when there is none: of several units the first by address
// and port, so that the answer does not depend on the order in which they appeared. A unit that has not written
// anything is waited for; one whose data no runner can use is left out, and refused says why.
func Read(ctx context.Context, tools *hook.Tools, event hook.Event) (server bootstrap.Tmate, refused []error, err error) {
	relations, err := tools.Relations(ctx, Endpoint)
	if err != nil {
		return server, nil, err
	}
	var servers []bootstrap.Tmate
	for _, relation := range relations {
		if event.Breaks(relation.ID) {
			continue
		}
		for _, unit := range relation.Units {
			offered, err := offer(ctx, tools, relation.ID, unit)
			if err != nil {
				return server, nil, err
			}
			switch err := offered.Check(); {
			case err != nil:
				refused = append(refused, fmt.Errorf("cannot use what %s offers for debug sessions: %w", unit, err))
			case offered != bootstrap.Tmate{}:
				servers = append(servers, offered)
			}
		}
	}
	if len(servers) == 0 {
		return server, refused, nil
	}
	return slices.MinFunc(servers, compare), refused, nil
}

func offer(ctx context.Context, tools *hook.Tools, relationID, unit string) (bootstrap.Tmate, error) {
	bag, err := tools.Databag(ctx, relationID, unit)
	if errors.Is(err, hook.ErrRelationGone) {
		return bootstrap.Tmate{}, nil
	}
	return bootstrap.Tmate{
		Host: bag["host"], Port: bag["port"], RSAFingerprint: bag["rsa_fingerprint"], ED25519Fingerprint: bag["ed25519_fingerprint"],
	}, err
}

func compare(a, b bootstrap.Tmate) int {
	port := func(t bootstrap.Tmate) int {
		number, _ := strconv.Atoi(t.Port) // it was checked
		return number
	}
	return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(port(a), port(b)))
}
