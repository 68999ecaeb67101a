package workload

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/canonical/pebble/client"
)

// LogReader is the part of Pebble's client that reads logs.
type LogReader interface {
	Logs(*client.LogsOptions) error
}

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
	err := pebble.Logs(&client.LogsOptions{Services: []string{Service}, N: -1, WriteLog: func(entry client.LogEntry) error {
		note(silences, entry.Time, attributes(entry.Message))
		return nil
	}})
	if err != nil {
		return nil, fmt.Errorf("cannot read GARM's log: %w", err)
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
	until := func(pause time.Duration) silence { return silence{line["error"], at.Add(pause + longestTrial)} }
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

// attributes are those of a line that log/slog wrote as text.
func attributes(line string) map[string]string {
	found := map[string]string{}
	for _, attribute := range regexp.MustCompile(`(\w+)=("(?:[^"\\]|\\.)*"|\S*)`).FindAllStringSubmatch(line, -1) {
		found[attribute[1]] = attribute[2]
		if text, err := strconv.Unquote(attribute[2]); err == nil {
			found[attribute[1]] = text
		}
	}
	return found
}
