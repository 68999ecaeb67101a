package workload_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/garm-charms/garm-charms/pkg/secret"
	"github.com/garm-charms/garm-charms/pkg/workload"
)

const passphrase = "plover-quince-jackdaw-tundra-042"

func cloud() workload.Cloud {
	return workload.Cloud{
		AuthURL: "https://keystone.example:5000/v3", Username: "garm", Password: secret.New("p:a#s'\"s\\\n"),
		ProjectName: "runners", UserDomainName: "Default", ProjectDomainName: "Default", RegionName: "RegionOne",
	}
}

func rock() workload.Image { return workload.Images()[0] }

func small() workload.Config {
	return workload.Config{
		Image:        rock(),
		Database:     workload.Database{SQLite: "/data/garm.db"},
		DBPassphrase: secret.New(passphrase),
		JWTSecret:    secret.New("mulberry-ostrich-cobalt-lantern-77"),
	}
}

func large() workload.Config {
	c := small()
	c.Image = workload.Images()[1]
	c.Database = workload.Database{PostgreSQL: &workload.PostgreSQL{
		Host: "10.0.0.5", Port: 5432, Database: "garm", Username: "relation_id_3", Password: secret.New("p'w\"d"), SSLMode: "require",
	}}
	c.LogLevel = "debug"
	c.WebUI = true
	c.Proxy = workload.Proxy{HTTP: "http://proxy.example:3128", HTTPS: "http://proxy.example:3128", NoProxy: "10.0.0.0/8,.svc"}
	c.TrustedCAs = []string{"-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"}
	c.Providers = []workload.Provider{
		{Name: "garm-configurator-0", Executable: c.Image.Provider("openstack"), NetworkID: "runners", Cloud: cloud()},
		{Name: "arm64", Executable: c.Image.Provider("openstack"), NetworkID: "2f1c", Cloud: cloud()},
	}
	return c
}

// golden compares with a file of testdata, or writes it when UPDATE_GOLDEN is set.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func TestRender(t *testing.T) {
	unproxied := small()
	unproxied.Providers = []workload.Provider{{Name: "cloud", Executable: unproxied.Image.Provider("openstack"), NetworkID: "runners", Cloud: cloud()}}
	for name, c := range map[string]workload.Config{"small": small(), "unproxied": unproxied, "large": large()} {
		t.Run(name, func(t *testing.T) {
			files, err := workload.Render(c)
			require.NoError(t, err)
			var all strings.Builder
			for _, path := range files.Paths() {
				all.WriteString("== " + path + "\n" + string(files.Content(path)))
			}
			golden(t, name+".files", all.String())

			layer, err := yaml.Marshal(workload.NewLayer(c, files))
			require.NoError(t, err)
			golden(t, name+".layer.yaml", string(layer))
		})
	}
}

func TestRenderRefuses(t *testing.T) {
	for summary, row := range map[string]struct {
		change func(*workload.Config)
		want   string
	}{
		"short passphrase": {
			func(c *workload.Config) { c.DBPassphrase = secret.New("short") },
			"cannot use a database passphrase of 5 characters: GARM needs 32",
		},
		"no database": {
			func(c *workload.Config) { c.Database = workload.Database{} },
			"cannot choose GARM's database: need either SQLite or PostgreSQL",
		},
		"two databases": {
			func(c *workload.Config) { c.Database.PostgreSQL = &workload.PostgreSQL{} },
			"cannot choose GARM's database: need either SQLite or PostgreSQL",
		},
		"one name twice": {
			func(c *workload.Config) { c.Providers = []workload.Provider{{Name: "a"}, {Name: "a"}} },
			"cannot write /etc/garm/provider-a.toml for two providers",
		},
	} {
		c := small()
		row.change(&c)
		_, err := workload.Render(c)
		assert.EqualError(t, err, row.want, summary)
	}
}

