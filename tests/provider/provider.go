// Package provider reads what the test cloud was asked to boot, and makes it fail. It must not run the cloud: that is a
// program of its own, tests/tools/provider, which GARM runs and which writes the directory that this package reads.
package provider

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Cloud is a directory that the provider has as its /cloud.
type Cloud struct{ dir string }

// Open makes the directory when it is missing; the provider and this package may come first, in either order.
func Open(dir string) (Cloud, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Cloud{}, fmt.Errorf("cannot open the cloud: %w", err)
	}
	return Cloud{dir}, nil
}

// Dir is the directory, to be bound to /cloud where the provider runs.
func (c Cloud) Dir() string { return c.dir }

// Bootstrap is what GARM sent (garm-provider-common params/params.go, BootstrapInstance), without what nobody needs.
// InstanceToken is a secret.
type Bootstrap struct {
	Name              string          `json:"name"`
	RepoURL           string          `json:"repo_url"`
	CallbackURL       string          `json:"callback-url"`
	MetadataURL       string          `json:"metadata-url"`
	InstanceToken     string          `json:"instance-token"`
	ExtraSpecs        json.RawMessage `json:"extra_specs"`
	GitHubRunnerGroup string          `json:"github-runner-group"`
	CACertBundle      []byte          `json:"ca-cert-bundle"`
	OSArch            string          `json:"arch"`
	OSType            string          `json:"os_type"`
	Flavor            string          `json:"flavor"`
	Image             string          `json:"image"`
	Labels            []string        `json:"labels"`
	PoolID            string          `json:"pool_id"`
	JitConfigEnabled  bool            `json:"jit_config_enabled"`
}

// PreInstallScripts are the scripts in the extra specs by name, decoded.
func (b Bootstrap) PreInstallScripts() (map[string]string, error) {
	var specs struct {
		Scripts map[string]string `json:"pre_install_scripts"`
	}
	if err := json.Unmarshal(b.ExtraSpecs, &specs); err != nil {
		return nil, fmt.Errorf("cannot read the extra specs of %s: %w", b.Name, err)
	}
	for name, encoded := range specs.Scripts {
		script, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, fmt.Errorf("cannot read pre-install script %s of %s: %w", name, b.Name, err)
		}
		specs.Scripts[name] = string(script)
	}
	return specs.Scripts, nil
}

// Instance is a machine that the cloud has, or had.
type Instance struct {
	Name       string
	ProviderID string
	Status     string // "running" or "stopped"
	Bootstrap  Bootstrap
	UserData   string            // what the machine boots with: cloud-init's configuration; holds the instance token
	Env        map[string]string // environment of the call that created it
	Config     string            // the provider's configuration file (TOML) at that moment
	Clouds     string            // clouds.yaml at that moment; holds the password
	Created    time.Time
}

// Instances returns the machines that exist, by name.
func (c Cloud) Instances() ([]Instance, error) { return c.list("instances") }

// Deleted returns the machines that were deleted, by name.
func (c Cloud) Deleted() ([]Instance, error) { return c.list("deleted") }

// Instance returns a machine that exists; the error is fs.ErrNotExist when it does not.
func (c Cloud) Instance(name string) (Instance, error) {
	return readInstance(filepath.Join(c.dir, "instances", name))
}

func (c Cloud) list(folder string) ([]Instance, error) {
	entries, err := os.ReadDir(filepath.Join(c.dir, folder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot list the cloud's instances: %w", err)
	}
	var all []Instance
	for _, entry := range entries {
		instance, err := readInstance(filepath.Join(c.dir, folder, entry.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since the directory was read
		}
		if err != nil {
			return nil, err
		}
		all = append(all, instance)
	}
	return all, nil
}

func readInstance(dir string) (Instance, error) {
	fail := func(err error) (Instance, error) {
		return Instance{}, fmt.Errorf("cannot read instance %s: %w", filepath.Base(dir), err)
	}
	info, err := os.Stat(filepath.Join(dir, "bootstrap.json"))
	if err != nil {
		return fail(err)
	}
	i := Instance{Created: info.ModTime()}
	var state struct {
		Name       string `json:"name"`
		ProviderID string `json:"provider_id"`
		Status     string `json:"status"`
	}
	for name, value := range map[string]any{"bootstrap.json": &i.Bootstrap, "env.json": &i.Env, "instance.json": &state} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return fail(err)
		}
		if err := json.Unmarshal(raw, value); err != nil {
			return fail(err)
		}
	}
	i.Name, i.ProviderID, i.Status = state.Name, state.ProviderID, state.Status
	for name, text := range map[string]*string{"user-data": &i.UserData, "provider.toml": &i.Config, "clouds.yaml": &i.Clouds} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return fail(err)
		}
		*text = string(raw)
	}
	return i, nil
}

// Call is one call that GARM made; Error is what the provider answered, "" for success.
type Call struct {
	Time     time.Time `json:"time"`
	Command  string    `json:"command"` // "CreateInstance" and so on: garm-provider-common execution/common/commands.go
	Pool     string    `json:"pool"`
	Instance string    `json:"instance"` // name, or provider id where GARM knows it
	Error    string    `json:"error"`
}

// Calls returns all calls in the order in which they ended.
func (c Cloud) Calls() ([]Call, error) {
	raw, err := os.ReadFile(filepath.Join(c.dir, "calls.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the cloud's calls: %w", err)
	}
	var calls []Call
	for line := range bytes.Lines(raw) {
		var call Call
		if err := json.Unmarshal(line, &call); err != nil {
			return nil, fmt.Errorf("cannot read the cloud's calls: %w", err)
		}
		calls = append(calls, call)
	}
	return calls, nil
}

// Fault is what happens to a command instead of, or before, its work.
type Fault struct {
	Message string        // the error it fails with; "" does the work after the delay
	Delay   time.Duration // whole milliseconds
}

// SetFaults replaces the faults, by command; nil is none.
func (c Cloud) SetFaults(faults map[string]Fault) error {
	type record struct {
		Message string `json:"message"`
		DelayMS int64  `json:"delay_ms"`
	}
	records := map[string]record{}
	for command, fault := range faults {
		records[command] = record{fault.Message, fault.Delay.Milliseconds()}
	}
	raw, err := json.Marshal(records)
	if err != nil {
		return fmt.Errorf("cannot set the cloud's faults: %w", err)
	}
	temp := filepath.Join(c.dir, ".faults.json")
	if err := os.WriteFile(temp, raw, 0o600); err != nil {
		return fmt.Errorf("cannot set the cloud's faults: %w", err)
	}
	if err := os.Rename(temp, filepath.Join(c.dir, "faults.json")); err != nil {
		return fmt.Errorf("cannot set the cloud's faults: %w", err)
	}
	return nil
}
