package github

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ConnectRunner makes a runner online, as its process does when it starts.
func (s *Server) ConnectRunner(of Entity, name string) error {
	return s.withRunner(of, name, func(r *runner) error {
		r.Online, r.session = true, newUUID()
		s.notify()
		return nil
	})
}

// DisconnectRunner makes a runner offline, as when its process ends. A job it is running goes on waiting for it.
func (s *Server) DisconnectRunner(of Entity, name string) error {
	return s.withRunner(of, name, func(r *runner) error {
		r.Online, r.session = false, ""
		return nil
	})
}

// TakeJob gives an idle runner that is online a job that is assigned to its scale set. It returns false when there is none.
func (s *Server) TakeJob(of Entity, name string) (Job, bool, error) {
	var taken *job
	err := s.withRunner(of, name, func(r *runner) error {
		if !r.Online {
			return fmt.Errorf("cannot give runner %s a job: it is offline", name)
		}
		taken = s.take(r)
		return nil
	})
	if taken == nil {
		return Job{}, false, err
	}
	return taken.Job, true, err
}

func (s *Server) withRunner(of Entity, name string, do func(*runner) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.runnersOf(of) {
		if strings.EqualFold(r.Name, name) {
			return do(r)
		}
	}
	return fmt.Errorf("cannot find runner %s of %s", name, of)
}

// take starts the oldest job that waits for a runner of the scale set, nil if there is none. The caller holds s.mu.
func (s *Server) take(r *runner) *job {
	index := slices.IndexFunc(s.jobs, func(j *job) bool { return j.ScaleSetID == r.ScaleSetID && j.State == JobAssigned })
	if index < 0 || r.Busy {
		return nil
	}
	j := s.jobs[index]
	j.State, j.Runner, j.runnerID, j.started = JobRunning, r.Name, r.ID, time.Now()
	r.Busy, r.job = true, j
	s.push("JobStarted", j)
	return j
}

// forRunner lets in a runner with the token in its .credentials file. The routes behind it are the runner's own, in short:
// connect, wait for one job, say how it ended.
func (s *Server) forRunner(next func(*http.Request, *runner) answer) route {
	return func(r *http.Request) answer {
		e, ok := s.entityOfTenant(r)
		id, isRunner := strings.CutPrefix(s.subject(bearer(r)), "runner ")
		if !ok || !isRunner {
			return unauthorized()
		}
		number, _ := strconv.ParseInt(id, 10, 64)
		s.mu.Lock()
		runner, ok := s.runners[number]
		s.mu.Unlock()
		if !ok || runner.Entity != e.name {
			return actionsError(http.StatusForbidden, "AccessDeniedException", "The runner registration has been deleted from the server.")
		}
		return next(r, runner)
	}
}

func (s *Server) connectAgent(_ *http.Request, r *runner) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Online, r.session = true, newUUID()
	s.notify()
	return answer{http.StatusOK, map[string]any{"sessionId": r.session, "ownerName": r.Name, "agent": s.agent(r)}}
}

func (s *Server) disconnectAgent(_ *http.Request, r *runner) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Online, r.session = false, ""
	return answer{status: http.StatusNoContent}
}

func (s *Server) getAgentMessage(request *http.Request, r *runner) answer {
	session := request.URL.Query().Get("sessionId")
	var taken *job
	gone := false
	s.await(request.Context(), func() bool {
		if gone = session == "" || r.session != session || s.runners[r.ID] != r; gone {
			return true
		}
		taken = s.take(r)
		return taken != nil
	})
	switch {
	case gone:
		return noSession()
	case taken == nil:
		return answer{status: http.StatusAccepted}
	}
	return answer{http.StatusOK, map[string]any{
		"messageId": taken.ID, "messageType": "PipelineAgentJobRequest",
		"body": map[string]any{"requestId": taken.ID, "jobId": taken.uuid, "jobDisplayName": taken.Name},
	}}
}

func (s *Server) finishAgentJob(request *http.Request, r *runner) answer {
	var body struct {
		Result string `json:"result"`
	}
	if err := decode(request, &body); err != nil || body.Result == "" {
		return actionsError(http.StatusBadRequest, "ArgumentException", "A result is needed.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.job == nil || strconv.FormatInt(r.job.ID, 10) != request.PathValue("job") {
		return actionsError(http.StatusNotFound, "TaskAgentJobNotFoundException", "The runner does not run this job.")
	}
	s.finish(r.job, body.Result)
	return answer{status: http.StatusOK}
}
