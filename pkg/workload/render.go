package workload

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"gopkg.in/yaml.v3"
)

const (
	configFile     = "config.toml"
	caDir          = "ca"
	passphraseSize = 32
)

// Files is GARM's configuration: absolute paths and what stands there, for GARM's eyes only.
type Files struct {
	dir     string
	content map[string][]byte
}

// Paths returns the paths of all files, sorted.
func (f Files) Paths() []string { return slices.Sorted(maps.Keys(f.content)) }

// Content returns what the file at that path holds. It may be secret.
func (f Files) Content(path string) []byte { return f.content[path] }

func (f Files) add(path string, content []byte) error {
	if _, taken := f.content[path]; taken {
		return fmt.Errorf("cannot write %s for two providers", path)
	}
	f.content[path] = content
	return nil
}

// Render makes GARM's configuration; the order of the providers does not matter. The error names what GARM would not
// start with.
func Render(c Config) (Files, error) {
	f := Files{dir: c.dir(), content: map[string][]byte{}}
	main, err := c.main()
	if err != nil {
		return Files{}, err
	}
	byName := func(a, b Provider) int { return strings.Compare(a.Name, b.Name) }
	for _, p := range slices.SortedFunc(slices.Values(c.Providers), byName) {
		main.Providers = append(main.Providers, c.provider(p))
		if err := c.renderProvider(f, p); err != nil {
			return Files{}, err
		}
	}
	for _, pem := range c.TrustedCAs {
		sum := sha256.Sum256([]byte(pem))
		f.content[c.file(path.Join(caDir, hex.EncodeToString(sum[:8])+".pem"))] = []byte(pem)
	}
	text, err := encodeTOML(main)
	if err != nil {
		return Files{}, fmt.Errorf("cannot encode %s: %w", configFile, err)
	}
	return f, f.add(c.file(configFile), text)
}

func (c Config) main() (mainTOML, error) {
	db, err := c.database()
	if err != nil {
		return mainTOML{}, err
	}
	var m mainTOML
	m.APIServer.Bind = "0.0.0.0"
	m.APIServer.Port = c.port()
	m.APIServer.WebUI.Enable = c.WebUI
	m.Database = db
	m.JWT.Secret = c.JWTSecret.Reveal()
	m.JWT.TimeToLive = "8760h"
	m.Logging.Level = c.LogLevel
	if m.Logging.Level == "" {
		m.Logging.Level = "info"
	}
	m.Logging.Format = "text"
	m.Metrics.Enable = true
	m.Metrics.DisableAuth = true // Prometheus has no way to get GARM's token over its relation
	return m, nil
}

func (c Config) database() (databaseTOML, error) {
	out := databaseTOML{Passphrase: c.DBPassphrase.Reveal()}
	if len(out.Passphrase) != passphraseSize {
		return out, fmt.Errorf("cannot use a database passphrase of %d characters: GARM needs %d", len(out.Passphrase), passphraseSize)
	}
	pg := c.Database.PostgreSQL
	if (pg == nil) == (c.Database.SQLite == "") {
		return out, errors.New("cannot choose GARM's database: need either SQLite or PostgreSQL")
	}
	if pg == nil {
		out.Backend = "sqlite3"
		out.SQLite = &sqliteTOML{File: c.Database.SQLite, BusyTimeout: 5}
		return out, nil
	}
	out.Backend = "postgresql"
	out.PostgreSQL = &postgresqlTOML{
		Username: pg.Username,
		Password: pg.Password.Reveal(),
		Hostname: pg.Host,
		Port:     pg.Port,
		Database: pg.Database,
		SSLMode:  pg.SSLMode,
	}
	return out, nil
}

func (c Config) provider(p Provider) providerTOML {
	return providerTOML{
		Name:        p.Name,
		Type:        "external",
		Description: fmt.Sprintf("OpenStack provider (%s)", p.Name),
		// No interface_version: with v0.1.1 GARM cannot delete the runners of scale sets.
		External: externalTOML{
			ConfigFile: c.providerFile(p),
			Executable: p.Executable,
			// GARM passes nothing of its own environment on but what is named here.
			Environment: append([]string{"PATH"}, slices.Sorted(maps.Keys(c.Proxy.environment()))...),
		},
	}
}

func (c Config) providerFile(p Provider) string {
	return c.file("provider-" + fileName(p.Name) + ".toml")
}

func (c Config) cloudsFile(p Provider) string { return c.file("clouds-" + fileName(p.Name) + ".yaml") }

func (c Config) renderProvider(f Files, p Provider) error {
	cfg := openstackTOML{Cloud: p.Name, NetworkID: p.NetworkID, UseConfigDrive: true}
	cfg.Credentials.Clouds = c.cloudsFile(p)
	text, err := encodeTOML(cfg)
	if err != nil {
		return fmt.Errorf("cannot encode provider %q: %w", p.Name, err)
	}
	if err := f.add(c.providerFile(p), text); err != nil {
		return err
	}
	clouds, err := yaml.Marshal(cloudsYAML{Clouds: map[string]cloudYAML{p.Name: cloud(p.Cloud)}})
	if err != nil {
		return fmt.Errorf("cannot encode the cloud of provider %q: %w", p.Name, err)
	}
	return f.add(c.cloudsFile(p), clouds)
}

// fileName returns name if it is fit to be part of a file's name, else the fit part of it and a hash that keeps it
// apart from others.
func fileName(name string) string {
	if regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$`).MatchString(name) {
		return name
	}
	fit := regexp.MustCompile(`[^A-Za-z0-9_-]+`).ReplaceAllString(name, "-")
	sum := sha256.Sum256([]byte(name))
	return fit[:min(len(fit), 32)] + "-" + hex.EncodeToString(sum[:8])
}

func encodeTOML(v any) ([]byte, error) {
	var b bytes.Buffer
	err := toml.NewEncoder(&b).Encode(v)
	return b.Bytes(), err
}
