package juju

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/juju/juju/core/life"
)

// keeper gives a unit one pod after the other, as a StatefulSet does.
type keeper struct {
	unit   string
	orders chan order
	done   chan struct{} // closed when the unit is gone

	pod *pod // guarded by Model.mu; nil between pods
}

// order is something to do to a pod.
type order struct {
	kill bool // without a chance to stop
	done chan error
}

// keep starts keepers for units that have none.
func (m *Model) keep() {
	var units []string
	m.state.View(func() {
		for _, u := range m.state.AllUnits() {
			units = append(units, u.Name)
		}
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, unit := range units {
		if m.keepers[unit] == nil {
			k := &keeper{unit: unit, orders: make(chan order), done: make(chan struct{})}
			m.keepers[unit] = k
			m.tasks.Go(func() { m.run(k) })
		}
	}
}

func (m *Model) run(k *keeper) {
	defer close(k.done)
	var waits chan error // of somebody who waits for the next pod
	gone := false
	for m.ctx.Err() == nil {
		if gone = m.buried(k.unit); gone {
			break
		}
		p, err := m.startPod(m.ctx, k.unit)
		if err == nil {
			m.setPod(k, p)
		}
		if waits != nil {
			waits <- err
			waits = nil
		}
		if err != nil {
			m.failed(k.unit, err)
		} else {
			waits = m.watch(k, p)
			m.setPod(k, nil)
		}
		if p != nil {
			m.failed(k.unit, p.remove())
		}
		if err != nil {
			break
		}
	}
	if waits != nil {
		waits <- errGone
	}
	m.mu.Lock()
	delete(m.keepers, k.unit)
	m.mu.Unlock()
	m.failed(k.unit, m.setNames(k.unit))
	if gone {
		m.keep() // another may have been deployed under its name
	}
	m.touch()
}

// watch keeps the pod's agent running until the pod must go. It returns who waits for the next pod, if anybody does.
func (m *Model) watch(k *keeper, p *pod) chan error {
	for {
		run := p.lastAgent()
		select {
		case <-run.exited:
			if m.buried(k.unit) {
				return nil
			}
			m.pause(crashDelay)
			if err := m.startAgent(m.ctx, p); err != nil {
				m.failed(k.unit, err)
				return nil
			}
		case <-m.ctx.Done():
			return nil
		case o := <-k.orders:
			if !o.kill {
				m.failed(k.unit, run.terminate(m.ctx))
			}
			return o.done
		}
	}
}

// crashDelay is the pause after an agent that ended by itself.
const crashDelay = time.Second

func (m *Model) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-m.ctx.Done():
	}
}

func (m *Model) setPod(k *keeper, p *pod) {
	m.mu.Lock()
	k.pod = p
	m.mu.Unlock()
	m.failed(k.unit, m.setNames(k.unit))
	m.touch()
}

// touch wakes those who wait for the model to settle.
func (m *Model) touch() { _ = m.state.Update(func() error { return nil }) }

// buried removes the unit from the model when it is dead.
func (m *Model) buried(unit string) bool {
	gone := true
	_ = m.state.Update(func() error {
		u, err := m.state.Unit(unit)
		if err != nil {
			return nil // gone already
		}
		if u.Life == life.Dead {
			u.Remove()
			return nil
		}
		gone = false
		u.Address = ""
		return nil
	})
	return gone
}

func (m *Model) failed(unit string, err error) {
	if err == nil || m.ctx.Err() != nil {
		return
	}
	m.log.fail(fmt.Errorf("%s: %w", unit, err))
	m.log.add(LogLine{Time: time.Now(), Unit: unit, Level: "ERROR", Module: "pod", Message: err.Error()})
}

// replace has the unit's pod replaced and waits until the new one runs.
func (m *Model) replace(ctx context.Context, unit string, kill bool) error {
	k, err := m.keeper(unit)
	if err != nil {
		return err
	}
	o := order{kill: kill, done: make(chan error, 1)}
	select {
	case k.orders <- o:
	case <-k.done:
		return fmt.Errorf("cannot replace pod of %s: the unit is gone", unit)
	case <-ctx.Done():
		return fmt.Errorf("cannot replace pod of %s: %w", unit, ctx.Err())
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("cannot replace pod of %s: %w", unit, ctx.Err())
	}
}

func (m *Model) keeper(unit string) (*keeper, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.keepers[unit]; k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("cannot find pod of %s: unit %q not found", unit, unit)
}

// livePod waits for the unit's pod.
func (m *Model) livePod(ctx context.Context, unit string) (*pod, error) {
	for {
		k, err := m.keeper(unit)
		if err != nil {
			return nil, err
		}
		changed := m.state.View(func() {})
		m.mu.Lock()
		p := k.pod
		m.mu.Unlock()
		if p != nil {
			return p, nil
		}
		select {
		case <-changed:
		case <-k.done:
			return nil, fmt.Errorf("cannot find pod of %s: the unit is gone", unit)
		case <-ctx.Done():
			return nil, fmt.Errorf("cannot find pod of %s: %w", unit, ctx.Err())
		}
	}
}

// setNames gives the unit and its application the names that they have in a Kubernetes cluster: the unit's own one in
// the headless service, and those of the service, which here lead to the first pod that lives.
func (m *Model) setNames(unit string) error {
	application, number := split(unit)
	m.mu.Lock()
	defer m.mu.Unlock()
	address := func(name string) netip.Addr {
		if k := m.keepers[name]; k != nil && k.pod != nil {
			return k.pod.host.Addr()
		}
		return netip.Addr{}
	}
	own := fmt.Sprintf("%s-%d.%s-endpoints.%s.svc.cluster.local", application, number, application, m.config.Name)
	if err := m.config.Network.SetName(own, address(unit)); err != nil {
		return err
	}
	var first netip.Addr
	for n := 0; n < 256 && !first.IsValid(); n++ {
		first = address(fmt.Sprintf("%s/%d", application, n))
	}
	for _, name := range []string{application, application + "." + m.config.Name, application + "." + m.config.Name + ".svc.cluster.local"} {
		if err := m.config.Network.SetName(name, first); err != nil {
			return err
		}
	}
	return nil
}

// roll replaces the pods of an application that are of an older version, the last one first, one after the other, each
// once the one before has started.
func (m *Model) roll(application string) {
	defer func() {
		m.mu.Lock()
		m.rolling[application]--
		m.mu.Unlock()
		m.touch()
	}()
	version, units := m.versionOf(application)
	for _, unit := range slices.Backward(units) {
		if !m.rollUnit(application, unit, version) {
			return
		}
	}
}

// rollUnit replaces a unit's pod and waits until its charm has started. It says whether the rollout goes on: not when
// the model ends or a later refresh has taken over.
func (m *Model) rollUnit(application, unit string, version int) bool {
	for m.ctx.Err() == nil {
		p, err := m.livePod(m.ctx, unit)
		if err != nil {
			return m.ctx.Err() == nil // the unit is gone
		}
		if p.version < version {
			m.failed(unit, m.replace(m.ctx, unit, false))
			continue
		}
		changed := m.state.View(func() {})
		if now, _ := m.versionOf(application); now != version {
			return false
		}
		if p.ready() {
			return true
		}
		select {
		case <-changed:
		case <-m.ctx.Done():
		}
	}
	return false
}

func (m *Model) versionOf(application string) (int, []string) {
	version, units := 0, []string{}
	m.state.View(func() {
		a, err := m.state.Application(application)
		if err != nil {
			return
		}
		version = a.Version
		for _, u := range a.SortedUnits() {
			units = append(units, u.Name)
		}
	})
	return version, units
}
