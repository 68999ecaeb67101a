package tests_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkConfigChanged is what a config-changed hook of garm-configurator costs that finds nothing to do: its wall time
// as the agent sees it (200 ms of which Juju waits for the hook's log pipes), and the hook tools it calls, whose number
// does not depend on how many options are set.
func BenchmarkConfigChanged(b *testing.B) {
	for name, options := range map[string]map[string]string{
		"required options": {},
		"all options": {
			"labels": "gpu,large", "dockerhub-mirror": "https://mirror.example.com", "runner-http-proxy": "http://proxy.example.com:3128",
			"aproxy-exclude-addresses": "10.0.0.0/8", "aproxy-redirect-ports": "80,443",
			"otel-collector-endpoint": "https://otel.example.com", "pre-job-script": "true", "pre-install-scripts": "true",
		},
	} {
		b.Run(name, func(b *testing.B) {
			d := newDeclaring(b, networks().Add(1)).standing()
			d.configure(options)
			d.settle()
			var took time.Duration
			calls, groups := len(d.Calls()), []string{"default", "Default"} // two spellings of one name
			count := 0
			for b.Loop() {
				d.configure(map[string]string{"runner-group": groups[count%2]})
				d.settle()
				hooks := d.Hooks("small/0")
				last := hooks[len(hooks)-1]
				require.Equal(b, "config-changed", last.Name)
				took += last.End.Sub(last.Start)
				count++
			}
			b.ReportMetric(float64(took.Milliseconds())/float64(count), "ms/hook")
			b.ReportMetric(float64(len(d.Calls())-calls)/float64(count), "tools/hook")
		})
	}
}