// hostileNames is what a relation may call a provider.
func hostileNames() []string {
	return []string{
		"../../bin/sh", "/etc/passwd", "a b", "a\nb", "a\x00b", "..", ".hidden", "-rf", "", "a/b", "a-b", "naïve", strings.Repeat("x", 300),
		"\"]\n[[provider]]\nname = \"evil", "'''", "${HOME}", "*", "~",
	}
}

func TestHostileNamesStayNames(t *testing.T) {
	c := small()
	for _, name := range hostileNames() {
		c.Providers = append(c.Providers, workload.Provider{Name: name, Executable: "/bin/true", NetworkID: name, Cloud: cloud()})
	}
	files, err := workload.Render(c)
	require.NoError(t, err)
	assert.Len(t, files.Paths(), 1+2*len(c.Providers), "no two names share a file")
	for _, path := range files.Paths() {
		assert.Regexp(t, `^/etc/garm/(config\.toml|provider-[A-Za-z0-9._-]{1,64}\.toml|clouds-[A-Za-z0-9._-]{1,64}\.yaml)$`, path)
	}

	var config struct {
		Provider []struct {
			Name     string
			External struct {
				ConfigFile string `toml:"config_file"`
			}
		}
	}
	require.NoError(t, toml.Unmarshal(files.Content("/etc/garm/config.toml"), &config))
	require.Len(t, config.Provider, len(c.Providers))
	for i, name := range slices.Sorted(slices.Values(hostileNames())) {
		assert.Equal(t, name, config.Provider[i].Name)
		var provider struct {
			Cloud       string
			NetworkID   string `toml:"network_id"`
			Credentials struct{ Clouds string }
		}
		require.NoError(t, toml.Unmarshal(files.Content(config.Provider[i].External.ConfigFile), &provider), name)
		assert.Equal(t, name, provider.Cloud)
		assert.Equal(t, name, provider.NetworkID)
		var clouds struct {
			Clouds map[string]struct{ Auth struct{ Password string } }
		}
		require.NoError(t, yaml.Unmarshal(files.Content(provider.Credentials.Clouds), &clouds), name)
		require.Contains(t, clouds.Clouds, name)
		assert.Equal(t, cloud().Password.Reveal(), clouds.Clouds[name].Auth.Password)
	}
}

func TestOnlyWhatNeedsARestartChangesTheLayer(t *testing.T) {
	layer := func(change func(*workload.Config)) workload.Layer {
		c := large()
		change(&c)
		files, err := workload.Render(c)
		require.NoError(t, err)
		return workload.NewLayer(c, files)
	}
	same := layer(func(*workload.Config) {})
	for summary, change := range map[string]func(*workload.Config){
		"network":  func(c *workload.Config) { c.Providers[0].NetworkID = "other" },
		"password": func(c *workload.Config) { c.Providers[0].Cloud.Password = secret.New("rotated") },
		"order":    func(c *workload.Config) { slices.Reverse(c.Providers) },
	} {
		assert.Equal(t, same, layer(change), summary)
	}
	for summary, change := range map[string]func(*workload.Config){
		"provider":          func(c *workload.Config) { c.Providers = c.Providers[:1] },
		"log level":         func(c *workload.Config) { c.LogLevel = "info" },
		"database password": func(c *workload.Config) { c.Database.PostgreSQL.Password = secret.New("rotated") },
		"proxy":             func(c *workload.Config) { c.Proxy.HTTP = "http://other.example:3128" },
		"no proxy":          func(c *workload.Config) { c.Proxy = workload.Proxy{} },
		"certificate":       func(c *workload.Config) { c.TrustedCAs[0] += "\n" },
		"one more":          func(c *workload.Config) { c.TrustedCAs = append(c.TrustedCAs, "other") },
		"port":              func(c *workload.Config) { c.Port = 8081 },
		"image":             func(c *workload.Config) { c.Image = rock() },
	} {
		assert.NotEqual(t, same, layer(change), summary)
	}
}
