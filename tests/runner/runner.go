// Package runner boots the machine of a GitHub Actions runner from the user data that a cloud was given: in a sandbox, with
// the scripts of cloud-init, of GARM and of the charms run for real. It must not know what they should do, and its
// stand-ins are only for what a virtual machine has and a sandbox has not: see standin and actions-runner.
//
// The sandbox shows the machine's own tools, so that needs bash, ca-certificates, curl, iproute2, jq, nftables, procps, socat,
// sudo and util-linux (Debian's packages), and root.
package runner

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/garm-charms/garm-charms/tests/runner/internal/record"
	"github.com/garm-charms/garm-charms/tests/sandbox"
)

// Config describes a machine to boot.
type Config struct {
	// Dir keeps what the machine writes. It is made when missing and must be on a real file system. What another machine,
	// which is closed, has left there is this one's image.
	Dir string
	// Network is what the machine is attached to, as a new host.
	Network *sandbox.Network
	// Name is the machine's host name.
	Name string
	// UserData is cloud-init's configuration, as recorded by the cloud.
	UserData []byte
	// Baked has the runner application in the image, unpacked in /home/runner/actions-runner.
	Baked bool
	// Docker has docker in the image, and running.
	Docker bool
	// Snap is how snapd behaves.
	Snap Snap
	// AptFailures is how many times apt-get fails before it works.
	AptFailures int
	// Without are programs that the image lacks, like "jq".
	Without []string
	// Prepare is a shell script that root runs before cloud-init does anything: what else is in the image.
	Prepare string
}

// Snap is how the machine's snapd behaves. The zero Snap reaches the store and has nothing installed.
type Snap struct {
	// Absent: the image has no snapd.
	Absent bool
	// StoreDown: nothing can be installed.
	StoreDown bool
	// StoreBehindProxy: nothing can be installed before snapd was told its proxy.
	StoreBehindProxy bool
	// Installed are the snaps in the image.
	Installed []string
	// AproxyDeaf: aproxy does not listen.
	AproxyDeaf bool
}

// Step is one thing that ran on the machine: a step of cloud-init, a call of a stand-in, or a connection that came through
// aproxy (its arguments are where it was going to and the name that the client gave).
type Step = record.Step

// Machine is a booted machine.
type Machine struct {
	hostname string
	dir      string
	host     *sandbox.Host
	first    *exec.Cmd
	hold     *os.File // closing it ends the machine
	log      *os.File
	binds    []string // mount points, which are the sandbox's and not written by the boot
	jobs     int
}

// path is the search path of root's processes.
const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"

// Boot starts the machine and runs cloud-init on it. It returns when the last command of the user data has ended, whatever
// its exit code: see Ran. An error is about the sandbox or about user data that cloud-init would not read; then
// nothing is left running.
func Boot(ctx context.Context, c Config) (*Machine, error) {
	modules, err := parseUserData(c.UserData)
	if err != nil {
		return nil, fmt.Errorf("cannot boot %s: %w", c.Name, err)
	}
	m := &Machine{hostname: c.Name, dir: c.Dir}
	if err := m.boot(ctx, c, modules); err != nil {
		return nil, fmt.Errorf("cannot boot %s: %w", c.Name, errors.Join(err, m.Close()))
	}
	return m, nil
}

func (m *Machine) boot(ctx context.Context, c Config, modules []module) error {
	if err := m.start(ctx, c); err != nil {
		return err
	}
	if err := m.prepare(ctx, c); err != nil {
		return err
	}
	for _, do := range modules {
		if err := m.run(ctx, do); err != nil {
			return err
		}
	}
	return nil
}

func (m *Machine) start(ctx context.Context, c Config) error {
	services := []string{"snapd"}
	if c.Docker {
		services = append(services, "docker")
	}
	err := record.Create(m.shared(), record.Options{
		StoreDown: c.Snap.StoreDown, StoreBehindProxy: c.Snap.StoreBehindProxy, Installed: c.Snap.Installed,
		AproxyDeaf: c.Snap.AproxyDeaf, AptFailures: c.AptFailures, Active: services,
	})
	if err != nil {
		return err
	}
	program, err := buildStandin(ctx, m.dir)
	if err != nil {
		return err
	}
	if m.log, err = os.OpenFile(filepath.Join(m.dir, "console.log"), os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644); err != nil {
		return fmt.Errorf("cannot open console: %w", err)
	}
	if m.host, err = c.Network.AddHost(c.Name); err != nil {
		return err
	}
	binds := []sandbox.Bind{{Source: m.shared(), Target: record.Dir}}
	for _, name := range standins(c) {
		binds = append(binds, sandbox.Bind{Source: program, Target: "/usr/bin/" + name, ReadOnly: true})
	}
	return m.launch(sandbox.Spec{
		Lower: "/", Upper: filepath.Join(m.dir, "tree"), Binds: binds, Host: m.host, Hostname: c.Name, PIDs: true,
	})
}

