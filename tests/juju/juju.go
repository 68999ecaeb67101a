// Package juju is a Juju controller with one Kubernetes model, small enough for tests: Juju's own unit agents and hook
// tools run in pods of their own beside real Pebble daemons, and an operator's commands are methods.
//
// Hook order, buffering, permissions and hook environment are Juju's code, linked as a library; the model that the
// agents talk to is in memory (internal/state), behind Juju's API (internal/api). It knows nothing of any charm.
package juju

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/juju/juju/environs/config"
	"github.com/juju/utils/v3"
	"github.com/juju/version/v2"

	"github.com/garm-charms/garm-charms/tests/juju/internal/agent"
	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
	"github.com/garm-charms/garm-charms/tests/juju/internal/wire"
	"github.com/garm-charms/garm-charms/tests/sandbox"
)

// Version is the Juju that models say they are. The agent's code is older (3.5-beta1): it knows neither
// pebble-check-failed nor pebble-check-recovered.
const Version = "3.6.8"

// Init must be called in main or TestMain right after sandbox.Init: in the process of a unit's agent it runs that agent
// and never returns, elsewhere it does nothing.
func Init() {
	if os.Getenv(wire.StartEnv) != "" {
		agent.Main()
	}
}

// Config says what a model is made of.
type Config struct {
	// Name is the model's.
	Name string
	// Dir keeps storages and sockets. It must be on a real file system and its path at most 60 bytes long, since
	// paths of sockets are limited to 108 (unix(7)).
	Dir string
	// Network takes the pods.
	Network *sandbox.Network
	// Pebble is the path of Pebble's program.
	Pebble string
	// HookTools is the path of Juju's program for hook tools (see HookTools).
	HookTools string
	// Binds are shown in every workload container beside its image and storages: what a cluster's nodes give their pods.
	Binds []sandbox.Bind
	// Log gets the lines of DebugLog as they come; nil for nobody.
	Log io.Writer
	// PebblePoll is how often agents look for a container that was started. Juju's is 5 s; 0 is 250 ms.
	PebblePoll time.Duration
	// HookRetry is how long a unit waits before it runs a failed hook again, the first time; then twice as long each
	// time, up to 5 min. Juju's is 5 s; 0 is 1 s.
	HookRetry time.Duration
}

// Model is a model that runs.
type Model struct {
	config Config
	state  *state.Model
	log    *record
	ctx    context.Context
	stop   context.CancelFunc
	tasks  sync.WaitGroup

	mu      sync.Mutex
	keepers map[string]*keeper // by unit
	rolling map[string]int     // rollouts under way, by application
	pods    int
	uploads int
}

// NewModel starts an empty model.
func NewModel(c Config) (*Model, error) {
	if c.PebblePoll == 0 {
		c.PebblePoll = 250 * time.Millisecond
	}
	if c.HookRetry == 0 {
		c.HookRetry = time.Second
	}
	if len(c.Dir) > 60 {
		return nil, fmt.Errorf("cannot start model %s: path of its directory is longer than 60 bytes: %s", c.Name, c.Dir)
	}
	for _, program := range []string{c.Pebble, c.HookTools} {
		if _, err := os.Stat(program); err != nil {
			return nil, fmt.Errorf("cannot start model %s: %w", c.Name, err)
		}
	}
	uuid, err := utils.NewUUID()
	if err != nil {
		return nil, fmt.Errorf("cannot start model %s: %w", c.Name, err)
	}
	options, err := config.New(config.UseDefaults, map[string]any{
		"name": c.Name, "uuid": uuid.String(), "type": "kubernetes", "agent-version": Version,
	})
	if err != nil {
		return nil, fmt.Errorf("cannot start model %s: %w", c.Name, err)
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot start model %s: %w", c.Name, err)
	}
	// Pods look like Juju's charm image, by which the agent chooses the hooks' environment.
	if err := os.WriteFile(filepath.Join(c.Dir, "os-release"), []byte(osRelease), 0o644); err != nil {
		return nil, fmt.Errorf("cannot start model %s: %w", c.Name, err)
	}
	m := &Model{
		config: c, log: &record{out: c.Log}, keepers: map[string]*keeper{}, rolling: map[string]int{},
		state: state.New(c.Name, uuid.String(), version.MustParse(Version), options),
	}
	m.ctx, m.stop = context.WithCancel(context.Background())
	return m, nil
}

const osRelease = `PRETTY_NAME="Ubuntu 22.04.5 LTS"
NAME="Ubuntu"
VERSION_ID="22.04"
VERSION="22.04.5 LTS (Jammy Jellyfish)"
VERSION_CODENAME=jammy
ID=ubuntu
ID_LIKE=debian
`

// Name is the model's.
func (m *Model) Name() string { return m.config.Name }

// UUID is the model's.
func (m *Model) UUID() string { return m.state.UUID }

// Close kills all pods and waits for their end.
func (m *Model) Close() error {
	m.stop()
	m.tasks.Wait()
	return m.log.firstFailure()
}

var errGone = errors.New("the model was closed")
