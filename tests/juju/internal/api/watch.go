package api

import (
	apiservererrors "github.com/juju/juju/apiserver/errors"
	"github.com/juju/juju/rpc/params"
)

// watch compares what the agent was told last with how the model is now.
type watch struct {
	// poll gives what to tell and whether there is anything; with commit it counts as told. Call it within Model.View.
	poll func(commit bool) (any, bool)
	stop chan struct{}
}

// newWatch starts from how things are now. Call it within Model.View.
func newWatch[T any](now func() T, diff func(told, is T) (any, bool)) *watch {
	told := now()
	return &watch{
		stop: make(chan struct{}),
		poll: func(commit bool) (any, bool) {
			is := now()
			result, changed := diff(told, is)
			if commit {
				told = is
			}
			return result, changed
		},
	}
}

func (s *Session) next(id string) (any, error) {
	s.mu.Lock()
	w := s.watches[id]
	s.mu.Unlock()
	if w == nil {
		return nil, apiservererrors.ErrUnknownWatcher
	}
	s.park(1)
	defer s.park(-1)
	for {
		var result any
		var found bool
		changed := s.model.View(func() { result, found = w.poll(true) })
		if found {
			return result, nil
		}
		select {
		case <-changed:
		case <-w.stop:
			return nil, apiservererrors.ErrStoppedWatcher
		case <-s.done:
			return nil, apiservererrors.ErrStoppedWatcher
		}
	}
}

func (s *Session) stopWatch(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watches[id]
	if w == nil {
		return apiservererrors.ErrUnknownWatcher
	}
	delete(s.watches, id)
	close(w.stop)
	return nil
}

// NotifyWatcher is the facade of watchers that say only that something changed.
type NotifyWatcher struct {
	s  *Session
	id string
}

// Next waits for a change.
func (w *NotifyWatcher) Next() error {
	_, err := w.s.next(w.id)
	return err
}

// Stop ends the watcher.
func (w *NotifyWatcher) Stop() error { return w.s.stopWatch(w.id) }

// StringsWatcher is the facade of watchers that name what changed.
type StringsWatcher struct {
	s  *Session
	id string
}

// Next waits for a change.
func (w *StringsWatcher) Next() (params.StringsWatchResult, error) {
	changes, err := w.s.next(w.id)
	if err != nil {
		return params.StringsWatchResult{}, err
	}
	return params.StringsWatchResult{Changes: changes.([]string)}, nil
}

// Stop ends the watcher.
func (w *StringsWatcher) Stop() error { return w.s.stopWatch(w.id) }

// RelationUnitsWatcher is the facade of the watcher of a relation's other end.
type RelationUnitsWatcher struct {
	s  *Session
	id string
}

// Next waits for a change.
func (w *RelationUnitsWatcher) Next() (params.RelationUnitsWatchResult, error) {
	changes, err := w.s.next(w.id)
	if err != nil {
		return params.RelationUnitsWatchResult{}, err
	}
	return params.RelationUnitsWatchResult{Changes: changes.(params.RelationUnitsChange)}, nil
}

// Stop ends the watcher.
func (w *RelationUnitsWatcher) Stop() error { return w.s.stopWatch(w.id) }

// SecretsTriggerWatcher is the facade of the watchers of rotation and expiry.
type SecretsTriggerWatcher struct {
	s  *Session
	id string
}

// Next waits for a change.
func (w *SecretsTriggerWatcher) Next() (params.SecretTriggerWatchResult, error) {
	changes, err := w.s.next(w.id)
	if err != nil {
		return params.SecretTriggerWatchResult{}, err
	}
	return params.SecretTriggerWatchResult{Changes: changes.([]params.SecretTriggerChange)}, nil
}

// Stop ends the watcher.
func (w *SecretsTriggerWatcher) Stop() error { return w.s.stopWatch(w.id) }

// notify watches a comparable description of something. Call it within Model.View.
func notify[T comparable](s *Session, now func() T) params.NotifyWatchResult {
	return params.NotifyWatchResult{NotifyWatcherId: s.register(newWatch(now, func(told, is T) (any, bool) {
		return nil, told != is
	}))}
}

// hashes watches one hash. Call it within Model.View.
func hashes(s *Session, now func() string) params.StringsWatchResult {
	id := s.register(newWatch(now, func(told, is string) (any, bool) { return []string{is}, told != is }))
	return params.StringsWatchResult{StringsWatcherId: id, Changes: []string{now()}}
}

// keys watches a map and names the keys that came, changed or went. Call it within Model.View.
func keys(s *Session, now func() map[string]string) params.StringsWatchResult {
	id := s.register(newWatch(now, func(told, is map[string]string) (any, bool) {
		changes := changedKeys(told, is)
		for _, k := range sorted(told) {
			if _, ok := is[k]; !ok {
				changes = append(changes, k)
			}
		}
		return changes, len(changes) > 0
	}))
	return params.StringsWatchResult{StringsWatcherId: id, Changes: sorted(now())}
}

// newKeys is keys without the ones that went. Call it within Model.View.
func newKeys(s *Session, now func() map[string]string) params.StringsWatchResult {
	id := s.register(newWatch(now, func(told, is map[string]string) (any, bool) {
		changes := changedKeys(told, is)
		return changes, len(changes) > 0
	}))
	return params.StringsWatchResult{StringsWatcherId: id, Changes: sorted(now())}
}

func changedKeys[V comparable](told, is map[string]V) []string {
	var changes []string
	for _, k := range sorted(is) {
		if old, ok := told[k]; !ok || old != is[k] {
			changes = append(changes, k)
		}
	}
	return changes
}