// launch starts the sandbox and waits until it is set up. Its first process lives until its standard input is closed.
func (m *Machine) launch(spec sandbox.Spec) error {
	m.binds = []string{"/etc/hosts", "/etc/resolv.conf"} // the network's
	for _, b := range spec.Binds {
		m.binds = append(m.binds, b.Target)
	}
	cmd := sandbox.Command(context.Background(), spec, "/bin/sh", "-c", "echo up; cat >/dev/null")
	cmd.Env = []string{"PATH=" + path}
	cmd.Stderr = m.log
	stdin, hold, err := os.Pipe()
	if err != nil {
		return err
	}
	defer stdin.Close()
	m.hold, cmd.Stdin = hold, stdin
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot start sandbox: %w", err)
	}
	m.first = cmd
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "up\n" {
		return fmt.Errorf("cannot set up sandbox: %s", m.Log())
	}
	return nil
}

// standins are the programs of the image that a sandbox cannot have.
func standins(c Config) []string {
	names := []string{"systemctl", "apt-get"}
	if !c.Snap.Absent {
		names = append(names, "snap")
	}
	if c.Docker {
		names = append(names, "docker")
	}
	return names
}

func buildStandin(ctx context.Context, dir string) (string, error) {
	out := filepath.Join(dir, "standin")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, "github.com/garm-charms/garm-charms/tests/runner/standin")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build stand-ins: %w\n%s", err, text)
	}
	return out, nil
}

// prepare makes the image: what is in it, and what of the lower tree is not.
func (m *Machine) prepare(ctx context.Context, c Config) error {
	// What an earlier machine's runner has written down of itself is not this one's.
	script := "set -e\nrm -f " + runnerHome + "/_diag/environment\n"
	missing := c.Without
	if !c.Docker {
		missing = append(missing, "docker")
	}
	for _, name := range missing {
		// A program can be in several directories of the search path.
		script += "for file in $(which -a " + shellWord(name) + "); do rm -f \"$file\"; done\n"
	}
	if err := m.must(ctx, script+c.Prepare, nil); err != nil {
		return err
	}
	if !c.Baked {
		return nil
	}
	archive, err := Tarball()
	if err != nil {
		return err
	}
	return m.must(ctx, "set -e\n"+addUser(defaultUser())+
		"mkdir /home/runner/actions-runner\ntar xz -C /home/runner/actions-runner\nchown -R runner:runner /home/runner/actions-runner\n", archive)
}

// must runs a script of the sandbox's own as root.
func (m *Machine) must(ctx context.Context, script string, stdin []byte) error {
	cmd := m.Command(ctx, "root", "/bin/sh", "-c", script)
	cmd.Stdin = strings.NewReader(string(stdin))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot prepare machine: %w\n%s", err, out)
	}
	return nil
}

// Command is exec.CommandContext on the machine, as one of its users, in "/".
func (m *Machine) Command(ctx context.Context, user string, argv ...string) *exec.Cmd {
	args := []string{"--target", strconv.Itoa(m.first.Process.Pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--"}
	if user != "root" {
		args = append(args, "runuser", "-u", user, "--")
	}
	cmd := exec.CommandContext(ctx, "nsenter", append(args, argv...)...)
	cmd.Env = []string{"PATH=" + path, "LANG=C.UTF-8"}
	return cmd
}

// Name is the machine's host name.
func (m *Machine) Name() string { return m.hostname }

// Addr is the machine's address on its network.
func (m *Machine) Addr() string { return m.host.Addr().String() }

// Close ends the machine and all its processes. What it wrote stays in its directory. A second Close does nothing.
func (m *Machine) Close() error {
	defer func() { m.hold, m.first, m.host, m.log = nil, nil, nil, nil }()
	var errs []error
	if m.hold != nil {
		errs = append(errs, m.hold.Close())
	}
	if m.first != nil {
		if err := m.first.Wait(); err != nil {
			errs = append(errs, fmt.Errorf("cannot end machine: %w", err))
		}
	}
	if m.host != nil {
		errs = append(errs, m.host.Close())
	}
	if m.log != nil {
		errs = append(errs, m.log.Close())
	}
	return errors.Join(errs...)
}

func (m *Machine) shared() string { return filepath.Join(m.dir, "shared") }

func shellWord(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
