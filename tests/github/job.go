package github

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// JobState is how far a job has come.
type JobState string

// The states of a job, in order.
const (
	JobQueued    JobState = "queued"    // no scale set has its labels, or none has room
	JobAvailable JobState = "available" // offered to a scale set's listener
	JobAssigned  JobState = "assigned"  // the listener took it; a runner is wanted
	JobRunning   JobState = "running"   // a runner took it
	JobCompleted JobState = "completed"
)

// Job is a job of a workflow run.
type Job struct {
	ID         int64    `json:"id"` // runnerRequestId in the protocol
	Repository Entity   `json:"repository"`
	Name       string   `json:"name"`
	Labels     []string `json:"labels"` // runs-on
	State      JobState `json:"state"`
	ScaleSetID int      `json:"scale_set_id"`
	Runner     string   `json:"runner"` // name
	Result     string   `json:"result"` // "succeeded", "failed", "canceled"
}

type job struct {
	Job
	uuid                                string
	runnerID                            int64
	queued, assigned, started, finished time.Time
}

// jobMessage is what a listener is told of a job (GARM params/github.go, ScaleSetJobMessage).
type jobMessage struct {
	MessageType        string    `json:"messageType"`
	JobID              string    `json:"jobId"`
	RunnerRequestID    int64     `json:"runnerRequestId"`
	RepositoryName     string    `json:"repositoryName"`
	OwnerName          string    `json:"ownerName"`
	JobDisplayName     string    `json:"jobDisplayName"`
	JobWorkflowRef     string    `json:"jobWorkflowRef"`
	WorkflowRunID      int64     `json:"workflowRunId"`
	EventName          string    `json:"eventName"`
	RequestLabels      []string  `json:"requestLabels"`
	QueueTime          time.Time `json:"queueTime,omitzero"`
	ScaleSetAssignTime time.Time `json:"scaleSetAssignTime,omitzero"`
	RunnerAssignTime   time.Time `json:"runnerAssignTime,omitzero"`
	FinishTime         time.Time `json:"finishTime,omitzero"`
	Result             string    `json:"result,omitempty"`
	RunnerID           int64     `json:"runnerId,omitempty"`
	RunnerName         string    `json:"runnerName,omitempty"`
}

func (j *job) message(kind string) jobMessage {
	parts := strings.Split(string(j.Repository), "/")
	return jobMessage{
		MessageType: kind, JobID: j.uuid, RunnerRequestID: j.ID, OwnerName: parts[1], RepositoryName: parts[2],
		JobDisplayName: j.Name, JobWorkflowRef: parts[1] + "/" + parts[2] + "/.github/workflows/ci.yaml@refs/heads/main",
		WorkflowRunID: j.ID, EventName: "push", RequestLabels: j.Labels, Result: j.Result, RunnerID: j.runnerID, RunnerName: j.Runner,
		QueueTime: j.queued, ScaleSetAssignTime: j.assigned, RunnerAssignTime: j.started, FinishTime: j.finished,
	}
}

// QueueJob queues a job of a repository, which need not have been added: an organisation's scale sets serve all of its
// repositories. The job goes to the first scale set of the repository, of its organisation or of an enterprise that has all
// the labels, as soon as there is one with a listener and room.
func (s *Server) QueueJob(repository Entity, name string, labels ...string) (Job, error) {
	if repository.owner() == "" {
		return Job{}, fmt.Errorf("cannot queue a job of %s: not a repository", repository)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j := &job{
		Job:  Job{ID: s.nextID(), Repository: repository, Name: name, Labels: labels, State: JobQueued},
		uuid: newUUID(), queued: time.Now(),
	}
	s.jobs = append(s.jobs, j)
	s.dispatch()
	return j.Job, nil
}

// Jobs returns all jobs, oldest first.
func (s *Server) Jobs() []Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Job{}
	for _, j := range s.jobs {
		list = append(list, j.Job)
	}
	return list
}

