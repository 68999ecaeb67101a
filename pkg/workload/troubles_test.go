package workload_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/canonical/pebble/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/workload"
)

// logged is GARM's log as Pebble's API gives it: each line has its time in seconds before now, in front.
func logged(t *testing.T, log string) *client.Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "socket")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/v1/logs?n=-1&services=app", r.URL.String())
		for line := range strings.Lines(log) {
			ago, message, _ := strings.Cut(line, " ")
			seconds, err := strconv.Atoi(ago)
			assert.NoError(t, err)
			message = strings.TrimSuffix(message, "\n")
			entry := client.LogEntry{Time: present().Add(-time.Duration(seconds) * time.Second), Service: "app", Message: message}
			assert.NoError(t, json.NewEncoder(w).Encode(entry))
		}
	})}}
	server.Start()
	t.Cleanup(server.Close)
	pebble, err := client.New(&client.Config{Socket: socket})
	require.NoError(t, err)
	return pebble
}

func present() time.Time { return time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC) }

// The lines are as GARM v0.2.1 writes them, without the addresses.
const (
	refusal    = ` time=T level=ERROR msg="error starting listener" error="creating message session: failed with status code 503: \"{\\\"message\\\":\\\"Service Unavailable\\\"}\\n\"" consumer_id=scaleset-worker-my-set-7 worker=scaleset-worker-my-set-7 entity=acme endpoint=github.com` + "\n"
	refusals   = ` time=T level=ERROR msg="error restarting listener" error="creating message session: 404" backoff=1m0s worker=scaleset-worker-my-set-7 entity=acme endpoint=github.com` + "\n"
	conflict   = ` time=T level=ERROR msg="error starting listener" error="The runner scale set my-set already has an active session for owner garm-%s." worker=scaleset-worker-my-set-7` + "\n"
	notStarted = ` time=T level=ERROR msg="retry failed: starting scale set worker" scale_set_id=7 error="failed to ensure scale set: 401" worker=scaleset-controller-06949dd5-3e65-4c97-9c22-37d10aaa3f15 entity=acme` + "\n"
	started    = ` time=T level=INFO msg="starting consumer" consumer_id=scaleset-worker-my-set-7 watcher=database` + "\n"
	others     = ` time=T level=INFO msg="starting consumer" consumer_id=scaleset-worker-my-set-17 watcher=database` + "\n"
)

// every repeats a line of the log, from so many seconds ago to so many.
func every(pause, from, to int, line string) string {
	var log strings.Builder
	for ago := from; ago >= to; ago -= pause {
		fmt.Fprint(&log, ago, line)
	}
	return log.String()
}

// much is as much as Pebble keeps, since so many seconds ago.
func much(ago int) string {
	return strings.Repeat(fmt.Sprint(ago, " time=T level=INFO msg=access_log code=200\n"), 100<<10/40)
}

func TestTroublesOfScaleSets(t *testing.T) {
	const (
		why    = `creating message session: failed with status code 503: "{\"message\":\"Service Unavailable\"}` + `\n"`
		gone   = "creating message session: 404"
		worker = "failed to ensure scale set: 401"
		theirs = "The runner scale set my-set already has an active session for owner garm-theirs."
	)
	for _, row := range []struct {
		summary string
		log     string
		why     string // of scale set 7
	}{
		{"nothing is logged", "", ""},
		{"no session", every(2, 31, 1, refusal), why},
		{"not for long yet", every(2, 29, 1, refusal), ""},
		{"tried again, and no more was said", every(2, 100, 23, refusal), ""},
		{"failed before, and again now", every(2, 100, 40, refusal) + every(2, 10, 1, refusal), ""},
		{"the last reason counts", every(2, 70, 4, refusal) + "3" + refusals, gone},
		{"within the pause", "130" + refusals + "70" + refusals, gone},
		{"after the pause", "150" + refusals + "90" + refusals, ""},
		{"a session of its own from before", every(2, 100, 1, fmt.Sprintf(conflict, "ours")), ""},
		{"another's session", every(2, 100, 1, fmt.Sprintf(conflict, "theirs")), theirs},
		{"the worker does not start", "90" + notStarted + "80" + notStarted + "64" + notStarted + "40" + notStarted, worker},
		{"the worker has started", "90" + notStarted + "70" + notStarted + "20" + started, ""},
		{"another's worker has started", "90" + notStarted + "70" + notStarted + "40" + notStarted + "20" + others, worker},
		{"the worker failed once, and nothing says that it started", "80" + notStarted, ""},
		{"the worker did not start for long", every(300, 1800, 300, notStarted), worker},
		{"and does not fail any more", every(300, 1800, 390, notStarted), ""},
		{"a line that Pebble parts", "60" + refusals + "1" + refusals[:60] + "\n1 " + refusals[60:], gone},
		{"so much is logged that the first failures are gone", much(13) + every(2, 10, 1, refusal), why},
		{"so much is logged, but it began to fail since", much(40) + every(2, 10, 1, refusal), ""},
		{"so much is logged, and it failed once", much(3) + "2" + refusal, ""},
		{"what is no line of GARM's", "70 panic: msg=\"error starting listener\" worker=\n" + "1 goroutine 263 [running]:\n", ""},
	} {
		t.Run(row.summary, func(t *testing.T) {
			found, err := workload.ReadTroubles(t.Context(), logged(t, row.log), "garm-ours", present())
			require.NoError(t, err)
			assert.Equal(t, row.why, found.Unheard[7])
			delete(found.Unheard, 7)
			assert.Equal(t, workload.Troubles{Unheard: map[uint]string{}, Refused: map[string]string{}}, found)
		})
	}
}

