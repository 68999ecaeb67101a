package sandbox_test

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Init()
	if code, inside := sandbox.World(); !inside {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

func run(t *testing.T, s sandbox.Spec, script string) (string, error) {
	t.Helper()
	cmd := sandbox.Command(t.Context(), s, "/bin/sh", "-c", script)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Logf("stderr: %s", stderr.String())
	}
	return strings.TrimSpace(string(out)), err
}

func TestTreeForgetsWithoutUpper(t *testing.T) {
	out, err := run(t, sandbox.Spec{Lower: "/"}, "echo x > /etc/made-in-sandbox && cat /etc/made-in-sandbox")
	require.NoError(t, err)
	assert.Equal(t, "x", out)
	assert.NoFileExists(t, "/etc/made-in-sandbox")
	_, err = run(t, sandbox.Spec{Lower: "/"}, "test ! -e /etc/made-in-sandbox")
	assert.NoError(t, err)
}

func TestTreeKeepsWithUpper(t *testing.T) {
	upper := t.TempDir()
	_, err := run(t, sandbox.Spec{Lower: "/", Upper: upper}, "echo kept > /opt/kept")
	require.NoError(t, err)
	out, err := run(t, sandbox.Spec{Lower: "/", Upper: upper}, "cat /opt/kept")
	require.NoError(t, err)
	assert.Equal(t, "kept", out)
	assert.FileExists(t, filepath.Join(upper, "files", "opt", "kept"))
}

func TestBinds(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("seen"), 0o644))
	spec := sandbox.Spec{Lower: "/", Binds: []sandbox.Bind{
		{Source: dir, Target: "/charm/containers/app"},
		{Source: dir, Target: "/locked", ReadOnly: true},
	}}
	out, err := run(t, spec, "cat /charm/containers/app/file /locked/file; echo w > /charm/containers/app/written; ! echo w > /locked/no")
	require.NoError(t, err)
	assert.Equal(t, "seenseen", out)
	assert.FileExists(t, filepath.Join(dir, "written"))
}

func TestPIDsDieWithTheCommand(t *testing.T) {
	// The sleeping process has the pipe of the output open: the command's output would not end if it lived on.
	out, err := run(t, sandbox.Spec{Lower: "/", PIDs: true, Hostname: "boxed"}, "sleep 1000 & set -- /proc/[0-9]*; echo $#; hostname; exit 3")
	assert.Equal(t, "3\nboxed", out) // init, sh, sleep
	assert.ErrorContains(t, err, "exit status 3")
}

func TestHostsTalk(t *testing.T) {
	n, err := sandbox.NewNetwork(t.TempDir(), 1)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, n.Close()) })
	server, err := n.AddHost("server")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	client, err := n.AddHost("client")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })

	var l net.Listener
	require.NoError(t, server.Do(func() (err error) { l, err = net.Listen("tcp", ":80"); return err }))
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, "from "+c.RemoteAddr().(*net.TCPAddr).IP.String())
		c.Close()
	}()
	require.NoError(t, n.SetName("api.example.com", server.Addr()))

	out, err := run(t, sandbox.Spec{Lower: "/", Host: client}, `exec 3<>/dev/null; bash -c 'cat < /dev/tcp/api.example.com/80'`)
	require.NoError(t, err)
	assert.Equal(t, "from "+client.Addr().String(), out)

	require.NoError(t, n.SetName("api.example.com", netip.Addr{}))
	_, err = run(t, sandbox.Spec{Lower: "/", Host: client}, "getent hosts api.example.com")
	assert.Error(t, err)
}

// A gateway that changed its address would not be reached by hosts that know the old one.
func TestGatewayKeepsItsHardwareAddress(t *testing.T) {
	n, err := sandbox.NewNetwork(t.TempDir(), 2)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, n.Close()) })
	address := func() string {
		bridge, err := net.InterfaceByName("bed2")
		require.NoError(t, err)
		return bridge.HardwareAddr.String()
	}
	first := address()
	for _, name := range []string{"a", "b", "c", "d"} {
		host, err := n.AddHost(name)
		require.NoError(t, err)
		assert.Equal(t, first, address(), "after %s came", name)
		require.NoError(t, host.Close())
		assert.Equal(t, first, address(), "after %s went", name)
	}
}

func TestUser(t *testing.T) {
	out, err := run(t, sandbox.Spec{Lower: "/", PIDs: true, User: 170}, "id -u; id -g; id -G; test ! -w /etc")
	require.NoError(t, err)
	assert.Equal(t, "170\n170\n170", out)
}
