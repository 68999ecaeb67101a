package runner_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/garm-charms/garm-charms/tests/runner"
)

func TestUserDataIsCarriedOut(t *testing.T) {
	t.Parallel()
	s := newSite(t, 50, true)
	certificate := selfSigned(t)
	config, err := yaml.Marshal(map[string]any{
		"system_info": map[string]any{"default_user": map[string]any{
			"name": "runner", "home": "/home/runner", "shell": "/bin/bash", "groups": []string{"adm", "lxd"}, "sudo": "ALL=(ALL) NOPASSWD:ALL",
		}},
		"package_upgrade": true,
		"packages":        []string{"curl"},
		"write_files": []map[string]string{
			{"path": "/made/a file", "content": "plain", "owner": "root:root", "permissions": "640"},
			{"path": "/made/script", "content": "IyEvYmluL3NoCmV4aXQgNQ==", "encoding": "b64", "owner": "root:adm", "permissions": "755"},
		},
		"ca-certs": map[string]any{"trusted": []string{certificate}},
		"runcmd":   []string{"/made/script", "su -l -c 'sudo id -un; id -Gn; hostname; rm \"/made/a file\"; sudo rm -r /made' runner"},
	})
	require.NoError(t, err)
	m := s.boot(runner.Config{UserData: append([]byte("#cloud-config\n"), config...)})

	steps, err := m.Ran()
	require.NoError(t, err)
	require.Len(t, steps, 7)
	var args [][]string
	for i, step := range steps {
		args = append(args, step.Args[:min(2, len(step.Args))])
		assert.Equal(t, "cloud-init", step.Program)
		assert.Equal(t, "root", step.User)
		assert.NotEmpty(t, step.Env["PATH"])
		assert.Equal(t, map[int]int{5: 5}[i], step.ExitCode, step.Output)
	}
	assert.Equal(t, [][]string{
		{"write_files", "/made/a file"},
		{"write_files", "/made/script"},
		{"ca-certs"},
		{"users", "runner"},
		{"packages", "--upgrade"},
		{"runcmd", "/made/script"},
		steps[6].Args,
	}, args)
	assert.Regexp(t, `^root\nrunner adm lxd\nrunner-1\nrm: cannot remove`, steps[6].Output)

	_, err = m.File("/made/script")
	require.ErrorIs(t, err, fs.ErrNotExist)
	sudoers, err := m.File("/etc/sudoers.d/90-cloud-init-users")
	require.NoError(t, err)
	assert.Equal(t, runner.File{Content: []byte("runner ALL=(ALL) NOPASSWD:ALL\n"), Mode: 0o440, Owner: "root:root"}, sudoers)
	trusted, err := m.File("/etc/ssl/certs/ca-certificates.crt")
	require.NoError(t, err)
	assert.Contains(t, string(trusted.Content), certificate)
	files, err := m.Files()
	require.NoError(t, err)
	assert.Contains(t, files, "/usr/local/share/ca-certificates/cloud-init-ca-cert-1.crt")
	assert.NotContains(t, files, "/usr/bin/snap", "it is the sandbox's")
	assert.NoFileExists(t, "/etc/sudoers.d/90-cloud-init-users", "nothing gets out")
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	s := newSite(t, 51, true)
	m, err := runner.Boot(t.Context(), runner.Config{
		Dir: t.TempDir(), Network: s.network, Name: "short", UserData: s.userData(allOptions(s), nil),
	})
	require.NoError(t, err)
	out, err := m.Command(t.Context(), "root", "pgrep", "--full", "^aproxy|Runner.Listener").Output()
	require.NoError(t, err)
	assert.NotEmpty(t, out)
	namespace, err := m.Command(t.Context(), "root", "readlink", "/proc/self/ns/pid").Output()
	require.NoError(t, err)
	require.NoError(t, m.Close())
	processes, err := os.ReadDir("/proc")
	require.NoError(t, err)
	for _, p := range processes {
		if link, err := os.Readlink("/proc/" + p.Name() + "/ns/pid"); err == nil {
			assert.NotEqual(t, string(namespace), link+"\n")
		}
	}
}

// selfSigned is the certificate of an authority.
func selfSigned(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
