package garm

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/ingress"
	"github.com/garm-charms/garm-charms/pkg/status"
	"github.com/garm-charms/garm-charms/pkg/workload"
)

const (
	// servesKey is where in its databag of the peer relation a unit says where its GARM listens.
	servesKey = "serves-at"
	// dialLimit is how long a GARM in another pod may take to accept a connection: its kernel does that.
	dialLimit = 2 * time.Second
)

// standBy leaves GARM, and the traffic for it, to the leader's unit.
func (c charm) standBy(ctx context.Context) (hook.Status, error) {
	way, err := ingress.Read(ctx, c.tools, c.env)
	if err != nil {
		return hook.Status{}, err
	}
	if err := way.Withdraw(ctx, c.tools); err != nil {
		return hook.Status{}, err
	}
	if !c.containerAnswers(ctx) {
		return status.NoContainer(workload.Container), nil
	}
	stopped, err := workload.StandBy(ctx, c.pebble)
	if err != nil {
		return status.Unreachable(err), nil
	}
	if stopped {
		c.log.InfoContext(ctx, "stop GARM: this unit does not lead, or its pod ends")
	}
	p, err := c.readPeer(ctx)
	if err != nil {
		return hook.Status{}, err
	}
	return status.Standby(), c.announceServing(ctx, p, "")
}

// announceServing tells the other units where this one's GARM listens; nowhere if address is empty.
func (c charm) announceServing(ctx context.Context, p peer, address string) error {
	if p.units <= 1 {
		return nil
	}
	own, err := c.tools.Databag(ctx, p.id, c.env.UnitName)
	if err != nil || own[servesKey] == address {
		return err
	}
	return c.tools.SetUnitDatabag(ctx, p.id, map[string]string{servesKey: address})
}

// takeOver waits a while for the GARM of the unit that led before to end: two of them would fight for GitHub's message
// sessions. A unit that cannot be reached is taken for gone.
func (c charm) takeOver(ctx context.Context, p peer) (hook.Status, error) {
	waiting, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for _, unit := range slices.Sorted(maps.Keys(p.serving)) {
		if !silent(waiting, p.serving[unit]) {
			return status.OtherServes(unit), nil
		}
	}
	if p.units <= 1 {
		return hook.Status{}, nil
	}
	network, err := c.tools.Network(ctx, peerEndpoint)
	if err != nil {
		return hook.Status{}, err
	}
	return hook.Status{}, c.announceServing(ctx, p, net.JoinHostPort(network.BindAddress, fmt.Sprint(workload.Port)))
}

// silent waits until nothing listens at the address, and tells whether that came to be before ctx ended.
func silent(ctx context.Context, address string) bool {
	dialer := net.Dialer{Timeout: dialLimit}
	for ctx.Err() == nil {
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return ctx.Err() == nil
		}
		_ = conn.Close() // nothing was sent
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	return false
}
