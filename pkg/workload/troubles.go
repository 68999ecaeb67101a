package workload

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"
)

// Troubles are what GARM tells nowhere but in its log.
type Troubles struct {
	// Unheard is why GARM has not heard of the jobs of scale sets for a while, by GARM's IDs of them.
	Unheard map[uint]string
	// Refused is why a cloud has not made runners for a while, by the prefix of their names.
	Refused map[string]string
}

// How long GARM waits at most before it tries again what failed (GARM workers/scaleset/scaleset.go, keepListenerAlive, and
// workers/common/backoff.go), and how long the trial may take. Of one that works its log may have nothing.
const (
	listenPause  = 2 * time.Second
	workerPause  = 6 * time.Minute
	longestTrial = 20 * time.Second
)

// How long it may take from one refusal of a cloud's to the next: GARM deletes a runner that was refused and makes another within
// 20 s, and a cloud takes its time to find out that it cannot. When it does not delete it either, there is no other, and GARM
// tries that again (GARM workers/provider/instance_manager.go, incrementBackOff).
const (
	createPause = 2 * time.Minute
	deletePause = 5 * time.Minute
)

// lastingAfter is for how long it must have failed again and again to be worth a word: it does for a moment whenever something
// changes.
const lastingAfter = 30 * time.Second

// failure is something that GARM logs again and again.
type failure struct {
	why         string
	first, last time.Time // when it was logged
	until       time.Time // when it would have been logged again
}

// again is the failure once it has been logged one more time.
func (f failure) again(at time.Time, why string, pause time.Duration) failure {
	next := failure{why: why, first: at, last: at, until: at.Add(pause + longestTrial)}
	if at.Before(f.until) {
		next.first = f.first
	}
	return next
}

// lasts tells whether it fails again and again.
func (f failure) lasts(now time.Time) bool {
	return now.Before(f.until) && f.last.Sub(f.first) >= lastingAfter
}

// isCut tells whether so much is logged that no more than the last failures are left, of a log that is whole since then: they
// have been before too.
func (f failure) isCut(now, whole time.Time) bool {
	return now.Before(f.until) && f.last.After(f.first) && f.first.Sub(whole) <= f.until.Sub(f.last)
}

// ReadTroubles reads them in GARM's recent log. Owner is what that GARM calls itself at GitHub: a session of its own, from before
// it was killed, keeps it out for some minutes and no longer.
func ReadTroubles(ctx context.Context, pebble LogReader, owner string, now time.Time) (Troubles, error) {
	listeners := map[uint]failure{}
	clouds := refusals{ofRunners: map[string]string{}, ofPrefixes: map[string]failure{}}
	whole, err := readLog(ctx, pebble, func(at time.Time, line map[string]string) {
		clouds.note(at, line)
		if !strings.Contains(line["error"], "already has an active session for owner "+owner) {
			note(listeners, at, line)
		}
	})
	if err != nil {
		return Troubles{}, err
	}
	delete(listeners, 0)
	found := Troubles{Unheard: map[uint]string{}, Refused: map[string]string{}}
	for id, f := range listeners {
		if f.lasts(now) || f.isCut(now, whole) {
			found.Unheard[id] = f.why
		}
	}
	for prefix, f := range clouds.ofPrefixes {
		if f.lasts(now) {
			found.Refused[prefix] = f.why
		}
	}
	return found, nil
}

// refusals are what clouds did not do.
type refusals struct {
	ofRunners  map[string]string  // why they were not made
	ofPrefixes map[string]failure // of the runners' names
}

// note takes up what a line of the log says of a runner that a cloud did not make, or, after that, did not delete (GARM
// workers/provider/instance_manager.go, consolidateState).
func (r refusals) note(at time.Time, line map[string]string) {
	runner, isRunners := strings.CutPrefix(line["worker"], "instance-worker-")
	why := saidByCloud(line["error"])
	if !isRunners || why == "" {
		return
	}
	prefix := runner[:max(strings.LastIndex(runner, "-"), 0)]
	switch line["msg"] {
	case "creating instance in provider":
		r.ofRunners[runner] = why
		r.ofPrefixes[prefix] = r.ofPrefixes[prefix].again(at, why, createPause)
	case "deleting instance in provider":
		if why, refused := r.ofRunners[runner]; refused {
			r.ofPrefixes[prefix] = r.ofPrefixes[prefix].again(at, why, deletePause)
		}
	}
}

// saidByCloud is what a provider said of the cloud, without how GARM ran it (GARM runner/providers; garm-provider-common
// util/exec/exec.go, Exec); empty for an error that is no provider's.
func saidByCloud(text string) string {
	_, whole, _ := strings.Cut(text, " returned error: ")
	_, said, _ := strings.Cut(whole, "; stderr: ")
	said, _, _ = strings.Cut(said, ": exit status ")
	return cmp.Or(strings.TrimSpace(said), whole)
}

// note takes up what a line of the log says of a scale set's listener.
func note(listeners map[uint]failure, at time.Time, line map[string]string) {
	fail := func(id uint, pause time.Duration) { listeners[id] = listeners[id].again(at, line["error"], pause) }
	switch line["msg"] {
	case "starting consumer":
		delete(listeners, workerOf(line["consumer_id"]))
	case "error starting listener":
		fail(workerOf(line["worker"]), listenPause)
	case "error restarting listener":
		pause, _ := time.ParseDuration(line["backoff"]) // without one it is tried at once
		fail(workerOf(line["worker"]), pause)
	case "retry failed: starting scale set worker":
		fail(number(line["scale_set_id"]), workerPause)
	}
}

// workerOf is the scale set whose worker has that name, 0 for one of something else.
func workerOf(name string) uint {
	set, isScaleSets := strings.CutPrefix(name, "scaleset-worker-")
	if !isScaleSets {
		return 0
	}
	return number(set[strings.LastIndex(set, "-")+1:])
}

// number is 0, which is no scale set's, for what is none.
func number(text string) uint {
	n, _ := strconv.ParseUint(text, 10, 0)
	return uint(n)
}
