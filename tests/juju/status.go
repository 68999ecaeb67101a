package juju

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
)

// Status is what juju status shows.
type Status struct {
	Model        string                       `json:"model"`
	Applications map[string]ApplicationStatus `json:"applications"`
	Relations    []RelationStatus             `json:"relations"`
}

// ApplicationStatus is an application's part of Status.
type ApplicationStatus struct {
	Charm   string                `json:"charm"` // URL of the charm
	Life    string                `json:"life"`  // alive, dying
	Status  string                `json:"status"`
	Message string                `json:"message"`
	Version string                `json:"version"` // of the workload
	Scale   int                   `json:"scale"`
	Units   map[string]UnitStatus `json:"units"`
}

// UnitStatus is a unit's part of Status.
type UnitStatus struct {
	Life string `json:"life"` // alive, dying
	// Status and Message are the workload's, or, when a hook failed, "error" and which hook it was.
	Status       string   `json:"status"`
	Message      string   `json:"message"`
	Agent        string   `json:"agent"` // allocating, executing, idle, error
	AgentMessage string   `json:"agent-message"`
	Leader       bool     `json:"leader"`
	Address      string   `json:"address"`
	Ports        []string `json:"ports"`
}

// RelationStatus is a relation in Status.
type RelationStatus struct {
	ID        int      `json:"id"`
	Endpoints []string `json:"endpoints"` // application:endpoint, the requirer first
	Interface string   `json:"interface"`
	Life      string   `json:"life"`
}

// Status tells how everything is.
func (m *Model) Status(context.Context) (Status, error) {
	var s Status
	m.state.View(func() { s = m.status() })
	return s, nil
}

func (m *Model) status() Status {
	s := Status{Model: m.config.Name, Applications: map[string]ApplicationStatus{}, Relations: []RelationStatus{}}
	for name, a := range m.state.Applications {
		s.Applications[name] = applicationStatus(a)
	}
	for _, id := range sorted(m.state.Relations) {
		r := m.state.Relations[id]
		s.Relations = append(s.Relations, RelationStatus{
			ID: id, Endpoints: strings.Fields(r.Key), Interface: r.Endpoints[0].Interface, Life: string(r.Life),
		})
	}
	return s
}

func applicationStatus(a *state.Application) ApplicationStatus {
	derived := a.DerivedStatus()
	s := ApplicationStatus{
		Charm: a.Charm.URL, Life: string(a.Life), Status: derived.Status, Message: derived.Message,
		Scale: len(a.Units), Units: map[string]UnitStatus{},
	}
	for _, u := range a.SortedUnits() {
		shown := u.ShownStatus()
		us := UnitStatus{
			Life: string(u.Life), Status: shown.Status, Message: shown.Message, Agent: u.Agent.Status,
			AgentMessage: u.Agent.Message, Leader: u.IsLeader(), Address: u.Address, Ports: []string{},
		}
		for p := range u.Ports {
			us.Ports = append(us.Ports, portName(p))
		}
		s.Units[u.Name] = us
		if u.WorkloadVersion != "" {
			s.Version = u.WorkloadVersion
		}
	}
	return s
}

func portName(p state.Port) string {
	switch {
	case p.Protocol == "icmp":
		return "icmp"
	case p.From == p.To:
		return fmt.Sprintf("%d/%s", p.From, p.Protocol)
	}
	return fmt.Sprintf("%d-%d/%s", p.From, p.To, p.Protocol)
}

// String is the status as juju status prints it.
func (s Status) String() string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "Model\tCloud\tVersion\n%s\tkubernetes\t%s\n", s.Model, Version)
	fmt.Fprintf(w, "\nApp\tVersion\tStatus\tScale\tCharm\tMessage\n")
	for _, name := range sorted(s.Applications) {
		a := s.Applications[name]
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", name, a.Version, a.Status, a.Scale, a.Charm, a.Message)
	}
	fmt.Fprintf(w, "\nUnit\tWorkload\tAgent\tAddress\tPorts\tMessage\n")
	for _, name := range sorted(s.Applications) {
		for _, unit := range sorted(s.Applications[name].Units) {
			u := s.Applications[name].Units[unit]
			if u.Leader {
				unit += "*"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", unit, u.Status, u.Agent, u.Address, strings.Join(u.Ports, ","), u.Message)
		}
	}
	if len(s.Relations) > 0 {
		fmt.Fprintf(w, "\nIntegration\tInterface\n")
	}
	for _, r := range s.Relations {
		fmt.Fprintf(w, "%s\t%s\n", strings.Join(r.Endpoints, " "), r.Interface)
	}
	_ = w.Flush() // a Builder takes everything
	return text.String()
}
