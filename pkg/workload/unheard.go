package workload

import (
	"regexp"
	"strconv"
	"time"
)

// How long GARM waits before it tries again what failed (GARM workers/scaleset/scaleset.go, keepListenerAlive, and
// workers/common/backoff.go), and how long the trial may take. Of one that works its log has nothing.
const (
	listenPause  = 2 * time.Second
	workerPause  = 6 * time.Minute
	longestTrial = 20 * time.Second
)

// silence is why GARM does not hear of a scale set's jobs.
type silence struct {
	why   string
	until time.Time // when it would have been logged again
}

// Unheard returns why GARM does not hear of the jobs of scale sets at present, by GARM's IDs of them, as far as its recent log
// tells; that is the only place where it does.
func Unheard(pebble LogReader, now time.Time) (map[uint]string, error) {
	silences := map[uint]silence{}
	err := readLog(pebble, func(at time.Time, line map[string]string) { note(silences, at, line) })
	if err != nil {
		return nil, err
	}
	delete(silences, 0)
	reasons := map[uint]string{}
	for id, s := range silences {
		if now.Before(s.until) {
			reasons[id] = s.why
		}
	}
	return reasons, nil
}

// note takes up what a line of the log says of a scale set's listener.
func note(silences map[uint]silence, at time.Time, line map[string]string) {
	until := func(pause time.Duration) silence { return silence{brief(line["error"]), at.Add(pause + longestTrial)} }
	switch line["msg"] {
	case "starting consumer":
		delete(silences, workerOf(line["consumer_id"]))
	case "error starting listener":
		silences[workerOf(line["worker"])] = until(listenPause)
	case "error restarting listener":
		pause, _ := time.ParseDuration(line["backoff"]) // without one it is tried at once
		silences[workerOf(line["worker"])] = until(pause)
	case "retry failed: starting scale set worker":
		silences[number(line["scale_set_id"])] = until(workerPause)
	}
}

// workerOf is the scale set whose worker has that name, 0 for one of something else.
func workerOf(name string) uint {
	found := regexp.MustCompile(`^scaleset-worker-.*-(\d+)$`).FindStringSubmatch(name)
	if found == nil {
		return 0
	}
	return number(found[1])
}

// number is 0, which is no scale set's, for what is none.
func number(text string) uint {
	n, _ := strconv.ParseUint(text, 10, 0)
	return uint(n)
}
