package tests_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/bed"
)

// settledBed is a world in which garm serves one configurator and has nothing left to do.
func settledBed(b *testing.B, number int) *bed.Bed {
	b.Helper()
	built, err := bed.Build(b.Context())
	require.NoError(b, err)
	world, err := bed.New(b.Context(), bed.Config{Dir: b.TempDir(), Number: number, Built: built})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, world.Close()) })
	require.NoError(b, world.Setup(b.Context(), "small", func(string) {}))
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
	defer cancel()
	// A GARM that starts slowly is looked at again at update-status.
	require.NoError(b, world.WaitStatus(ctx, "small", "active", "ready$", func() error { return world.Model.FireUpdateStatus(ctx, "garm/0") }))
	updateStatus(b, world)
	return world
}

func updateStatus(b *testing.B, world *bed.Bed) {
	b.Helper()
	require.NoError(b, world.Model.FireUpdateStatus(b.Context(), "garm/0"))
	require.NoError(b, world.Model.Settle(b.Context()))
}

// BenchmarkUpdateStatus is what an update-status hook of garm costs that finds nothing to do, with one configurator: its
// wall time as the agent sees it (200 ms of which Juju waits for the hook's log pipes), and the hook tools it calls.
func BenchmarkUpdateStatus(b *testing.B) {
	world := settledBed(b, 250)
	var took time.Duration
	calls := len(world.Model.Calls())
	for b.Loop() {
		updateStatus(b, world)
		hooks := world.Model.Hooks("garm/0")
		last := hooks[len(hooks)-1]
		took += last.End.Sub(last.Start)
	}
	b.ReportMetric(float64(took.Milliseconds())/float64(b.N), "ms/hook")
	b.ReportMetric(float64(len(world.Model.Calls())-calls)/float64(b.N), "tools/hook")
}

// The dispatch of garm is recorded once on Juju's own hook tools, and then run again with tools that only repeat what those
// answered, so that it is garm's time and not Juju's that is measured. Both are bash for its clock.
const (
	recordScript = `set -e
charm=$(echo /var/lib/juju/agents/unit-*/charm) tools=$(echo /var/lib/juju/tools/unit-*)
mkdir -p /bench/record /bench/replay /bench/answers
chmod 777 /bench /bench/answers # the charm is not root
for tool in "$tools"/*; do
	cat >"/bench/record/${tool##*/}" <<RECORD
#!/bin/bash
answer="/bench/answers/\${0##*/} \$*"
mkdir -p "\${answer%/*}"
"$tool" "\$@" >"\$answer.out" 2>"\$answer.err"
echo \$? >"\$answer.code"
cat "\$answer.out"; cat "\$answer.err" >&2; exit \$(<"\$answer.code")
RECORD
	cat >"/bench/replay/${tool##*/}" <<'REPLAY'
#!/bin/bash
echo "$EPOCHREALTIME ${0##*/}" >>/bench/calls
answer="/bench/answers/${0##*/} $*"
read -r -d '' out <"$answer.out"; read -r -d '' err <"$answer.err"; read -r code <"$answer.code"
printf %s "$out"; printf %s "$err" >&2; exit "$code"
REPLAY
done
chmod +x /bench/record/* /bench/replay/*
mv "$charm/dispatch" /bench/dispatch
cat >"$charm/dispatch" <<'DISPATCH'
#!/bin/bash
env >/bench/env
PATH=/bench/record:$PATH exec /bench/dispatch
DISPATCH
chmod +x "$charm/dispatch"
`
	replayScript = `
rm -f /bench/calls
began=$EPOCHREALTIME
/bench/dispatch || exit
echo "$began $EPOCHREALTIME"
cat /bench/calls
`
	// What the agent's own process, or this one's, had at its fork would be in the usage of a child.
	memoryScript = `
/bench/dispatch &
while kill -0 $! 2>/dev/null; do
	mapfile -t status <"/proc/$!/status"
	for line in "${status[@]}"; do
		case $line in VmHWM:*) peak=${line//[^0-9]/} ;; esac
	done
done
echo "$peak"
`
)

// BenchmarkDispatch is an update-status of garm that finds nothing to do, with one configurator, on the real GARM and Pebble:
// the program's own time from start to end and to its first hook tool, the peak of its memory, and what one hook tool takes.
func BenchmarkDispatch(b *testing.B) {
	world := settledBed(b, 251)
	run := func(env []string, script string) string {
		cmd, err := world.Model.ContainerCommand(b.Context(), "garm/0", "charm", "bash", "-c", "cd /;"+script)
		require.NoError(b, err)
		cmd.Env = append(cmd.Env, env...)
		out, err := cmd.Output()
		require.NoError(b, err)
		return string(out)
	}
	run(nil, recordScript)
	updateStatus(b, world)
	recorded := run(nil, "cat /bench/env")
	env := append(strings.Split(strings.TrimSpace(recorded), "\n"), "PATH=/bench/replay:/usr/sbin:/usr/bin:/sbin:/bin")

	alone := run(env, `began=$EPOCHREALTIME; for _ in {1..20}; do is-leader --format=json >/bench/out; done; echo "$began $EPOCHREALTIME"`)
	began, ended := clocks(b, alone)
	tool := (ended - began) * 1000 / 20
	peak, _ := clocks(b, run(env, memoryScript))
	var took, first float64
	var tools int
	for b.Loop() {
		out := run(env, replayScript)
		began, ended := clocks(b, out)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		called, _ := clocks(b, lines[1])
		took, first, tools = took+ended-began, first+called-began, tools+len(lines)-1
	}
	b.ReportMetric(tool, "ms/tool")
	b.ReportMetric(took*1000/float64(b.N), "ms/dispatch")
	b.ReportMetric(first*1000/float64(b.N), "ms-to-first-tool")
	b.ReportMetric(float64(tools)/float64(b.N), "tools/dispatch")
	b.ReportMetric(peak/1024, "MB-peak")
}

// clocks reads one or two numbers from the beginning of a line.
func clocks(b *testing.B, line string) (one, other float64) {
	b.Helper()
	found, err := fmt.Sscan(line, &one, &other)
	require.Positive(b, found, "%q: %v", line, err)
	return one, other
}
