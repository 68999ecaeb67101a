package workload

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// How long GARM waits at most before it tries again what failed (GARM workers/scaleset/scaleset.go, keepListenerAlive, and
// workers/common/backoff.go), and how long the trial may take. Of one that works its log may have nothing.
const (
	listenPause  = 2 * time.Second
	workerPause  = 6 * time.Minute
	longestTrial = 20 * time.Second
)

// unheardAfter is for how long it must have failed again and again to be worth a word: it does for a moment whenever something
// changes.
const unheardAfter = 30 * time.Second

// silence is why GARM does not hear of a scale set's jobs.
type silence struct {
	why         string
	first, last time.Time // when it was logged
	until       time.Time // when it would have been logged again
}

// Unheard returns why GARM has not heard of the jobs of scale sets for a while, by GARM's IDs of them, as far as its recent log
// tells; that is the only place where it does. Owner is what that GARM calls itself at GitHub: a session of its own, from before
// it was killed, keeps it out for some minutes and no longer.
func Unheard(ctx context.Context, pebble LogReader, owner string, now time.Time) (map[uint]string, error) {
	silences := map[uint]silence{}
	whole, err := readLog(ctx, pebble, func(at time.Time, line map[string]string) {
		if !strings.Contains(line["error"], "already has an active session for owner "+owner) {
			note(silences, at, line)
		}
	})
	if err != nil {
		return nil, err
	}
	delete(silences, 0)
	reasons := map[uint]string{}
	for id, s := range silences {
		if now.Before(s.until) && s.lasts(whole) {
			reasons[id] = s.why
		}
	}
	return reasons, nil
}

// lasts tells whether it fails again and again. Where so much is logged that no more than the last failures are left, of a log
// that is whole since then, they have been before too.
func (s silence) lasts(whole time.Time) bool {
	isFromBefore := s.last.After(s.first) && s.first.Sub(whole) <= s.until.Sub(s.last)
	return s.last.Sub(s.first) >= unheardAfter || isFromBefore
}

// note takes up what a line of the log says of a scale set's listener.
func note(silences map[uint]silence, at time.Time, line map[string]string) {
	switch line["msg"] {
	case "starting consumer":
		delete(silences, workerOf(line["consumer_id"]))
	case "error starting listener":
		fail(silences, workerOf(line["worker"]), at, line["error"], listenPause)
	case "error restarting listener":
		pause, _ := time.ParseDuration(line["backoff"]) // without one it is tried at once
		fail(silences, workerOf(line["worker"]), at, line["error"], pause)
	case "retry failed: starting scale set worker":
		fail(silences, number(line["scale_set_id"]), at, line["error"], workerPause)
	}
}

func fail(silences map[uint]silence, id uint, at time.Time, why string, pause time.Duration) {
	s := silence{why: why, first: at, last: at, until: at.Add(pause + longestTrial)}
	if before, known := silences[id]; known && at.Before(before.until) {
		s.first = before.first
	}
	silences[id] = s
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
