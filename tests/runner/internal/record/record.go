// Package record is what the stand-in programs of a booted machine and the test that booted it tell each other, by files
// in one directory. It must not know what the programs do.
package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Dir is where the machine has the directory.
const Dir = "/run/machine"

// Step is one thing that ran on the machine.
type Step struct {
	// Program is "cloud-init" for a step of cloud-init, else the name of a program that a machine has and a sandbox has not.
	Program string
	// Args are a stand-in's arguments, or the module and what it was given of a cloud-init step.
	Args []string
	// User is who ran it.
	User string
	// ExitCode is what it ended with.
	ExitCode int
	// Env is what it was run with.
	Env map[string]string
	// Output is what a step of cloud-init printed.
	Output string
}

// Options are how the stand-ins behave.
type Options struct {
	// StoreDown: no snap can be installed.
	StoreDown bool
	// StoreBehindProxy: no snap can be installed before snapd was told its proxy.
	StoreBehindProxy bool
	// Installed are the snaps that the image has.
	Installed []string
	// AproxyDeaf: aproxy starts, and does not listen.
	AproxyDeaf bool
	// AptFailures is how many times apt-get fails before it works.
	AptFailures int
	// Active are the services that run since boot.
	Active []string
}

// Create makes the directory, so that every user of the machine can write to it. Nothing runs yet, whatever a machine that
// had the directory before has left there.
func Create(dir string, o Options) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot make directory of machine: %w", err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		return fmt.Errorf("cannot open directory of machine: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.pid"))
	if err != nil {
		return err
	}
	for _, file := range left {
		if err := os.Remove(file); err != nil {
			return fmt.Errorf("cannot clear directory of machine: %w", err)
		}
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "options.json"), text, 0o644); err != nil {
		return fmt.Errorf("cannot write options of machine: %w", err)
	}
	steps := filepath.Join(dir, "steps.jsonl")
	if err := os.WriteFile(steps, nil, 0o644); err != nil {
		return fmt.Errorf("cannot make record of machine: %w", err)
	}
	return os.Chmod(steps, 0o666)
}

// ReadOptions returns what Create was given.
func ReadOptions(dir string) (Options, error) {
	var o Options
	text, err := os.ReadFile(filepath.Join(dir, "options.json"))
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil {
		return o, fmt.Errorf("cannot read options of machine: %w", err)
	}
	return o, nil
}

// Environment is a list of KEY=value as a map.
func Environment(list []string) map[string]string {
	env := map[string]string{}
	for _, v := range list {
		key, value, _ := strings.Cut(v, "=")
		env[key] = value
	}
	return env
}

// Append adds a step. One write of a line to a file opened for appending does not mix with others.
func Append(dir string, s Step) error {
	line, err := json.Marshal(s)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(dir, "steps.jsonl"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("cannot record step: %w", err)
	}
	_, err = file.Write(append(line, '\n'))
	return errors.Join(err, file.Close())
}

// Read returns the steps in the order in which they ended. A machine that did not boot has none.
func Read(dir string) ([]Step, error) {
	text, err := os.ReadFile(filepath.Join(dir, "steps.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read steps of machine: %w", err)
	}
	var steps []Step
	for line := range bytes.Lines(text) {
		var s Step
		if err := json.Unmarshal(line, &s); err != nil {
			return nil, fmt.Errorf("cannot read steps of machine: %w", err)
		}
		steps = append(steps, s)
	}
	return steps, nil
}
