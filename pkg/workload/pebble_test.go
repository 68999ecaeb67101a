package workload_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/canonical/pebble/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/garmapi"
	"github.com/garm-charms/garm-charms/pkg/garmapi/garmtest"
	"github.com/garm-charms/garm-charms/pkg/secret"
	"github.com/garm-charms/garm-charms/pkg/workload"
)

// pebble runs the real Pebble daemon until the test ends.
func pebble(t *testing.T) *client.Client {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(garmtest.Pebble(t), "run", "--create-dirs", "--hold")
	cmd.Env = append(os.Environ(), "PEBBLE="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it stops its services first
		_ = cmd.Wait()
	})
	c, err := client.New(&client.Config{Socket: filepath.Join(dir, ".pebble.socket"), DisableKeepAlive: true})
	require.NoError(t, err)
	require.Eventually(t, func() bool { _, err := c.SysInfo(); return err == nil }, 10*time.Second, 20*time.Millisecond)
	return c
}

// host is a container's file system as far as Apply sees it, with the real GARM in it.
func host(t *testing.T) workload.Config {
	t.Helper()
	c := small()
	c.Dir = filepath.Join(t.TempDir(), "etc", "garm")
	c.Port = garmtest.FreePort(t)
	c.Database.SQLite = filepath.Join(t.TempDir(), "garm.db")
	c.Image = workload.Image{GARM: garmtest.GARM(t), Providers: t.TempDir()}
	return c
}

func apply(t *testing.T, p workload.Pebble, c workload.Config) workload.Change {
	t.Helper()
	files, err := workload.Render(c)
	require.NoError(t, err)
	change, err := workload.Apply(t.Context(), p, files, workload.NewLayer(c, files))
	require.NoError(t, err)
	return change
}

func provider(name string) workload.Provider {
	return workload.Provider{Name: name, Executable: "/bin/true", NetworkID: "net", Cloud: cloud()}
}

// in returns the path of a file in GARM's directory.
func in(c workload.Config, name string) string { return filepath.Join(c.Dir, name) }

// pid returns the process of the GARM that runs on c's configuration, or 0.
func pid(t *testing.T, c workload.Config) int {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, line := range lines {
		text, err := os.ReadFile(line)
		if err != nil { // it ended meanwhile
			continue
		}
		if string(text) == c.Image.GARM+"\x00--config\x00"+in(c, "config.toml")+"\x00" {
			n, err := strconv.Atoi(filepath.Base(filepath.Dir(line)))
			require.NoError(t, err)
			return n
		}
	}
	return 0
}

func environ(t *testing.T, pid int) []string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	require.NoError(t, err)
	return strings.Split(string(text), "\x00")
}

func ready(t *testing.T, c workload.Config) *garmapi.Client {
	t.Helper()
	api := garmapi.New(fmt.Sprintf("http://127.0.0.1:%d", c.Port), garmapi.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, api.Ready(ctx))
	return api
}

func TestApplyRunsGARM(t *testing.T) {
	t.Parallel()
	p, c := pebble(t), host(t)
	c.Providers = []workload.Provider{provider("one"), provider("two")}

	change := apply(t, p, c)
	assert.Equal(t, workload.Change{
		Pushed: []string{
			in(c, "clouds-one.yaml"), in(c, "clouds-two.yaml"), in(c, "config.toml"), in(c, "provider-one.toml"), in(c, "provider-two.toml"),
		},
		Replanned: true,
	}, change)
	for _, path := range change.Pushed {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode(), path)
	}
	ready(t, c)
	first := pid(t, c)
	require.NotZero(t, first)

	assert.Zero(t, apply(t, p, c), "what is done is not done again")
	assert.Equal(t, first, pid(t, c))

	c.Providers[0].Cloud.Password = secret.New("rotated")
	assert.Equal(t, workload.Change{Pushed: []string{in(c, "clouds-one.yaml")}}, apply(t, p, c))
	assert.Equal(t, first, pid(t, c), "GARM reads it at each use")

	require.NoError(t, os.Chmod(in(c, "config.toml"), 0o644))
	assert.Equal(t, workload.Change{Pushed: []string{in(c, "config.toml")}}, apply(t, p, c), "a file that others can read is made anew")
	info, err := os.Stat(in(c, "config.toml"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())
	assert.Equal(t, first, pid(t, c))

	note := in(c, "notes.txt")
	require.NoError(t, os.WriteFile(note, nil, 0o600))
	c.Providers = c.Providers[:1]
	assert.Equal(t, workload.Change{
		Pushed:    []string{in(c, "config.toml")},
		Removed:   []string{in(c, "clouds-two.yaml"), in(c, "provider-two.toml")},
		Replanned: true,
	}, apply(t, p, c))
	assert.FileExists(t, note, "what is not ours stays")
	ready(t, c)
	second := pid(t, c)
	assert.NotEqual(t, first, second)
	assert.NotZero(t, second)
}

