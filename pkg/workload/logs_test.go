package workload_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/canonical/pebble/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/workload"
)

// loki counts the lines that Pebble pushes to it.
type loki struct {
	URL    string
	pushed atomic.Int64
	labels atomic.Value // of the last push
}

func newLoki(t *testing.T) *loki {
	t.Helper()
	l := &loki{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Streams []struct {
				Stream map[string]string
				Values []json.RawMessage
			}
		}
		if !assert.NoError(t, json.NewDecoder(r.Body).Decode(&body)) {
			return
		}
		for _, stream := range body.Streams {
			l.labels.Store(stream.Stream)
			l.pushed.Add(int64(len(stream.Values)))
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(server.Close)
	l.URL = server.URL + "/loki/api/v1/push"
	return l
}

// more waits until it was pushed something that it had not before.
func (l *loki) more(t *testing.T) {
	t.Helper()
	before := l.pushed.Load()
	require.Eventually(t, func() bool { return l.pushed.Load() > before }, 10*time.Second, 20*time.Millisecond)
}

func TestForwardLogs(t *testing.T) {
	t.Parallel()
	p := pebble(t)
	talk(t, p)
	first, second := newLoki(t), newLoki(t)
	labels := map[string]string{"juju_unit": "garm/0", "product": "Juju"}
	forward := func(urls map[string]string) bool {
		changed, err := workload.ForwardLogs(p, urls, labels)
		require.NoError(t, err)
		return changed
	}
	assert.False(t, forward(nil), "there is nobody to push to")

	assert.True(t, forward(map[string]string{"loki/0": first.URL}))
	first.more(t)
	assert.Equal(t, map[string]string{"juju_unit": "garm/0", "product": "Juju", "pebble_service": "talk"}, first.labels.Load())
	assert.False(t, forward(map[string]string{"loki/0": first.URL}))

	assert.True(t, forward(map[string]string{"loki/0": second.URL}), "it moved")
	second.more(t)
	silent(t, first, second)

	assert.True(t, forward(map[string]string{"loki/0": first.URL, "loki/1": second.URL}), "it moved back, and another came")
	first.more(t)
	second.more(t)

	assert.True(t, forward(map[string]string{"loki/0": first.URL}))
	silent(t, second, first)
	assert.True(t, forward(nil), "the last went")
	plan, err := p.PlanBytes(nil)
	require.NoError(t, err)
	assert.NotContains(t, string(plan), first.URL)
	assert.NotContains(t, string(plan), second.URL)
	assert.False(t, forward(nil))
}

// silent tells that nothing is pushed to one any more while the other is pushed to three times.
func silent(t *testing.T, gone, there *loki) {
	t.Helper()
	for range 3 {
		there.more(t) // what was on its way to the other arrives meanwhile
	}
	before := gone.pushed.Load()
	for range 3 {
		there.more(t)
	}
	assert.Equal(t, before, gone.pushed.Load())
}

// talk runs a service that never stops talking.
func talk(t *testing.T, p *client.Client) {
	t.Helper()
	layer := strings.Join([]string{
		"services:", "  talk:", "    override: replace", "    startup: enabled",
		"    command: sh -c 'while :; do echo a line; sleep 0.1; done'",
	}, "\n")
	require.NoError(t, p.AddLayer(&client.AddLayerOptions{Combine: true, Label: "talk", LayerData: []byte(layer)}))
	id, err := p.Replan(&client.ServiceOptions{})
	require.NoError(t, err)
	_, err = p.WaitChange(id, nil)
	require.NoError(t, err)
}
