package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Network is a bridge with one /24 of IPv4 addresses and one hosts file that all its hosts share.
type Network struct {
	dir    string
	number int
	bridge netlink.Link

	mu    sync.Mutex
	next  netip.Addr
	names map[string]netip.Addr
}

// Host is a place on a Network: a network namespace with one address.
type Host struct {
	network *Network
	name    string
	addr    netip.Addr
	netns   string
}

// NewNetwork makes the network 10.77.<number>.0/24, whose gateway is an address of the calling process's own network:
// servers of this process listen there. dir takes the hosts file and the namespaces' names; number is 0 to 255.
func NewNetwork(dir string, number int) (*Network, error) {
	if number < 0 || number > 255 {
		return nil, fmt.Errorf("cannot make network %d: number is not in 0..255", number)
	}
	if err := os.MkdirAll(filepath.Join(dir, "netns"), 0o755); err != nil {
		return nil, fmt.Errorf("cannot make network directory: %w", err)
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name = fmt.Sprintf("bed%d", number)
	// A bridge without an address of its own takes that of one of its hosts, and another one when that host goes: the
	// others then do not reach the gateway until they ask for it again, which takes them half a minute.
	attributes.HardwareAddr = net.HardwareAddr{0x02, 0, 10, 77, byte(number), 1}
	n := &Network{
		dir:    dir,
		number: number,
		bridge: &netlink.Bridge{LinkAttrs: attributes},
		next:   netip.AddrFrom4([4]byte{10, 77, byte(number), 2}),
		names:  map[string]netip.Addr{},
	}
	if err := n.up(); err != nil {
		return nil, fmt.Errorf("cannot make network %d: %w", number, err)
	}
	return n, nil
}

func (n *Network) up() error {
	if err := netlink.LinkAdd(n.bridge); err != nil {
		return err
	}
	address := &netlink.Addr{IPNet: n.subnet(n.Gateway())}
	err := errors.Join(netlink.AddrAdd(n.bridge, address), netlink.LinkSetUp(n.bridge), n.writeHosts(),
		// An empty one sends look-ups to a closed port of the host itself, which fail at once.
		os.WriteFile(filepath.Join(n.dir, "resolv.conf"), nil, 0o644))
	if err != nil {
		return errors.Join(err, netlink.LinkDel(n.bridge))
	}
	return nil
}

// Gateway is the address of the process that made the network.
func (n *Network) Gateway() netip.Addr { return netip.AddrFrom4([4]byte{10, 77, byte(n.number), 1}) }

func (n *Network) subnet(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(24, 32)}
}

// SetName gives addr a name in the hosts file, or moves the name to it. The zero Addr removes the name.
func (n *Network) SetName(name string, addr netip.Addr) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if addr.IsValid() {
		n.names[name] = addr
	} else {
		delete(n.names, name)
	}
	return n.writeHosts()
}

// writeHosts keeps the file's inode, since sandboxes have it bound, and never leaves it empty, since they read it meanwhile.
func (n *Network) writeHosts() error {
	var text strings.Builder
	text.WriteString("127.0.0.1 localhost\n")
	for _, name := range slices.Sorted(maps.Keys(n.names)) {
		fmt.Fprintf(&text, "%s %s\n", n.names[name], name)
	}
	path := filepath.Join(n.dir, "hosts")
	size := int64(text.Len())
	if old, err := os.Stat(path); err == nil {
		text.WriteString(strings.Repeat("\n", int(max(0, old.Size()-size)))) // no half of an old line, before it is cut off
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("cannot open hosts file: %w", err)
	}
	_, err = file.WriteString(text.String())
	if err = errors.Join(err, file.Truncate(size), file.Close()); err != nil {
		return fmt.Errorf("cannot write hosts file: %w", err)
	}
	return nil
}

func (n *Network) files() []Bind {
	return []Bind{
		{Source: filepath.Join(n.dir, "hosts"), Target: "/etc/hosts"},
		{Source: filepath.Join(n.dir, "resolv.conf"), Target: "/etc/resolv.conf"},
	}
}