// What Apply would do can be told without doing it.
func TestPretend(t *testing.T) {
	t.Parallel()
	p, c := pebble(t), host(t)
	c.Providers = []workload.Provider{provider("small")}
	would := apply(t, workload.Pretend(p), c)
	assert.NoFileExists(t, in(c, "config.toml"))
	assert.Zero(t, pid(t, c))
	assert.Equal(t, would, apply(t, p, c))
	assert.NotEmpty(t, would.Pushed)
	assert.True(t, would.Replanned)
	assert.Zero(t, apply(t, workload.Pretend(p), c))

	running := pid(t, c)
	c.Providers = nil
	would = apply(t, workload.Pretend(p), c)
	assert.FileExists(t, in(c, "provider-small.toml"))
	assert.Equal(t, running, pid(t, c))
	assert.Equal(t, would, apply(t, p, c))
	assert.NotEmpty(t, would.Removed)
}

func TestEnvironmentOfGARM(t *testing.T) {
	t.Parallel()
	p, c := pebble(t), host(t)
	c.Proxy = workload.Proxy{HTTP: "http://proxy.example:3128", NoProxy: "10.0.0.0/8"}
	c.TrustedCAs = []string{"-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"}
	apply(t, p, c)
	ready(t, c)
	first := pid(t, c)
	for _, want := range []string{
		"HTTP_PROXY=http://proxy.example:3128", "http_proxy=http://proxy.example:3128", "no_proxy=10.0.0.0/8", "SSL_CERT_DIR=" + in(c, "ca"),
	} {
		assert.Contains(t, environ(t, first), want)
	}
	assert.Zero(t, apply(t, p, c))

	c.Proxy, c.TrustedCAs = workload.Proxy{}, nil
	change := apply(t, p, c)
	assert.True(t, change.Replanned)
	assert.Len(t, change.Removed, 1)
	second := pid(t, c)
	assert.NotEqual(t, first, second)
	for _, line := range environ(t, second) {
		assert.NotContains(t, line, "proxy.example")
		assert.NotContains(t, line, c.Dir)
	}
}

// killed is Pebble as a hook sees it that is killed before it has GARM restarted.
type killed struct{ *client.Client }

func (killed) Replan(*client.ServiceOptions) (string, error) { return "", context.Canceled }

func TestHookKilledBetweenLayerAndReplan(t *testing.T) {
	t.Parallel()
	p, c := pebble(t), host(t)
	apply(t, p, c)
	ready(t, c)
	first := pid(t, c)

	c.Proxy = workload.Proxy{HTTP: "http://proxy.example:3128"}
	files, err := workload.Render(c)
	require.NoError(t, err)
	_, err = workload.Apply(t.Context(), killed{p}, files, workload.NewLayer(c, files))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, first, pid(t, c))

	assert.True(t, apply(t, p, c).Replanned)
	ready(t, c)
	assert.Contains(t, environ(t, pid(t, c)), "HTTP_PROXY=http://proxy.example:3128")
	assert.Zero(t, apply(t, p, c))
}

func TestStopAndStartAgain(t *testing.T) {
	t.Parallel()
	p, c := pebble(t), host(t)
	stopped, err := workload.Stop(t.Context(), p)
	require.NoError(t, err, "there is nothing to stop")
	assert.False(t, stopped)
	apply(t, p, c)
	ready(t, c)

	stopped, err = workload.Stop(t.Context(), p)
	require.NoError(t, err)
	assert.True(t, stopped)
	assert.Zero(t, pid(t, c))
	stopped, err = workload.Stop(t.Context(), p)
	require.NoError(t, err)
	assert.False(t, stopped)

	assert.Equal(t, workload.Change{Replanned: true}, apply(t, p, c))
	ready(t, c)
}

func TestCheckFollowsGARM(t *testing.T) {
	t.Parallel()
	p, c := pebble(t), host(t)
	apply(t, p, c)
	ready(t, c)
	checks, err := p.Checks(&client.ChecksOptions{})
	require.NoError(t, err)
	require.Len(t, checks, 1)
	assert.Equal(t, client.ReadyLevel, checks[0].Level, "Kubernetes kills on alive")

	refreshed, err := p.RefreshCheck(&client.RefreshCheckOptions{Name: checks[0].Name})
	require.NoError(t, err)
	assert.Empty(t, refreshed.Error)
	_, err = workload.Stop(t.Context(), p)
	require.NoError(t, err)
	refreshed, err = p.RefreshCheck(&client.RefreshCheckOptions{Name: checks[0].Name})
	require.NoError(t, err)
	assert.Contains(t, refreshed.Error, "connection refused")
}

