package runner

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
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

func parseUserData(text []byte) (userData, error) {
	const head = "#cloud-config\n"
	var u userData
	if !bytes.HasPrefix(text, []byte(head)) {
		return u, fmt.Errorf("cannot read user data: it does not begin with %q", head)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&u); err != nil {
		return u, fmt.Errorf("cannot read user data: %w", err)
	}
	if u.SystemInfo.DefaultUser.Name == "" {
		return u, errors.New("cannot read user data: it has no default user")
	}
	return u, nil
}

// initialise runs cloud-init's modules in its order (cloud-init 24.1, config/cloud.cfg): files, certificates, users,
// packages, commands. A command that fails does not stop the next.
func (m *Machine) initialise(ctx context.Context, u userData) error {
	for _, f := range u.WriteFiles {
		if err := m.write(ctx, f); err != nil {
			return err
		}
	}
	if err := m.trust(ctx, u.CACerts.Trusted); err != nil {
		return err
	}
	if err := m.step(ctx, addUser(u.SystemInfo.DefaultUser), nil, "users", u.SystemInfo.DefaultUser.Name); err != nil {
		return err
	}
	if u.PackageUpgrade || len(u.Packages) > 0 {
		// The machine has its packages; that they were asked for is all that is recorded.
		args := append([]string{"packages"}, u.Packages...)
		if u.PackageUpgrade {
			args = append(args, "--upgrade")
		}
		if err := m.step(ctx, "true", nil, args...); err != nil {
			return err
		}
	}
	for _, line := range u.RunCmd {
		if err := m.step(ctx, line, nil, "runcmd", line); err != nil {
			return err
		}
	}
	return nil
}

func (m *Machine) write(ctx context.Context, f writeFile) error {
	content := []byte(f.Content)
	switch f.Encoding {
	case "":
	case "b64":
		var err error
		if content, err = base64.StdEncoding.DecodeString(f.Content); err != nil {
			return fmt.Errorf("cannot decode %s of user data: %w", f.Path, err)
		}
	default:
		return fmt.Errorf("cannot decode %s of user data: unknown encoding %q", f.Path, f.Encoding)
	}
	file := shellWord(f.Path)
	script := fmt.Sprintf("set -e\nmkdir -p \"$(dirname %s)\"\ncat >%s\nchown %s %s\nchmod %s %s\n",
		file, file, shellWord(f.Owner), file, shellWord(f.Permissions), file)
	return m.step(ctx, script, content, "write_files", f.Path)
}

func (m *Machine) trust(ctx context.Context, certificates []string) error {
	if len(certificates) == 0 {
		return nil
	}
	var script strings.Builder
	script.WriteString("set -e\nmkdir -p /usr/local/share/ca-certificates\n")
	for i, certificate := range certificates {
		fmt.Fprintf(&script, "printf %%s %s >/usr/local/share/ca-certificates/cloud-init-ca-cert-%d.crt\n", shellWord(certificate), i+1)
	}
	return m.step(ctx, script.String()+"update-ca-certificates\n", nil, "ca-certs")
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

// step runs a script as root, with its output on the console, and records it.
func (m *Machine) step(ctx context.Context, script string, stdin []byte, args ...string) error {
	fmt.Fprintf(m.log, "cloud-init: %s\n", strings.Join(args, " "))
	from, err := m.log.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("cannot read console: %w", err)
	}
	cmd := m.Command(ctx, "root", "/bin/sh", "-c", script)
	cmd.Stdin = bytes.NewReader(stdin)
	// A file, not a pipe: what the script leaves in the background may keep it open.
	cmd.Stdout, cmd.Stderr = m.log, m.log
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		return fmt.Errorf("cannot run %s of cloud-init: %w", args[0], errors.Join(err, ctx.Err()))
	}
	env := map[string]string{}
	for _, v := range cmd.Env {
		key, value, _ := strings.Cut(v, "=")
		env[key] = value
	}
	return record.Append(m.shared(), Step{
		Program: "cloud-init", Args: args, User: "root", ExitCode: cmd.ProcessState.ExitCode(), Env: env,
		Output: string(m.Log()[from:]),
	})
}
