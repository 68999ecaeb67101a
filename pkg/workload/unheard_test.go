package workload_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/canonical/pebble/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/workload"
)

// logged is GARM's log in Pebble: each line has its time in seconds before now.
type logged string

func (l logged) Logs(o *client.LogsOptions) error {
	for line := range strings.Lines(string(l)) {
		var ago int
		if _, err := fmt.Sscan(line, &ago); err != nil {
			return err
		}
		_, message, _ := strings.Cut(line, " ")
		if err := o.WriteLog(client.LogEntry{Time: present().Add(-time.Duration(ago) * time.Second), Message: message}); err != nil {
			return err
		}
	}
	return nil
}

type unreadable struct{}

func (unreadable) Logs(*client.LogsOptions) error { return errors.New("no such file") }

func present() time.Time { return time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC) }

// The lines are as GARM v0.2.1 writes them, without the addresses.
const (
	refusal    = ` level=ERROR msg="error starting listener" error="creating message session: failed with status code 503: \"{\\\"message\\\":\\\"Service Unavailable\\\"}\\n\"" consumer_id=scaleset-worker-my-set-7 worker=scaleset-worker-my-set-7 entity=acme endpoint=github.com` + "\n"
	refusals   = ` level=ERROR msg="error restarting listener" error="creating message session: conflict" backoff=1m0s worker=scaleset-worker-my-set-7 entity=acme endpoint=github.com` + "\n"
	notStarted = ` level=ERROR msg="retry failed: starting scale set worker" scale_set_id=7 error="failed to ensure scale set: 401" worker=scaleset-controller-06949dd5-3e65-4c97-9c22-37d10aaa3f15 entity=acme` + "\n"
	started    = ` level=INFO msg="starting consumer" consumer_id=scaleset-worker-my-set-7 watcher=database` + "\n"
	others     = ` level=INFO msg="starting consumer" consumer_id=scaleset-worker-my-set-17 watcher=database` + "\n"
)

func TestUnheard(t *testing.T) {
	const why = `creating message session: failed with status code 503: "{\"message\":\"Service Unavailable\"}` + `\n"`
	for _, row := range []struct {
		summary string
		log     string
		why     string // of scale set 7
	}{
		{"nothing is logged", "", ""},
		{"no session", "1" + refusal, why},
		{"tried again, and no more was said", "40" + refusal, ""},
		{"the last reason counts", "4" + refusal + "3" + refusals, "creating message session: conflict"},
		{"within the pause", "70" + refusals, "creating message session: conflict"},
		{"after the pause", "90" + refusals, ""},
		{"the worker does not start", "300" + notStarted, "failed to ensure scale set: 401"},
		{"the worker has started", "30" + notStarted + "20" + started, ""},
		{"another's worker has started", "30" + notStarted + "20" + others, "failed to ensure scale set: 401"},
		{"the worker did not start for long", "400" + notStarted, ""},
		{"what is no line of GARM's", "1 panic: msg=\"error starting listener\" worker=\n" + "1 goroutine 263 [running]:\n", ""},
	} {
		t.Run(row.summary, func(t *testing.T) {
			reasons, err := workload.Unheard(logged(row.log), present())
			require.NoError(t, err)
			assert.Equal(t, row.why, reasons[7])
			delete(reasons, 7)
			assert.Empty(t, reasons)
		})
	}
	_, err := workload.Unheard(unreadable{}, present())
	assert.Empty(t, workload.Reason(unreadable{}, present()))
	assert.EqualError(t, err, "cannot read GARM's log: no such file")
}

// GARM logs why it answers 500, and nothing of it in the answer.
func TestReason(t *testing.T) {
	const (
		refused = ` level=ERROR msg="error creating organization scale set" error="error creating runner scale set: 403 Forbidden []"` + "\n"
		access  = ` level=INFO msg=access_log method=POST uri=/api/v1/organizations/e7f8/scalesets code=500` + "\n"
		pool    = ` level=ERROR msg="failed to update tools" error="401" pool_mgr=acme endpoint=github.com` + "\n"
		page    = ` level=ERROR msg="updating scale set" error="failed: \"<html>\n\t\x1b[31mbad`
	)
	for _, row := range []struct{ summary, log, reason string }{
		{"nothing is logged", "", ""},
		{"its own line", "9" + pool + "4" + refused + "4" + access + "3" + pool + "2" + refusals, "error creating runner scale set: 403 Forbidden []"},
		{"one of before", "11" + refused, ""},
		{"of two the last", "4" + strings.Replace(refused, "403", "404", 1) + "3" + refused, "error creating runner scale set: 403 Forbidden []"},
		{"a page", "4" + page + strings.Repeat("é", 300) + "\"\"\n", `failed: "<html> [31mbad` + strings.Repeat("é", 277) + "…"},
	} {
		t.Run(row.summary, func(t *testing.T) {
			assert.Equal(t, row.reason, workload.Reason(logged(row.log), present().Add(-10*time.Second)))
		})
	}
}