// A container that never ran GARM leaves the Kubernetes service too, but not before a rollout could get past it.
func TestStandByKeepsTrafficAway(t *testing.T) {
	t.Parallel()
	p, c := pebble(t), host(t)
	for range 2 {
		stopped, err := workload.StandBy(t.Context(), p)
		require.NoError(t, err)
		assert.False(t, stopped)
	}
	checks, err := p.Checks(&client.ChecksOptions{})
	require.NoError(t, err)
	require.Len(t, checks, 1)
	assert.Equal(t, client.ReadyLevel, checks[0].Level)
	assert.Equal(t, client.CheckStatusUp, checks[0].Status, "a new pod is ready at first")
	plan, err := p.PlanBytes(nil)
	require.NoError(t, err)
	assert.Contains(t, string(plan), "period: 1m", "a rollout waits for it")
	assert.Equal(t, 5, checks[0].Threshold, "and for those before it")
	for range 5 {
		refreshed, err := p.RefreshCheck(&client.RefreshCheckOptions{Name: checks[0].Name})
		require.NoError(t, err)
		require.NotEmpty(t, refreshed.Error)
	}
	require.Eventually(t, func() bool {
		checks, err = p.Checks(&client.ChecksOptions{})
		return err == nil && checks[0].Status == client.CheckStatusDown
	}, 10*time.Second, 20*time.Millisecond)

	assert.True(t, apply(t, p, c).Replanned, "it may lead one day")
	ready(t, c)
	checks, err = p.Checks(&client.ChecksOptions{})
	require.NoError(t, err)
	require.Len(t, checks, 1)
	assert.Equal(t, 3, checks[0].Threshold)
	stopped, err := workload.StandBy(t.Context(), p)
	require.NoError(t, err)
	assert.True(t, stopped)
	checks, err = p.Checks(&client.ChecksOptions{})
	require.NoError(t, err)
	assert.Equal(t, 3, checks[0].Threshold, "one that ran GARM leaves at once")
}

func TestGARMThatDoesNotStart(t *testing.T) {
	t.Parallel()
	p, c := pebble(t), host(t)
	c.Database.SQLite = "/nonexistent/garm.db"
	files, err := workload.Render(c)
	require.NoError(t, err)
	// Pebble takes one for started that has not ended within a second.
	require.Eventually(t, func() bool {
		_, err = workload.Stop(t.Context(), p)
		require.NoError(t, err)
		_, err = workload.Apply(t.Context(), p, files, workload.NewLayer(c, files))
		return err != nil
	}, time.Minute, time.Millisecond)
	assert.ErrorContains(t, err, `cannot start GARM: Start service "app" (`)
	assert.ErrorContains(t, err, "exited quickly with code 1")

	c.Database.SQLite = filepath.Join(t.TempDir(), "garm.db")
	assert.True(t, apply(t, p, c).Replanned)
	ready(t, c)
}

func TestApplyThatRunsOutOfTime(t *testing.T) {
	t.Parallel()
	p, c := pebble(t), host(t)
	files, err := workload.Render(c)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	change, err := workload.Apply(ctx, p, files, workload.NewLayer(c, files))
	assert.ErrorIs(t, err, context.Canceled)
	assert.Zero(t, change)
}

// The real GARM reads what the encoders wrote, names that try to be more than names included.
func TestGARMReadsHostileNames(t *testing.T) {
	t.Parallel()
	p, c := pebble(t), host(t)
	want := map[string]bool{}
	for _, name := range hostileNames() {
		if name == "" || strings.Contains(name, "\x00") { // GARM demands a name; the description of one with NUL is no C string
			continue
		}
		want[name] = true
		c.Providers = append(c.Providers, provider(name))
	}
	apply(t, p, c)
	api := ready(t, c)
	url := fmt.Sprintf("http://127.0.0.1:%d", c.Port)
	password := workload.NewAdminPassword()
	require.NoError(t, api.FirstRun(t.Context(), garmapi.Admin{Username: "admin", Password: password, Email: "admin@garm.local", FullName: "GARM Admin"}))
	require.NoError(t, api.Login(t.Context(), "admin", password))
	_, err := api.UpdateController(t.Context(), garmapi.URLs{Metadata: url, Callback: url, Webhook: url, Agent: url})
	require.NoError(t, err)
	list, err := api.Providers(t.Context())
	require.NoError(t, err)
	got := map[string]bool{}
	for _, one := range list {
		got[one.Name] = true
	}
	assert.Equal(t, want, got)
}

func TestFindImage(t *testing.T) {
	t.Parallel()
	p := pebble(t)
	real := workload.Image{GARM: garmtest.GARM(t), Providers: "/providers"}
	missing := workload.Image{GARM: filepath.Join(t.TempDir(), "none")}

	found, err := workload.FindImage(p, []workload.Image{missing, real})
	require.NoError(t, err)
	assert.Equal(t, real, found)
	assert.Equal(t, "/providers/garm-provider-openstack", found.Provider("openstack"))
	_, err = workload.FindImage(p, []workload.Image{missing})
	assert.EqualError(t, err, "cannot find GARM in the container's image")
	_, err = workload.FindImage(p, []workload.Image{{GARM: "relative"}})
	assert.ErrorContains(t, err, "cannot look for relative in the container: ")
}
