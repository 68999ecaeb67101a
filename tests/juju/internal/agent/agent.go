// Package agent runs Juju's unit agent in a pod: its uniter, leadership tracker, hook retry strategy and termination
// worker, wired as Juju wires them (github.com/juju/juju, cmd/containeragent/unit/manifolds.go), against an API on file
// descriptor 3.
//
// It knows nothing of the model behind that API. What is not Juju's here only looks on: at hooks, hook tools and logs.
package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/juju/clock"
	"github.com/juju/errors"
	"github.com/juju/juju/rpc"
	"github.com/juju/juju/rpc/jsoncodec"
	jujuversion "github.com/juju/juju/version"
	jworker "github.com/juju/juju/worker"
	"github.com/juju/loggo"
	"github.com/juju/names/v5"
	"github.com/juju/version/v2"
	"github.com/juju/worker/v3/dependency"

	"github.com/garm-charms/garm-charms/tests/juju/internal/wire"
)

// Paths in the pod.
const (
	DataDir      = "/var/lib/juju"
	CharmArchive = "/run/juju/charm"
	// connection is the file descriptor of the API.
	connection = 3
)

// ToolsDir is where the unit's hook tools are; the program of Juju's that they all are links to is bound there.
func ToolsDir(unit string) string {
	return DataDir + "/tools/" + names.NewUnitTag(unit).String()
}

// Main runs the agent that the environment describes until it is told to end, and never returns.
func Main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "agent: %v\n", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run() error {
	var start wire.Start
	if err := json.Unmarshal([]byte(os.Getenv(wire.StartEnv)), &start); err != nil {
		return fmt.Errorf("cannot read start: %w", err)
	}
	// A signal that no worker waits for must not kill the agent (cmd/containeragent/unit/agent.go).
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM)
	// Hooks inherit nothing that Juju does not give them, but the agent's PATH.
	path := os.Getenv("PATH")
	os.Clearenv()
	if err := os.Setenv("PATH", path); err != nil {
		return fmt.Errorf("cannot set PATH: %w", err)
	}
	juju, err := version.Parse(start.Version)
	if err != nil {
		return fmt.Errorf("cannot parse Juju's version: %w", err)
	}
	// The version that hooks are told must be the one that the model has.
	jujuversion.Current = juju
	conn, err := dial()
	if err != nil {
		return err
	}
	return work(start, conn)
}

func dial() (net.Conn, error) {
	file := os.NewFile(connection, "api")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("cannot use connection: %w", err)
	}
	return conn, nil
}

func work(start wire.Start, conn net.Conn) error {
	caller := newCaller(rpc.NewConn(jsoncodec.NewNet(conn), nil), start.ModelUUID)
	watch := &observer{caller: caller, boots: map[string]string{}, fire: make(chan time.Time, 1)}
	caller.conn.ServeRoot(newRoot(watch), nil, nil)
	caller.conn.Start(context.Background())
	if err := logTo(caller); err != nil {
		return err
	}
	engine, err := dependency.NewEngine(dependency.EngineConfig{
		IsFatal:          terminates,
		WorstError:       func(err0, _ error) error { return err0 },
		ErrorDelay:       time.Second,
		BounceDelay:      10 * time.Millisecond,
		BackoffFactor:    1.2,
		BackoffResetTime: time.Minute,
		MaxDelay:         5 * time.Second,
		Clock:            clock.WallClock,
		Metrics:          dependency.DefaultMetrics(),
		Logger:           loggo.GetLogger("juju.worker.dependency"),
	})
	if err != nil {
		return fmt.Errorf("cannot make engine: %w", err)
	}
	manifolds, err := manifolds(start, caller, watch)
	if err != nil {
		return err
	}
	if err := dependency.Install(engine, manifolds); err != nil {
		return fmt.Errorf("cannot install workers: %w", err)
	}
	err = engine.Wait()
	if errors.Is(err, jworker.ErrTerminateAgent) {
		err = nil
	}
	caller.drain()
	return err
}

func terminates(err error) bool {
	return errors.Is(err, jworker.ErrTerminateAgent) || errors.Is(err, errDisconnected) || errors.Is(err, errStopped)
}

// logTo sends the log to the model: everything from the unit's own loggers, what matters from Juju's.
func logTo(c *caller) error {
	if _, err := loggo.ReplaceDefaultWriter(&logWriter{caller: c}); err != nil {
		return fmt.Errorf("cannot set up log: %w", err)
	}
	if err := loggo.ConfigureLoggers("<root>=INFO;unit=DEBUG"); err != nil {
		return fmt.Errorf("cannot configure log: %w", err)
	}
	return nil
}

type logWriter struct {
	caller *caller
}

// Write implements loggo.Writer.
func (w *logWriter) Write(e loggo.Entry) {
	w.caller.tell("Logged", wire.Line{
		Time: e.Timestamp, Level: e.Level.String(), Module: e.Module, Message: strings.TrimRight(e.Message, "\n"),
	})
}
