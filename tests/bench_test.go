package tests_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/bed"
)

// BenchmarkUpdateStatus is what an update-status hook of garm costs that finds nothing to do, with one configurator: its
// wall time as the agent sees it (200 ms of which Juju waits for the hook's log pipes), and the hook tools it calls.
func BenchmarkUpdateStatus(b *testing.B) {
	built, err := bed.Build(b.Context())
	require.NoError(b, err)
	world, err := bed.New(b.Context(), bed.Config{Dir: b.TempDir(), Number: 250, Built: built})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, world.Close()) })
	require.NoError(b, world.Setup(b.Context(), "small", func(string) {}))
	require.NoError(b, world.WaitStatus(b.Context(), "small", "active", "ready$", nil))

	var took time.Duration
	calls := len(world.Model.Calls())
	for b.Loop() {
		require.NoError(b, world.Model.FireUpdateStatus(b.Context(), "garm/0"))
		require.NoError(b, world.Model.Settle(b.Context()))
		hooks := world.Model.Hooks("garm/0")
		last := hooks[len(hooks)-1]
		took += last.End.Sub(last.Start)
	}
	b.ReportMetric(float64(took.Milliseconds())/float64(b.N), "ms/hook")
	b.ReportMetric(float64(len(world.Model.Calls())-calls)/float64(b.N), "tools/hook")
}
