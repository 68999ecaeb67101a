package garmconfigurator_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
)

// tool stands for every hook tool: it answers from files for a model in which all is published, and writes its name down.
const tool = `#!/bin/sh
tool=${0##*/}
echo "$tool" >>"$DIR/calls"
[ -z "$PAUSE" ] || sleep "$PAUSE"
case "$tool $*" in
config-get*) cat "$DIR/config" ;;
is-leader*) echo true ;;
relation-ids*image) echo '["image:1"]' ;;
relation-ids*) echo '["garm-configurator:2"]' ;;
relation-list*image:1*) echo '["builder/0"]' ;;
relation-list*) echo '["garm/0"]' ;;
*builder/0) echo '{"id": "ubuntu"}' ;;
relation-get*image:1*) cat "$DIR/credentials" ;;
relation-get*small/0) cat "$DIR/record" ;;
relation-get*) echo '{}' ;;
secret-get*key) cat "$DIR/key" ;;
secret-get*) echo '{"value": "password"}' ;;
status-set*) ;;
*) echo "$tool was not expected" >&2; exit 1 ;;
esac
`

// BenchmarkDispatch is a whole dispatch of the real program that finds nothing to do, as a process, with what one hook tool
// takes here when it is called alone; the peak of its memory is the program's. What Juju adds is seen on its real agent.
func BenchmarkDispatch(b *testing.B) {
	dir := b.TempDir()
	program := filepath.Join(dir, "dispatch")
	build := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "../../cmd/garm-configurator")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	require.NoError(b, err, string(output))
	for _, name := range []string{
		"config-get", "is-leader", "juju-log", "relation-get", "relation-ids", "relation-list", "relation-set", "secret-add", "secret-get",
		"secret-grant", "secret-info-get", "secret-set", "status-set",
	} {
		require.NoError(b, os.WriteFile(filepath.Join(dir, name), []byte(tool), 0o700))
	}
	answers(b, dir)
	env := []string{
		"PATH=" + dir + ":" + os.Getenv("PATH"), "DIR=" + dir, "JUJU_UNIT_NAME=small/0", "JUJU_CHARM_DIR=" + dir,
		"JUJU_DISPATCH_PATH=hooks/config-changed",
	}
	b.Run("quick tools", func(b *testing.B) { dispatch(b, dir, env) })
	// As long as Juju's own takes on a busy controller: what counts then is how many follow one another.
	b.Run("4 ms tools", func(b *testing.B) { dispatch(b, dir, append(env, "PAUSE="+pause(b, dir, env))) })
}

// pause is what has to be added to one tool, in seconds, for it to take 4 ms.
func pause(b *testing.B, dir string, env []string) string {
	b.Helper()
	const least = 100 * time.Microsecond
	bare := alone(b, dir, append(env, "PAUSE="+fmt.Sprint(least.Seconds())))
	return fmt.Sprint(max(least, 4*time.Millisecond-bare+least).Seconds())
}

// alone is how long one tool takes.
func alone(b *testing.B, dir string, env []string) time.Duration {
	b.Helper()
	const times = 20
	start := time.Now()
	for range times {
		cmd := exec.CommandContext(b.Context(), filepath.Join(dir, "is-leader"))
		cmd.Env = env
		require.NoError(b, cmd.Run())
	}
	return time.Since(start) / times
}

func dispatch(b *testing.B, dir string, env []string) {
	b.Helper()
	program, calls := filepath.Join(dir, "dispatch"), filepath.Join(dir, "calls")
	one := alone(b, dir, env)
	require.NoError(b, os.Remove(calls))
	var took, used time.Duration
	var peak int64
	runs := 0
	for b.Loop() {
		cmd := exec.CommandContext(b.Context(), program)
		cmd.Env = env
		began := time.Now()
		output, err := cmd.CombinedOutput()
		took += time.Since(began)
		require.NoError(b, err, string(output))
		usage, isRusage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		require.True(b, isRusage)
		peak = max(peak, usage.Maxrss)
		used += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		runs++
	}
	made, err := os.ReadFile(calls)
	require.NoError(b, err)
	b.ReportMetric(float64(took.Microseconds())/1000/float64(runs), "ms/dispatch")
	b.ReportMetric(float64(used.Microseconds())/1000/float64(runs), "CPU-ms/dispatch")
	b.ReportMetric(float64(strings.Count(string(made), "\n"))/float64(runs), "tools/dispatch")
	b.ReportMetric(float64(peak)/1024, "MB-peak")
	b.ReportMetric(float64(one.Microseconds())/1000, "ms/tool")
}

// answers writes what the tools print: the configuration, and the databags as the charm has written them.
func answers(b *testing.B, dir string) {
	b.Helper()
	options := map[string]string{
		"name": "small", "org": "acme", "flavor": "m1", "os-arch": "amd64", "max-runner": "2", "openstack-auth-url": "https://k",
		"openstack-username": "u", "openstack-project-name": "p", "openstack-user-domain-name": "d", "openstack-project-domain-name": "d",
		"openstack-region-name": "r", "openstack-network": "n", "github-app-id": "1", "github-app-installation-id": "2",
		"openstack-password": "secret:password", "github-app-private-key": "secret:key",
	}
	s, problems := runnerconfig.Parse(options)
	require.Empty(b, problems)
	s.ProviderName, s.ImageID = "small", "ubuntu"
	record, err := s.Encode()
	require.NoError(b, err)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(b, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	for name, content := range map[string]map[string]string{
		"config": options, "record": record, "key": {"value": string(text)},
		"credentials": {
			"auth_url": "https://k", "username": "u", "password": "password", "project_name": "p", "user_domain_name": "d", "project_domain_name": "d",
		},
	} {
		encoded, err := json.Marshal(content)
		require.NoError(b, err)
		require.NoError(b, os.WriteFile(filepath.Join(dir, name), encoded, 0o600))
	}
}