// AddHost makes a host with the next free address and a default route through the gateway, and names it in the hosts file.
func (n *Network) AddHost(name string) (*Host, error) {
	n.mu.Lock()
	addr := n.next
	n.next = addr.Next()
	n.mu.Unlock()
	if last := addr.As4(); last[3] == 255 {
		return nil, fmt.Errorf("cannot add host %s: network %d is full", name, n.number)
	}
	h := &Host{network: n, name: name, addr: addr, netns: filepath.Join(n.dir, "netns", addr.String())}
	if err := h.create(); err != nil {
		return nil, fmt.Errorf("cannot add host %s: %w", name, errors.Join(err, h.Close()))
	}
	return h, n.SetName(name, addr)
}

// Close removes the bridge. Its hosts keep their namespaces, without a way out.
func (n *Network) Close() error {
	if err := netlink.LinkDel(n.bridge); err != nil {
		return fmt.Errorf("cannot remove network %d: %w", n.number, err)
	}
	return nil
}

// Addr is the host's address.
func (h *Host) Addr() netip.Addr { return h.addr }

// Name is the host's name in the hosts file.
func (h *Host) Name() string { return h.name }

// Close removes the host's name and namespace. Processes that still run in it keep it alive, without an address.
func (h *Host) Close() error {
	var errs []error
	if h.network.owns(h.name, h.addr) {
		errs = append(errs, h.network.SetName(h.name, netip.Addr{}))
	}
	if link, err := netlink.LinkByName(h.outside()); err == nil {
		errs = append(errs, netlink.LinkDel(link))
	}
	if err := unix.Unmount(h.netns, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		errs = append(errs, fmt.Errorf("cannot release %s: %w", h.netns, err))
	}
	return errors.Join(append(errs, os.RemoveAll(h.netns))...)
}

func (n *Network) owns(name string, addr netip.Addr) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.names[name] == addr
}

// Do runs f with its thread in the host's network namespace: sockets that f opens stay there.
func (h *Host) Do(f func() error) error {
	target, err := os.Open(h.netns)
	if err != nil {
		return fmt.Errorf("cannot open network of %s: %w", h.name, err)
	}
	defer target.Close()
	return inThread(func() error {
		if err := unix.Setns(int(target.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("cannot join network of %s: %w", h.name, err)
		}
		return f()
	})
}

// inThread runs f on a thread that is thrown away, whatever f did to its namespaces.
func inThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread with the goroutine
		done <- f()
	}()
	return <-done
}

// outside is the bridge's end of the host's cable; interface names are limited to 15 bytes (IFNAMSIZ in linux/if.h).
func (h *Host) outside() string {
	last := h.addr.As4()
	return fmt.Sprintf("bed%d-%d", h.network.number, last[3])
}

func (h *Host) create() error {
	if err := os.WriteFile(h.netns, nil, 0o444); err != nil {
		return err
	}
	err := inThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("cannot make network namespace: %w", err)
		}
		return unix.Mount("/proc/thread-self/ns/net", h.netns, "", unix.MS_BIND, "")
	})
	if err != nil {
		return err
	}
	return h.cable()
}

func (h *Host) cable() error {
	ns, err := os.Open(h.netns)
	if err != nil {
		return err
	}
	defer ns.Close()
	attributes := netlink.NewLinkAttrs()
	attributes.Name = h.outside()
	attributes.MasterIndex = h.network.bridge.Attrs().Index
	veth := &netlink.Veth{LinkAttrs: attributes, PeerName: "eth0", PeerNamespace: netlink.NsFd(int(ns.Fd()))}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("cannot lay cable: %w", err)
	}
	if err := netlink.LinkSetUp(veth); err != nil {
		return fmt.Errorf("cannot set cable up: %w", err)
	}
	return h.Do(h.configure)
}

func (h *Host) configure() error {
	for _, name := range []string{"lo", "eth0"} {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("cannot find %s: %w", name, err)
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return fmt.Errorf("cannot set %s up: %w", name, err)
		}
		if name == "lo" {
			continue
		}
		if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: h.network.subnet(h.addr)}); err != nil {
			return fmt.Errorf("cannot set address %s: %w", h.addr, err)
		}
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: h.network.Gateway().AsSlice()}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("cannot set default route: %w", err)
		}
	}
	return nil
}
