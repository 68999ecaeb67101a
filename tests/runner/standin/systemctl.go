package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/garm-charms/garm-charms/tests/runner/internal/record"
)

func systemctl(args []string, o record.Options) error {
	plain := words(args)
	if len(plain) == 0 {
		return errors.New("missing command")
	}
	command, units := plain[0], plain[1:]
	if command == "is-active" {
		return areActive(units, o)
	}
	if err := needRoot(); err != nil {
		return err
	}
	switch command {
	case "daemon-reload":
		return nil
	case "enable":
		if slices.Contains(args, "--now") {
			return each(units, o, start)
		}
		return each(units, o, exists)
	case "start":
		return each(units, o, start)
	case "restart":
		return each(units, o, restart)
	}
	return fmt.Errorf("unknown command %q", command)
}

func each(units []string, o record.Options, do func(name string, o record.Options) error) error {
	for _, name := range units {
		if err := do(strings.TrimSuffix(name, ".service"), o); err != nil {
			return err
		}
	}
	return nil
}

func unitFile(name string) string { return filepath.Join("/etc/systemd/system", name+".service") }

func exists(name string, o record.Options) error {
	if slices.Contains(o.Active, name) {
		return nil
	}
	if _, err := os.Stat(unitFile(name)); err != nil {
		return fmt.Errorf("unit %s.service not found", name)
	}
	return nil
}

func pidFile(name string) string { return filepath.Join(record.Dir, name+".pid") }

// restart starts a unit that may run already.
func restart(name string, o record.Options) error {
	if err := stop(name); err != nil {
		return err
	}
	return start(name, o)
}

func areActive(units []string, o record.Options) error {
	return each(units, o, func(name string, o record.Options) error {
		if slices.Contains(o.Active, name) {
			return nil
		}
		pid, err := os.ReadFile(pidFile(name))
		if err == nil {
			_, err = os.Stat("/proc/" + string(pid))
		}
		if err != nil {
			return fmt.Errorf("inactive")
		}
		return nil
	})
}

// service is what the stand-in heeds of a unit file: systemd.exec(5), systemd.service(5).
type service struct {
	command []string
	user    string
	dir     string
	env     []string
}

func readUnit(name string) (service, error) {
	text, err := os.ReadFile(unitFile(name))
	if err != nil {
		return service{}, fmt.Errorf("unit %s.service not found", name)
	}
	s := service{user: "root", dir: "/"}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "ExecStart":
			s.command = strings.Fields(value)
		case "User":
			s.user = value
		case "WorkingDirectory":
			s.dir = value
		case "Environment":
			s.env = append(s.env, value)
		}
	}
	if len(s.command) == 0 {
		return service{}, fmt.Errorf("unit %s.service has no ExecStart", name)
	}
	return s, nil
}

// start runs a unit's command in the background, as its user and with the environment that systemd gives it.
func start(name string, o record.Options) error {
	if slices.Contains(o.Active, name) {
		return nil
	}
	s, err := readUnit(name)
	if err != nil {
		return err
	}
	account, credential, err := credentials(s.user)
	if err != nil {
		return err
	}
	journal, err := openJournal(name)
	if err != nil {
		return err
	}
	defer journal.Close()
	cmd := exec.Command(s.command[0], s.command[1:]...)
	cmd.Dir = s.dir
	cmd.Env = append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin", "LANG=C.UTF-8",
		"HOME=" + account.HomeDir, "USER=" + s.user, "LOGNAME=" + s.user, "SHELL=/bin/bash",
	}, s.env...)
	cmd.Stdout, cmd.Stderr = journal, journal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: credential}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("job for %s.service failed: %w", name, err)
	}
	return os.WriteFile(pidFile(name), []byte(strconv.Itoa(cmd.Process.Pid)), 0o644)
}

func credentials(name string) (*user.User, *syscall.Credential, error) {
	account, err := user.Lookup(name)
	if err != nil {
		return nil, nil, err
	}
	groups, err := account.GroupIds()
	if err != nil {
		return nil, nil, err
	}
	credential := &syscall.Credential{Uid: number(account.Uid), Gid: number(account.Gid)}
	for _, g := range groups {
		credential.Groups = append(credential.Groups, number(g))
	}
	return account, credential, nil
}

// number is an id of /etc/passwd or /etc/group, which os/user has checked.
func number(id string) uint32 {
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		panic(err)
	}
	return uint32(n)
}
