// Package wire is what a unit's agent and the model say to each other beyond Juju's API: what the agent is started with,
// what it reports of its hooks, and what the model asks of it.
//
// It holds no behaviour.
package wire

import "time"

// Facades of these calls: Bench is served by the model, Agent by the agent.
const (
	Bench = "Bench"
	Agent = "Agent"
)

// Start tells an agent who it is. It is passed in the environment variable of the name StartEnv.
type Start struct {
	Unit         string
	ModelUUID    string
	Version      string // Juju's
	CharmVersion int
	Containers   []string
	PebblePoll   time.Duration
	Lease        time.Duration
}

// StartEnv names the environment variable that makes a process an agent.
const StartEnv = "JUJU_TEST_AGENT"

// Hook is one run of a hook or action.
type Hook struct {
	Name    string    `json:"name"`
	Remote  string    `json:"remote,omitempty"`  // unit or application that a relation hook is about
	Missing bool      `json:"missing,omitempty"` // the charm has no such hook
	Error   string    `json:"error,omitempty"`   // how it failed; at its end only
	Start   time.Time `json:"start"`
	End     time.Time `json:"end"`
}

// Call is one call of a hook tool.
type Call struct {
	Hook string   `json:"hook"`
	Args []string `json:"args"` // the tool's name first
	Code int      `json:"code"`
}

// Line is one line of an agent's log.
type Line struct {
	Time    time.Time `json:"time"`
	Level   string    `json:"level"`
	Module  string    `json:"module"`
	Message string    `json:"message"`
}

// Boot is a start of a container's Pebble that the agent has dealt with.
type Boot struct {
	Container string `json:"container"`
	ID        string `json:"id"`
}

// Rest is how busy an agent is.
type Rest struct {
	Idle      bool   `json:"idle"`
	LongPolls int    `json:"long-polls"`
	Doing     string `json:"doing"`
}
