package workload

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// Troubles are what GARM tells nowhere but in its log.
type Troubles struct {
	// Unheard is why GARM has not heard of the jobs of scale sets for a while, by GARM's IDs of them.
	Unheard map[uint]string
	// Refused is why clouds did not make runners, by the runners' names.
	Refused map[string]string
	// Refuses is the last of these reasons when there has been one after another for a while.
	Refuses string
}

// How long GARM waits at most before it tries again what failed (GARM workers/scaleset/scaleset.go, keepListenerAlive, and
// workers/common/backoff.go), and how long the trial may take. Of one that works its log may have nothing.
const (
	listenPause  = 2 * time.Second
	workerPause  = 6 * time.Minute
	longestTrial = 20 * time.Second
)

// cloudPause is how long it may take from one refusal to the next: GARM deletes a runner and makes another within 20 s, and a
// cloud takes its time to find out that it cannot.
const cloudPause = 2 * time.Minute

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

// lasts tells whether it fails again and again. Where so much is logged that no more than the last failures are left, of a log
// that is whole since then, they have been before too.
func (f failure) lasts(now, whole time.Time) bool {
	isFromBefore := f.last.After(f.first) && f.first.Sub(whole) <= f.until.Sub(f.last)
	return now.Before(f.until) && (f.last.Sub(f.first) >= lastingAfter || isFromBefore)
}

// ReadTroubles reads them in GARM's recent log. Owner is what that GARM calls itself at GitHub: a session of its own, from before
// it was killed, keeps it out for some minutes and no longer.
func ReadTroubles(ctx context.Context, pebble LogReader, owner string, now time.Time) (Troubles, error) {
	listeners := map[uint]failure{}
	var clouds failure
	found := Troubles{Unheard: map[uint]string{}, Refused: map[string]string{}}
	whole, err := readLog(ctx, pebble, func(at time.Time, line map[string]string) {
		if runner, why := refusal(line); why != "" {
			found.Refused[runner] = why
			clouds = clouds.again(at, why, cloudPause)
		} else if !strings.Contains(line["error"], "already has an active session for owner "+owner) {
			note(listeners, at, line)
		}
	})
	if err != nil {
		return Troubles{}, err
	}
	delete(listeners, 0)
	for id, f := range listeners {
		if f.lasts(now, whole) {
			found.Unheard[id] = f.why
		}
	}
	if clouds.lasts(now, whole) {
		found.Refuses = clouds.why
	}
	return found, nil
}

// refusal is why a cloud did not make a runner, empty if that is not what the line of the log is about (GARM
// workers/provider/instance_manager.go, consolidateState, and runner/providers; garm-provider-common util/exec/exec.go, Exec).
func refusal(line map[string]string) (runner, why string) {
	runner, isRunners := strings.CutPrefix(line["worker"], "instance-worker-")
	_, why, isProviders := strings.Cut(line["error"], " returned error: ")
	if line["msg"] != "creating instance in provider" || !isRunners || !isProviders {
		return "", ""
	}
	if _, said, isFound := strings.Cut(why, "; stderr: "); isFound {
		why = said
	}
	return runner, why
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
