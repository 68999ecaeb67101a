package reconcile_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/garmapi"
)

// BenchmarkReconcile reconciles the real GARM with many scale sets in ten organisations, half of them with runner options.
// Beside each reconcile it sends the same requests in a plain loop; x-raw is how many times as long the reconcile takes, by the
// means of both, and fastest-x-raw by the fastest of both.
// peak-MB is the most memory that the whole process had, the test's own included.
func BenchmarkReconcile(b *testing.B) {
	for _, size := range []int{10, 100, 500} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			l := newBenchLab(b, size)
			nothing := func() {}
			l.measure(b, "create", 1, l.renew, nothing)
			l.calm()
			turn := 0 // so that each change is one
			l.measure(b, "no-op", many, nothing, nothing)
			l.measure(b, "one-image", many, nothing, func() {
				turn++
				l.declarations[0].ImageID = "image-" + strconv.Itoa(turn)
			})
			l.measure(b, "one-option", many, nothing, func() {
				turn++
				l.declarations[1].DockerHubMirror = fmt.Sprintf("https://mirror-%d.example.com", turn)
			})
		})
	}
}

const organisations = 10

// many is how often at least a phase is measured that takes milliseconds, for which GARM's garbage matters.
const many = 60

type benchLab struct {
	*lab

	declarations []desired.Declaration
}

func newBenchLab(b *testing.B, size int) *benchLab {
	b.Helper()
	l := &benchLab{lab: newLab(b)}
	for i := range organisations {
		l.forge.Do(b, "POST", "/entities", fmt.Sprintf(`{"entity":"orgs/org-%d"}`, i))
	}
	for i := range size {
		d := l.declared(fmt.Sprintf("set-%03d", i), org(fmt.Sprintf("org-%d", i%organisations)))
		if i%2 == 1 {
			d.DockerHubMirror = "https://mirror.example.com"
		}
		l.declarations = append(l.declarations, d)
	}
	return l
}

// renew makes GARM and GitHub as if there had never been a scale set.
func (l *benchLab) renew() {
	l.t.Helper()
	l.server.Stop(l.t)
	for _, id := range l.onGitHub() {
		l.forge.Do(l.t, "DELETE", fmt.Sprintf("/scalesets/%d", id), "")
	}
	l.startGARM()
}

// calm waits until GARM has done what a create leaves it to do, which is to listen for jobs.
func (l *benchLab) calm() {
	l.t.Helper()
	require.Eventually(l.t, func() bool {
		var sessions []json.RawMessage
		require.NoError(l.t, json.Unmarshal([]byte(l.forge.Do(l.t, "GET", "/sessions", "")), &sessions))
		return len(sessions) >= len(l.declarations)*99/100
	}, soon, 100*time.Millisecond)
}

// measure is one phase: prepare comes before each reconcile and each loop of requests, change before each reconcile. Which of the
// two comes first is left to chance: GARM collects its garbage with all processors after every few long answers, which may
// always be in the same one of two that take turns. Each comes a number of times for every iteration of the benchmark.
func (l *benchLab) measure(b *testing.B, name string, times int, prepare, change func()) {
	b.Helper()
	prepare()
	change()
	requests := l.record()
	b.Run(name, func(b *testing.B) {
		var own, raw []time.Duration
		var peak, reads, writes int
		measures := []func(){
			func() { raw = append(raw, l.replay(requests)) },
			func() {
				change()
				l.written()
				l.reads = 0
				own = append(own, l.timed())
				peak, reads, writes = max(peak, peakKiB(b)), l.reads, len(l.written())
			},
		}
		for b.Loop() {
			for range times {
				for _, i := range rand.Perm(len(measures)) {
					prepare()
					resetPeak(b)
					measures[i]()
				}
			}
		}
		typical, typicalRaw := mean(own), mean(raw)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(reads+writes), "requests")
		b.ReportMetric(float64(writes), "mutating")
		b.ReportMetric(float64(typical.Microseconds())/1000, "ms")
		b.ReportMetric(float64(typicalRaw.Microseconds())/1000, "raw-ms")
		b.ReportMetric(float64(typical)/float64(typicalRaw), "x-raw")
		b.ReportMetric(float64(slices.Min(own))/float64(slices.Min(raw)), "fastest-x-raw")
		b.ReportMetric(float64(peak)/1024, "peak-MB")
	})
}

// mean and not median: a pass takes either of two times, with or without a collection of GARM's.
func mean(took []time.Duration) time.Duration {
	var sum time.Duration
	for _, d := range took {
		sum += d
	}
	return sum / time.Duration(len(took))
}

// record returns the requests of a reconcile.
func (l *benchLab) record() []request {
	l.t.Helper()
	recorder := newRecorder(l.t, l.server.URL)
	direct := l.client
	l.client = garmapi.New(recorder.URL, garmapi.Options{})
	require.NoError(l.t, l.client.Login(l.t.Context(), l.admin.Username, l.admin.Password))
	recorder.take()
	l.timed()
	l.client = direct
	return recorder.take()
}

// timed is how long a reconcile takes.
func (l *benchLab) timed() time.Duration {
	l.t.Helper()
	begin := time.Now()
	_, report := l.pass(nil, l.declarations...)
	took := time.Since(begin)
	require.NoError(l.t, report.Err())
	l.log.Reset()
	return took
}