func TestTroublesOfClouds(t *testing.T) {
	line := func(verb, runner, said string) string {
		return ` time=T level=ERROR msg="` + verb + ` instance in provider" error="` + verb + ` instance in provider: provider binary /bin/garm-provider-openstack returned error: ` + said + `" worker=instance-worker-` + runner + "\n"
	}
	quota := line("creating", "garm-one", `provider binary failed with stdout: ; stderr: quota exceeded\n: exit status 1`)
	flavor := line("creating", "garm-two", "no such flavor")
	silent := line("creating", "garm-one", "provider binary failed with stdout: no room; stderr: : exit status 1")
	other := line("creating", "my-own-three", "no network")
	deleting := line("deleting", "garm-one", "no route")
	early := ` time=T level=ERROR msg="creating instance in provider" error="tools not found in cache for entity acme" worker=instance-worker-garm-four` + "\n"
	for _, row := range []struct {
		summary, log string
		garm, own    string // why runners are refused, by the prefix of their names
	}{
		{"nothing is refused", every(20, 100, 1, early), "", ""},
		{"once", "40" + quota, "", ""},
		{"not for long yet", "21" + quota + "1" + quota, "", ""},
		{"the last reason counts", "60" + quota + "40" + quota + "20" + flavor, "no such flavor", ""},
		{"what the provider said nothing of", every(20, 60, 1, silent), "provider binary failed with stdout: no room; stderr: : exit status 1", ""},
		{"each prefix by itself", "60" + quota + "50" + other + "30" + other + "20" + quota + "15" + other, "quota exceeded", "no network"},
		{"a cloud that takes its time", "250" + quota + "130" + quota, "quota exceeded", ""},
		{"no runner was asked for since", every(20, 300, 141, quota), "", ""},
		{"none can be deleted either", "400" + quota + "390" + deleting + "300" + deleting, "quota exceeded", ""},
		{"some cannot be deleted", every(20, 100, 1, deleting), "", ""},
		{"some at once, and so much is logged that there is no more", much(3) + "2" + quota + "1" + flavor, "", ""},
	} {
		t.Run(row.summary, func(t *testing.T) {
			found, err := workload.ReadTroubles(t.Context(), logged(t, row.log), "garm-ours", present())
			require.NoError(t, err)
			assert.Equal(t, row.garm, found.Refused["garm"])
			assert.Equal(t, row.own, found.Refused["my-own"])
			assert.Empty(t, found.Unheard)
		})
	}
}

func TestLogIsNotThere(t *testing.T) {
	pebble, err := client.New(&client.Config{Socket: filepath.Join(t.TempDir(), "none")})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = workload.ReadTroubles(ctx, pebble, "garm-ours", present())
	require.ErrorContains(t, err, "cannot read GARM's log: ")
	assert.Empty(t, workload.Reason(ctx, pebble, present()))
}

// GARM logs why it answers 500, and nothing of it in the answer.
func TestReason(t *testing.T) {
	const (
		refused = ` time=T level=ERROR msg="error creating organization scale set" error="error creating runner scale set: 403 Forbidden []"` + "\n"
		access  = ` time=T level=INFO msg=access_log method=POST uri=/api/v1/organizations/e7f8/scalesets code=500` + "\n"
		pool    = ` time=T level=ERROR msg="failed to update tools" error="401" pool_mgr=acme endpoint=github.com` + "\n"
		runners = ` time=T level=ERROR msg="failed to consolidate runner state" error="503"` + "\n"
		reason  = "error creating runner scale set: 403 Forbidden []"
	)
	for _, row := range []struct{ summary, log, reason string }{
		{"nothing is logged", "", ""},
		{"its own line", "9" + pool + "4" + refused + "4" + access + "3" + runners + "2" + refusals, reason},
		{"one of before", "11" + refused, ""},
		{"the same of another request", "4" + refused + "3" + refused, reason},
		{"another of another request", "4" + strings.Replace(refused, "403", "404", 1) + "3" + refused, ""},
		{"after a line that is longer than Pebble's client takes", "5 time=T user_agent=" + strings.Repeat("\\\"", 5000) + "\n4" + refused, reason},
	} {
		t.Run(row.summary, func(t *testing.T) {
			assert.Equal(t, row.reason, workload.Reason(t.Context(), logged(t, row.log), present().Add(-10*time.Second)))
		})
	}
}
