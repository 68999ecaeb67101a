package github

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// runnerTokenLifetime is long, since an idle runner may wait for its job for days.
const runnerTokenLifetime = 365 * 24 * time.Hour

// Runner is a runner of a scale set, known to GitHub from when its just-in-time configuration was made.
type Runner struct {
	ID         int64    `json:"id"`
	Entity     Entity   `json:"entity"`
	Name       string   `json:"name"`
	ScaleSetID int      `json:"scale_set_id"`
	Labels     []string `json:"labels"`
	Online     bool     `json:"online"`
	Busy       bool     `json:"busy"`
}

type runner struct {
	Runner
	session string // "" when it is not connected
	job     *job
	created time.Time
}

func (r *runner) status() string {
	if r.Online {
		return "online"
	}
	return "offline"
}

// Runners returns the runners of an entity, or of all when it is "", oldest first.
func (s *Server) Runners(of Entity) []Runner {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Runner{}
	for _, r := range s.runnersOf(of) {
		list = append(list, r.Runner)
	}
	return list
}

// runnersOf is Runners for a caller that holds s.mu.
func (s *Server) runnersOf(of Entity) []*runner {
	var list []*runner
	for _, r := range s.runners {
		if of == "" || r.Entity == of {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *runner) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// removeRunner takes a runner away; a job it was running fails. The caller holds s.mu.
func (s *Server) removeRunner(r *runner) {
	delete(s.runners, r.ID)
	if r.job != nil {
		s.finish(r.job, "failed")
	}
	s.notify()
}

// createRunner makes a runner and the configuration it starts with.
func (s *Server) createRunner(r *http.Request, set *scaleSet) answer {
	var request struct {
		Name       string `json:"name"`
		WorkFolder string `json:"workFolder"`
	}
	if err := decode(r, &request); err != nil || request.Name == "" {
		return actionsError(http.StatusBadRequest, "ArgumentException", "A runner needs a name.")
	}
	for _, other := range s.runnersOf(set.Entity) {
		if strings.EqualFold(other.Name, request.Name) {
			return actionsError(http.StatusConflict, "AgentExistsException",
				fmt.Sprintf("A runner exists with the same name %s.", request.Name))
		}
	}
	made := &runner{
		Runner:  Runner{ID: s.nextID(), Entity: set.Entity, Name: request.Name, ScaleSetID: set.ID, Labels: slices.Clone(set.Labels)},
		created: time.Now(),
	}
	s.runners[made.ID] = made
	return answer{http.StatusOK, map[string]any{
		"runner": s.agent(made), "encodedJITConfig": s.jitConfig(r, made, request.WorkFolder),
	}}
}

// jitConfig is the runner's three configuration files: a JSON map of their names to their content, with base64 around the
// content of each and around the whole. GARM hands them to the runner one by one.
func (s *Server) jitConfig(r *http.Request, made *runner, workFolder string) string {
	forge := siteURL(r) + "/" + strings.TrimPrefix(strings.TrimPrefix(string(made.Entity), "orgs/"), "repos/")
	files := map[string]any{
		".runner": map[string]any{
			"agentId": made.ID, "agentName": made.Name, "poolId": 0, "poolName": defaultGroup, "ephemeral": true,
			"serverUrl": actionsURL(r) + "/" + r.PathValue("tenant") + "/", "gitHubUrl": forge, "workFolder": workFolder,
		},
		// One of the runner's own credential schemes, simpler than the OAuth exchange that GitHub configures.
		".credentials": map[string]any{
			"scheme": "OAuthAccessToken",
			"data":   map[string]string{"token": s.issue(fmt.Sprintf("runner %d", made.ID), runnerTokenLifetime)},
		},
		".credentials_rsaparams": map[string]string{},
	}
	encoded := map[string]string{}
	for name, content := range files {
		encoded[name] = encodeJSON(content)
	}
	return encodeJSON(encoded)
}

func encodeJSON(value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err) // maps of strings and numbers only
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// agent is a runner as the Actions service says it (GARM params/github.go, RunnerReference).
func (s *Server) agent(r *runner) map[string]any {
	labels := []label{}
	for _, name := range r.Labels {
		labels = append(labels, label{"System", name})
	}
	return map[string]any{
		"id": r.ID, "name": r.Name, "os": "linux", "runnerScaleSetId": r.ScaleSetID, "createdOn": r.created.UTC().Format(time.RFC3339Nano),
		"runnerGroupId": 1, "version": s.download.version, "enabled": true, "ephemeral": true, "status": r.status(),
		"provisioningState": "Provisioned", "busy": r.Busy, "labels": labels,
	}
}

func (s *Server) listAgents(r *http.Request, e *entity) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.URL.Query().Get("agentName")
	list := []map[string]any{}
	for _, runner := range s.runnersOf(e.name) {
		if name == "" || strings.EqualFold(runner.Name, name) {
			list = append(list, s.agent(runner))
		}
	}
	return answer{http.StatusOK, map[string]any{"count": len(list), "value": list}}
}

// forAgent finds the runner in the path, for whoever registered with its entity.
func (s *Server) forAgent(next func(*runner) answer) route {
	return s.forAdmin(func(r *http.Request, e *entity) answer {
		id, _ := strconv.ParseInt(r.PathValue("agent"), 10, 64)
		s.mu.Lock()
		defer s.mu.Unlock()
		runner, ok := s.runners[id]
		if !ok || runner.Entity != e.name {
			return actionsError(http.StatusNotFound, "AgentNotFoundException", fmt.Sprintf("No agent found with identifier %d.", id))
		}
		return next(runner)
	})
}

func (s *Server) getAgent(r *runner) answer { return answer{http.StatusOK, s.agent(r)} }

func (s *Server) deleteAgent(r *runner) answer {
	if r.Busy {
		return actionsError(http.StatusBadRequest, "JobStillRunningException",
			fmt.Sprintf("Runner %s is still running a job.", r.Name))
	}
	s.removeRunner(r)
	return answer{status: http.StatusNoContent}
}
