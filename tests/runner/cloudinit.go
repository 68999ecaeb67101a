package runner

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/garm-charms/garm-charms/tests/runner/internal/record"
)

// userData is cloud-init's configuration, with all that garm-provider-common's cloudconfig package may write: anything
// else is refused.
type userData struct {
	Users             []string `yaml:"users"`
	PackageUpgrade    bool     `yaml:"package_upgrade"`
	Packages          []string `yaml:"packages"`
	SSHAuthorizedKeys []string `yaml:"ssh_authorized_keys"`
	SystemInfo        struct {
		DefaultUser account `yaml:"default_user"`
	} `yaml:"system_info"`
	RunCmd     []string    `yaml:"runcmd"`
	WriteFiles []writeFile `yaml:"write_files"`
	CACerts    struct {
		RemoveDefaults bool     `yaml:"remove-defaults"`
		Trusted        []string `yaml:"trusted"`
	} `yaml:"ca-certs"`
}

type account struct {
	Name   string   `yaml:"name"`
	Home   string   `yaml:"home"`
	Shell  string   `yaml:"shell"`
	Groups []string `yaml:"groups"`
	Sudo   string   `yaml:"sudo"`
}

type writeFile struct {
	Encoding    string `yaml:"encoding"`
	Content     string `yaml:"content"`
	Owner       string `yaml:"owner"`
	Path        string `yaml:"path"`
	Permissions string `yaml:"permissions"`
}

// defaultUser is the one that a baked image has the runner application of.
func defaultUser() account { return account{Name: "runner", Home: "/home/runner", Shell: "/bin/bash"} }

// parseUserData returns what cloud-init does with a configuration.
func parseUserData(text []byte) ([]module, error) {
	const head = "#cloud-config\n"
	var u userData
	if !bytes.HasPrefix(text, []byte(head)) {
		return nil, fmt.Errorf("cannot read user data: it does not begin with %q", head)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&u); err != nil {
		return nil, fmt.Errorf("cannot read user data: %w", err)
	}
	if u.SystemInfo.DefaultUser.Name == "" {
		return nil, errors.New("cannot read user data: it has no default user")
	}
	return u.modules()
}

// module is one thing that a module of cloud-init does, as a script that root runs.
type module struct {
	args   []string // the module's name and what it is given
	script string
	stdin  []byte
}

// modules returns what cloud-init does, in its order (cloud-init 24.1, config/cloud.cfg): files, certificates, users,
// packages, commands.
func (u userData) modules() ([]module, error) {
	var list []module
	for _, f := range u.WriteFiles {
		m, err := f.module()
		if err != nil {
			return nil, fmt.Errorf("cannot read user data: %w", err)
		}
		list = append(list, m)
	}
	if certificates := u.CACerts.Trusted; len(certificates) > 0 {
		list = append(list, module{args: []string{"ca-certs"}, script: trust(certificates)})
	}
	list = append(list, module{args: []string{"users", u.SystemInfo.DefaultUser.Name}, script: addUser(u.SystemInfo.DefaultUser)})
	// The machine has its packages; that they were asked for is all that is recorded.
	if args := u.packages(); len(args) > 0 {
		list = append(list, module{args: append([]string{"packages"}, args...), script: "true"})
	}
	for _, line := range u.RunCmd {
		list = append(list, module{args: []string{"runcmd", line}, script: line})
	}
	return list, nil
}

func (u userData) packages() []string {
	if u.PackageUpgrade {
		return append([]string{"--upgrade"}, u.Packages...)
	}
	return u.Packages
}

func (f writeFile) module() (module, error) {
	content := []byte(f.Content)
	switch f.Encoding {
	case "":
	case "b64":
		var err error
		if content, err = base64.StdEncoding.DecodeString(f.Content); err != nil {
			return module{}, fmt.Errorf("cannot decode file %s: %w", f.Path, err)
		}
	default:
		return module{}, fmt.Errorf("cannot decode file %s: unknown encoding %q", f.Path, f.Encoding)
	}
	file := shellWord(f.Path)
	script := fmt.Sprintf("set -e\nmkdir -p \"$(dirname %s)\"\ncat >%s\nchown %s %s\nchmod %s %s\n",
		file, file, shellWord(f.Owner), file, shellWord(f.Permissions), file)
	return module{args: []string{"write_files", f.Path}, script: script, stdin: content}, nil
}

func trust(certificates []string) string {
	var script strings.Builder
	script.WriteString("set -e\nmkdir -p /usr/local/share/ca-certificates\n")
	for i, certificate := range certificates {
		fmt.Fprintf(&script, "printf %%s %s >/usr/local/share/ca-certificates/cloud-init-ca-cert-%d.crt\n", shellWord(certificate), i+1)
	}
	return script.String() + "update-ca-certificates\n"
}

// addUser is a script that makes the default user as cloud-init does. One that the image has stays as it is, but for
// its groups and what it may do.
func addUser(a account) string {
	name := shellWord(a.Name)
	script := fmt.Sprintf("id %s >/dev/null 2>&1 || useradd --create-home --user-group --home-dir %s --shell %s %s\n",
		name, shellWord(a.Home), shellWord(a.Shell), name)
	for _, group := range a.Groups {
		script += fmt.Sprintf("getent group %s >/dev/null || groupadd %s\nusermod --append --groups %s %s\n",
			shellWord(group), shellWord(group), shellWord(group), name)
	}
	if a.Sudo != "" {
		script += fmt.Sprintf("printf '%%s %%s\\n' %s %s >/etc/sudoers.d/90-cloud-init-users\nchmod 0440 /etc/sudoers.d/90-cloud-init-users\n",
			name, shellWord(a.Sudo))
	}
	return script
}

// run runs a module with its output on the console, and records it. A script that fails is recorded like any other, and
// does not stop cloud-init.
func (m *Machine) run(ctx context.Context, do module) error {
	if _, err := fmt.Fprintf(m.log, "cloud-init: %s\n", strings.Join(do.args, " ")); err != nil {
		return fmt.Errorf("cannot write console: %w", err)
	}
	from := len(m.Log())
	cmd := m.Command(ctx, "root", "/bin/sh", "-c", do.script)
	cmd.Stdin = bytes.NewReader(do.stdin)
	// A file, not a pipe: what the script leaves in the background may keep it open.
	cmd.Stdout, cmd.Stderr = m.log, m.log
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		return fmt.Errorf("cannot run %s of cloud-init: %w", do.args[0], errors.Join(err, ctx.Err()))
	}
	return record.Append(m.shared(), Step{
		Program: "cloud-init", Args: do.args, User: "root", ExitCode: cmd.ProcessState.ExitCode(),
		Env: record.Environment(cmd.Env), Output: string(m.Log()[from:]),
	})
}
