package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/garm-charms/garm-charms/tests/runner/internal/record"
)

// snapd is what the snap daemon keeps between calls.
type snapd struct {
	Installed []string
	Settings  map[string]map[string]string // by snap
}

func snap(args []string, o record.Options) error {
	if len(args) == 0 {
		return errors.New("missing command")
	}
	state, err := loadSnapd(o)
	if err != nil {
		return err
	}
	names := words(args[1:])
	switch args[0] {
	case "list":
		return state.list(names)
	case "watch", "wait":
		return nil
	}
	if err := needRoot(); err != nil {
		return err
	}
	return errors.Join(state.change(args[0], names, o), state.save())
}

// change carries out a command of root's.
func (s *snapd) change(command string, names []string, o record.Options) error {
	switch command {
	case "install":
		return s.install(names, o)
	case "set":
		return s.set(names, o)
	case "start", "enable":
		return s.list(names)
	case "refresh":
		return nil
	}
	return fmt.Errorf("unknown command %q", command)
}

func snapdFile() string { return filepath.Join(record.Dir, "snapd.json") }

func loadSnapd(o record.Options) (*snapd, error) {
	s := &snapd{Installed: o.Installed, Settings: map[string]map[string]string{}}
	text, err := os.ReadFile(snapdFile())
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	return s, json.Unmarshal(text, s)
}

func (s *snapd) save() error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.WriteFile(snapdFile(), text, 0o644)
}

func (s *snapd) list(names []string) error {
	for _, name := range names {
		if !slices.Contains(s.Installed, name) {
			return fmt.Errorf("no matching snaps installed: %s", name)
		}
	}
	return nil
}

func (s *snapd) install(names []string, o record.Options) error {
	if o.StoreDown || o.StoreBehindProxy && s.Settings["system"]["proxy.https"] == "" {
		return errors.New("cannot reach the store: context deadline exceeded")
	}
	for _, name := range names {
		if !slices.Contains(s.Installed, name) {
			s.Installed = append(s.Installed, name)
		}
	}
	return nil
}

func (s *snapd) set(words []string, o record.Options) error {
	if len(words) < 2 {
		return errors.New("missing snap or setting")
	}
	name := words[0]
	if name != "system" {
		if err := s.list(words[:1]); err != nil {
			return err
		}
	}
	if s.Settings[name] == nil {
		s.Settings[name] = map[string]string{}
	}
	for _, word := range words[1:] {
		key, value, found := strings.Cut(word, "=")
		if !found {
			return fmt.Errorf("invalid configuration: %q (want key=value)", word)
		}
		s.Settings[name][key] = value
	}
	if name == aproxyName && !o.AproxyDeaf {
		return s.restartAproxy()
	}
	return nil
}

// restartAproxy does what the snap's configure hook does, and like it does not wait until the service listens.
func (s *snapd) restartAproxy() error {
	if err := stop(aproxyName); err != nil {
		return err
	}
	journal, err := openJournal(aproxyName)
	if err != nil {
		return err
	}
	defer journal.Close()
	cmd := exec.Command("/proc/self/exe", s.Settings[aproxyName]["listen"], s.Settings[aproxyName]["proxy"])
	cmd.Args[0] = aproxyName
	cmd.Env = []string{}
	cmd.Stdout, cmd.Stderr = journal, journal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	return os.WriteFile(pidFile(aproxyName), []byte(strconv.Itoa(cmd.Process.Pid)), 0o644)
}

// stop kills a service, if it was started, and waits until it is gone, as systemd does before it starts one again: it has
// its port till then.
func stop(name string) error {
	text, err := os.ReadFile(pidFile(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for {
		err := syscall.Kill(int(number(string(text))), syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return nil
		}
		if err != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func openJournal(name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(record.Dir, name+".journal"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
}
