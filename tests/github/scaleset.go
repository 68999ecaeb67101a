package github

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ScaleSet is a runner scale set as GitHub has it.
type ScaleSet struct {
	ID            int       `json:"id"`
	Entity        Entity    `json:"entity"`
	Name          string    `json:"name"`
	RunnerGroup   string    `json:"runner_group"`
	Labels        []string  `json:"labels"` // in the order in which they were given at creation
	DisableUpdate bool      `json:"disable_update"`
	CreatedOn     time.Time `json:"created_on"`
	// MaxCapacity is the number of runners the listener said it could have when it last polled, -1 before it did.
	MaxCapacity int `json:"max_capacity"`
}

type scaleSet struct {
	ScaleSet
	session  *session
	messages []message
	lastID   int64 // of its messages
}

// ScaleSets returns the scale sets of an entity, or of all when it is "", oldest first.
func (s *Server) ScaleSets(of Entity) []ScaleSet {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []ScaleSet{}
	for _, set := range s.setsOf(of) {
		list = append(list, set.ScaleSet)
	}
	return list
}

// setsOf is ScaleSets for a caller that holds s.mu.
func (s *Server) setsOf(of Entity) []*scaleSet {
	var list []*scaleSet
	for _, set := range s.sets {
		if of == "" || set.Entity == of {
			list = append(list, set)
		}
	}
	slices.SortFunc(list, func(a, b *scaleSet) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// scaleSetRequest is what a client may say of a scale set (GARM params/github.go, RunnerScaleSet); nil is not said.
type scaleSetRequest struct {
	Name    *string `json:"name"`
	GroupID *int64  `json:"runnerGroupId"`
	Labels  []label `json:"labels"`
	Setting struct {
		DisableUpdate *bool `json:"disableUpdate"`
	} `json:"RunnerSetting"`
}

type label struct {
	Type string `json:"type"`
	Name string `json:"name"`
}

// wire is a scale set as the Actions service says it.
func (s *Server) wire(set *scaleSet) map[string]any {
	labels := []label{}
	for _, name := range set.Labels {
		labels = append(labels, label{"System", name})
	}
	groupID, _ := s.entities[set.Entity].groupID(set.RunnerGroup)
	return map[string]any{
		"id": set.ID, "name": set.Name, "runnerGroupId": groupID, "runnerGroupName": set.RunnerGroup, "labels": labels,
		"runnerSetting": map[string]bool{"ephemeral": true, "isElastic": true, "disableUpdate": set.DisableUpdate},
		"createdOn":     set.CreatedOn.UTC().Format(time.RFC3339Nano), "enabled": true, "statistics": s.statistics(set),
	}
}

// forScaleSet lets in whoever registered with the scale set's entity.
func (s *Server) forScaleSet(next func(*http.Request, *scaleSet) answer) route {
	return s.forAdmin(func(r *http.Request, e *entity) answer {
		s.mu.Lock()
		defer s.mu.Unlock()
		set, ok := s.setAt(r, e)
		if !ok {
			return noScaleSet(r)
		}
		return next(r, set)
	})
}

// setAt returns the scale set in the request's path. The caller holds s.mu.
func (s *Server) setAt(r *http.Request, e *entity) (*scaleSet, bool) {
	id, _ := strconv.Atoi(r.PathValue("set"))
	set, ok := s.sets[id]
	return set, ok && set.Entity == e.name
}

func noScaleSet(r *http.Request) answer {
	return actionsError(http.StatusNotFound, "RunnerScaleSetNotFoundException",
		fmt.Sprintf("No runner scale set found with identifier %s.", r.PathValue("set")))
}

func (s *Server) listScaleSets(r *http.Request, e *entity) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, group := r.URL.Query().Get("name"), r.URL.Query().Get("runnerGroupId")
	list := []map[string]any{}
	for _, set := range s.setsOf(e.name) {
		id, _ := e.groupID(set.RunnerGroup)
		if (name == "" || strings.EqualFold(set.Name, name)) && (group == "" || group == strconv.FormatInt(id, 10)) {
			list = append(list, s.wire(set))
		}
	}
	return answer{http.StatusOK, map[string]any{"count": len(list), "value": list}}
}

func (s *Server) createScaleSet(r *http.Request, e *entity) answer {
	var request scaleSetRequest
	if err := decode(r, &request); err != nil || request.Name == nil || *request.Name == "" {
		return actionsError(http.StatusBadRequest, "ArgumentException", "A runner scale set needs a name.")
	}
	if request.GroupID == nil {
		request.GroupID = new(int64(1))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	set := &scaleSet{ScaleSet: ScaleSet{
		ID: int(s.nextID()), Entity: e.name, CreatedOn: time.Now(), MaxCapacity: -1, Labels: []string{},
	}}
	if refusal, ok := s.change(e, set, request); !ok {
		return refusal
	}
	for _, label := range request.Labels {
		set.Labels = append(set.Labels, label.Name)
	}
	s.sets[set.ID] = set
	s.dispatch()
	return answer{http.StatusOK, s.wire(set)}
}

// change gives the set what is said of it, unless that is not possible. The caller holds s.mu.
func (s *Server) change(e *entity, set *scaleSet, request scaleSetRequest) (refusal answer, ok bool) {
	name, group := set.Name, set.RunnerGroup
	if request.Name != nil {
		name = *request.Name
	}
	if request.GroupID != nil {
		if group, ok = e.group(*request.GroupID); !ok {
			return actionsError(http.StatusNotFound, "RunnerGroupNotFoundException",
				fmt.Sprintf("No runner group found with identifier %d.", *request.GroupID)), false
		}
	}
	// GitHub: "each runner scale set must have a unique name within its runner group".
	for _, other := range s.setsOf(e.name) {
		if other != set && strings.EqualFold(other.Name, name) && other.RunnerGroup == group {
			return actionsError(http.StatusConflict, "RunnerScaleSetExistsException",
				fmt.Sprintf("Runner scale set %s already exists in runner group %s.", name, group)), false
		}
	}
	set.Name, set.RunnerGroup = name, group
	if request.Setting.DisableUpdate != nil {
		set.DisableUpdate = *request.Setting.DisableUpdate
	}
	return answer{}, true
}

func (s *Server) getScaleSet(_ *http.Request, set *scaleSet) answer {
	return answer{http.StatusOK, s.wire(set)}
}

// updateScaleSet leaves the labels alone: they are given at creation only, so a renamed set keeps its old name as a label.
func (s *Server) updateScaleSet(r *http.Request, set *scaleSet) answer {
	var request scaleSetRequest
	if err := decode(r, &request); err != nil {
		return actionsError(http.StatusBadRequest, "ArgumentException", "The request is not JSON.")
	}
	if refusal, ok := s.change(s.entities[set.Entity], set, request); !ok {
		return refusal
	}
	return answer{http.StatusOK, s.wire(set)}
}

func (s *Server) deleteScaleSet(_ *http.Request, set *scaleSet) answer {
	s.dropScaleSet(set)
	return answer{status: http.StatusNoContent}
}

// dropScaleSet takes a scale set with its runners away; jobs that had not begun wait again. The caller holds s.mu.
func (s *Server) dropScaleSet(set *scaleSet) {
	delete(s.sets, set.ID)
	for _, runner := range s.runnersOf(set.Entity) {
		if runner.ScaleSetID == set.ID {
			s.removeRunner(runner)
		}
	}
	for _, job := range s.jobs {
		if job.ScaleSetID == set.ID && (job.State == JobAvailable || job.State == JobAssigned) {
			job.State, job.ScaleSetID = JobQueued, 0
		}
	}
	s.dispatch()
	s.notify()
}

// DeleteScaleSet takes a scale set away behind its owner's back, as somebody does on GitHub's own pages. It returns false
// when there is none with this id.
func (s *Server) DeleteScaleSet(id int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	set, ok := s.sets[id]
	if ok {
		s.dropScaleSet(set)
	}
	return ok
}
