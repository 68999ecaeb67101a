package workload

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/canonical/pebble/client"
)

// LogReader is the part of Pebble's client that reads logs.
type LogReader interface {
	Logs(*client.LogsOptions) error
}

const (
	// longestReason is in runes: GARM may log a whole page that a proxy answered in GitHub's place.
	longestReason = 300
	// Pebble reads from a pipe what GARM logs before it answers.
	logLag   = 500 * time.Millisecond
	logPause = 20 * time.Millisecond
)

// Reason is the error that GARM logged last for a request which began at that time, empty if there is none. GARM's answer
// does not have it when it is a 500 (GARM apiserver/controllers/controllers.go, handleError).
func Reason(pebble LogReader, began time.Time) string {
	var reason string
	for end := time.Now().Add(logLag); reason == "" && time.Now().Before(end); time.Sleep(logPause) {
		err := readLog(pebble, func(at time.Time, line map[string]string) {
			// Lines with a worker or a pool manager are not about requests.
			if !at.Before(began) && line["level"] == "ERROR" && line["worker"] == "" && line["pool_mgr"] == "" {
				reason = brief(line["error"])
			}
		})
		if err != nil {
			return ""
		}
	}
	return reason
}

// readLog reads what Pebble still has of GARM's log: the attributes of each line, as log/slog wrote them as text. It leaves out
// those of the two kinds that are most of it.
func readLog(pebble LogReader, read func(at time.Time, line map[string]string)) error {
	attributes := regexp.MustCompile(`(\w+)=("(?:[^"\\]|\\.)*"|\S*)`)
	err := pebble.Logs(&client.LogsOptions{Services: []string{Service}, N: -1, WriteLog: func(entry client.LogEntry) error {
		if strings.Contains(entry.Message, " level=DEBUG ") || strings.Contains(entry.Message, " msg=access_log ") {
			return nil
		}
		line := map[string]string{}
		for _, found := range attributes.FindAllStringSubmatch(entry.Message, -1) {
			line[found[1]] = found[2]
			if text, err := strconv.Unquote(found[2]); err == nil {
				line[found[1]] = text
			}
		}
		read(entry.Time, line)
		return nil
	}})
	if err != nil {
		return fmt.Errorf("cannot read GARM's log: %w", err)
	}
	return nil
}

// brief is a text, which may be anybody's, as a short line.
func brief(text string) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
	line := []rune(strings.Join(words, " "))
	if len(line) <= longestReason {
		return string(line)
	}
	return string(line[:longestReason]) + "…"
}