// dispatch offers queued jobs to scale sets. The caller holds s.mu.
func (s *Server) dispatch() {
	for _, j := range s.jobs {
		if j.State != JobQueued {
			continue
		}
		for _, set := range s.setsOf("") {
			if serves(set, j) && s.open(set) < set.MaxCapacity {
				j.State, j.ScaleSetID, j.assigned = JobAvailable, set.ID, time.Now()
				s.push("JobAvailable", j)
				break
			}
		}
	}
}

func serves(set *scaleSet, j *job) bool {
	if set.Entity != j.Repository && set.Entity != j.Repository.owner() && !set.Entity.isEnterprise() {
		return false
	}
	for _, wanted := range j.Labels {
		if !slices.ContainsFunc(set.Labels, func(label string) bool { return strings.EqualFold(label, wanted) }) {
			return false
		}
	}
	return true
}

// count returns how many jobs of the set are in one of the states. The caller holds s.mu.
func (s *Server) count(set *scaleSet, states ...JobState) int {
	n := 0
	for _, j := range s.jobs {
		if j.ScaleSetID == set.ID && slices.Contains(states, j.State) {
			n++
		}
	}
	return n
}

// open is the number of jobs that the set has to see to. The caller holds s.mu.
func (s *Server) open(set *scaleSet) int { return s.count(set, JobAvailable, JobAssigned, JobRunning) }

// statistics are what GARM sizes a scale set by: it wants as many runners as jobs are assigned. The caller holds s.mu.
func (s *Server) statistics(set *scaleSet) map[string]int {
	registered, busy, idle := 0, 0, 0
	for _, runner := range s.runnersOf(set.Entity) {
		if runner.ScaleSetID != set.ID {
			continue
		}
		registered++
		if runner.Busy {
			busy++
		} else if runner.Online {
			idle++
		}
	}
	return map[string]int{
		"totalAvailableJobs":     s.count(set, JobAvailable),
		"totalAcquiredJobs":      s.count(set, JobAssigned, JobRunning),
		"totalAssignedJobs":      s.count(set, JobAssigned, JobRunning),
		"totalRunningJobs":       s.count(set, JobRunning),
		"totalRegisteredRunners": registered,
		"totalBusyRunners":       busy,
		"totalIdleRunners":       idle,
	}
}

// acquireJobs is the listener's answer to an offer.
func (s *Server) acquireJobs(r *http.Request, set *scaleSet) answer {
	var ids []int64
	if err := decode(r, &ids); err != nil {
		return actionsError(http.StatusBadRequest, "ArgumentException", "The request is not a list of numbers.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	acquired := []int64{}
	for _, j := range s.jobs {
		if j.ScaleSetID == set.ID && j.State == JobAvailable && slices.Contains(ids, j.ID) {
			j.State, j.assigned = JobAssigned, time.Now()
			acquired = append(acquired, j.ID)
			s.push("JobAssigned", j)
		}
	}
	return answer{http.StatusOK, map[string]any{"count": len(acquired), "value": acquired}}
}

// FinishJob ends a job with a result: "succeeded", "failed", or "canceled", which a job may be at any time. The runner that
// ran it is gone then, being ephemeral.
func (s *Server) FinishJob(id int64, result string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	index := slices.IndexFunc(s.jobs, func(j *job) bool { return j.ID == id })
	if index < 0 {
		return fmt.Errorf("cannot finish job %d: there is none", id)
	}
	j := s.jobs[index]
	if j.State == JobCompleted || (j.State != JobRunning && result != "canceled") {
		return fmt.Errorf("cannot finish job %d as %s: it is %s", id, result, j.State)
	}
	s.finish(j, result)
	return nil
}

// finish ends a job and takes its runner away. The caller holds s.mu.
func (s *Server) finish(j *job, result string) {
	j.State, j.Result, j.finished = JobCompleted, result, time.Now()
	for _, runner := range s.runners {
		if runner.job == j {
			delete(s.runners, runner.ID)
		}
	}
	s.push("JobCompleted", j)
	s.dispatch()
}
