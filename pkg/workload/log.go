package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/canonical/pebble/client"
)

// LogReader is the part of Pebble's client that reads logs. Its own Logs stops at the first line of more than 5 KiB.
type LogReader interface {
	Requester() client.Requester
}

// Pebble reads from a pipe what GARM logs before it answers.
const (
	logLag   = 500 * time.Millisecond
	logPause = 50 * time.Millisecond
)

// wholeLog is how many bytes of a log Pebble surely keeps: it has 100 KiB, with the time of each line
// (internals/overlord/servstate/handlers.go, maxLogBytes).
const wholeLog = 64 << 10

// Reason is the error that GARM has logged for a request which began at that time, empty if there is none or more than one,
// which may be another request's. GARM's answer does not have it when it is a 500 (GARM apiserver/controllers/controllers.go,
// handleError).
func Reason(ctx context.Context, pebble LogReader, began time.Time) string {
	reasons := map[string]bool{}
	for end := time.Now().Add(logLag); len(reasons) == 0 && time.Now().Before(end); time.Sleep(logPause) {
		_, err := readLog(ctx, pebble, func(at time.Time, line map[string]string) {
			if !at.Before(began) && isOfRequest(line) {
				reasons[line["error"]] = true
			}
		})
		if err != nil {
			return ""
		}
	}
	for reason := range reasons {
		if len(reasons) == 1 {
			return reason
		}
	}
	return ""
}

// isOfRequest tells a request's error from those of GARM's workers and pool managers.
func isOfRequest(line map[string]string) bool {
	return line["level"] == "ERROR" && line["worker"] == "" && line["pool_mgr"] == "" && line["msg"] != "failed to consolidate runner state"
}

// readLog reads what Pebble still has of GARM's log: the attributes of each line, as log/slog wrote them as text. It leaves out
// those of the two kinds that are most of it. It returns since when the log is whole, zero if that is from its beginning.
func readLog(ctx context.Context, pebble LogReader, read func(at time.Time, line map[string]string)) (since time.Time, err error) {
	response, err := pebble.Requester().Do(ctx, &client.RequestOptions{
		Type: client.RawRequest, Method: "GET", Path: "/v1/logs", Query: url.Values{"services": {Service}, "n": {"-1"}},
	})
	if err != nil {
		return since, fmt.Errorf("cannot read GARM's log: %w", err)
	}
	size := 0
	attributes := regexp.MustCompile(`(\w+)=("(?:[^"\\]|\\.)*"|\S*)`)
	err = eachLine(response.Body, func(entry client.LogEntry) {
		if size == 0 {
			since = entry.Time
		}
		size += len(entry.Message)
		if strings.Contains(entry.Message, " level=DEBUG ") || strings.Contains(entry.Message, " msg=access_log ") {
			return
		}
		line := map[string]string{}
		for _, found := range attributes.FindAllStringSubmatch(entry.Message, -1) {
			line[found[1]] = found[2]
			if text, err := strconv.Unquote(found[2]); err == nil {
				line[found[1]] = text
			}
		}
		read(entry.Time, line)
	})
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return since, fmt.Errorf("cannot read GARM's log: %w", err)
	}
	if size < wholeLog {
		since = time.Time{}
	}
	return since, nil
}

// eachLine has the lines of GARM's log as it wrote them; Pebble parts long ones.
func eachLine(entries io.Reader, take func(client.LogEntry)) error {
	var last client.LogEntry
	for decoder := json.NewDecoder(entries); ; {
		var entry client.LogEntry
		err := decoder.Decode(&entry)
		if err == nil && entry.Time.Equal(last.Time) && !strings.HasPrefix(entry.Message, "time=") {
			last.Message += entry.Message
			continue
		}
		take(last)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		last = entry
	}
}
