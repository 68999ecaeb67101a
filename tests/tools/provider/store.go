package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	garmerrors "github.com/cloudbase/garm-provider-common/errors"
)

const defaultDir = "/cloud"

// store is the directory that is the cloud.
type store struct{ dir string }

type call struct {
	Time     time.Time `json:"time"`
	Command  string    `json:"command"`
	Pool     string    `json:"pool,omitempty"`
	Instance string    `json:"instance,omitempty"`
	Error    string    `json:"error,omitempty"`
}

type fault struct {
	Message string `json:"message"`
	DelayMS int64  `json:"delay_ms"`
}

func openStore(dir string) (store, error) {
	if dir == "" {
		dir = defaultDir
	}
	s := store{dir}
	for _, folder := range []string{"instances", "deleted"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			return s, fmt.Errorf("cannot reach the cloud: %w", err)
		}
	}
	return s, nil
}

func (s store) logCall(c call) error {
	c.Time = time.Now().UTC()
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(s.dir, "calls.jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot write down the call: %w", err)
	}
	// One write, so that calls at the same time do not mix.
	_, err = file.Write(append(line, '\n'))
	return errors.Join(err, file.Close())
}

// fault waits and fails as faults.json says for the command.
func (s store) fault(ctx context.Context, command string) error {
	raw, err := os.ReadFile(filepath.Join(s.dir, "faults.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read the faults: %w", err)
	}
	var faults map[string]fault
	if err := json.Unmarshal(raw, &faults); err != nil {
		return fmt.Errorf("cannot read the faults: %w", err)
	}
	f := faults[command]
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(f.DelayMS) * time.Millisecond):
	}
	if f.Message != "" {
		return errors.New(f.Message)
	}
	return nil
}

// create makes the machine's directory; it appears with everything in it or not at all.
func (s store) create(m machine, files map[string][]byte) error {
	if m.Name != filepath.Base(m.Name) || strings.HasPrefix(m.Name, ".") {
		return fmt.Errorf("cannot create instance %q: not a file name", m.Name)
	}
	if _, err := s.find(m.Name); err == nil {
		return garmerrors.ErrDuplicateEntity
	}
	temp, err := os.MkdirTemp(s.dir, ".new-")
	if err != nil {
		return fmt.Errorf("cannot create instance %s: %w", m.Name, err)
	}
	defer func() { _ = os.RemoveAll(temp) }() // there only when something failed
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	files["instance.json"] = raw
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(temp, name), content, 0o600); err != nil {
			return fmt.Errorf("cannot create instance %s: %w", m.Name, err)
		}
	}
	return os.Rename(temp, s.path(m.Name))
}

func (s store) path(name string) string { return filepath.Join(s.dir, "instances", name) }

func (s store) save(m machine) error {
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	temp := filepath.Join(s.path(m.Name), ".instance.json")
	if err := os.WriteFile(temp, raw, 0o600); err != nil {
		return fmt.Errorf("cannot change instance %s: %w", m.Name, err)
	}
	return os.Rename(temp, filepath.Join(s.path(m.Name), "instance.json"))
}

// remove keeps what is known of the machine, for tests that look at it later.
func (s store) remove(name string) error {
	gone := filepath.Join(s.dir, "deleted", name)
	if err := os.RemoveAll(gone); err != nil {
		return fmt.Errorf("cannot delete instance %s: %w", name, err)
	}
	err := os.Rename(s.path(name), gone)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot delete instance %s: %w", name, err)
	}
	return nil
}

// machines returns all machines, by name.
func (s store) machines() ([]machine, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "instances"))
	if err != nil {
		return nil, fmt.Errorf("cannot list instances: %w", err)
	}
	var all []machine
	for _, entry := range entries {
		raw, err := os.ReadFile(filepath.Join(s.path(entry.Name()), "instance.json"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since the directory was read
		}
		if err != nil {
			return nil, fmt.Errorf("cannot list instances: %w", err)
		}
		var m machine
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, fmt.Errorf("cannot read instance %s: %w", entry.Name(), err)
		}
		all = append(all, m)
	}
	return all, nil
}

// find returns the machine with this name or provider id.
func (s store) find(instance string) (machine, error) {
	all, err := s.machines()
	if err != nil {
		return machine{}, err
	}
	for _, m := range all {
		if m.Name == instance || m.ProviderID == instance {
			return m, nil
		}
	}
	return machine{}, fmt.Errorf("cannot find instance %s: %w", instance, garmerrors.ErrNotFound)
}
