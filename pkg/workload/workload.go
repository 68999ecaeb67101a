// Package workload is the GARM server as a Pebble service: it renders GARM's configuration, pushes what changed and
// restarts GARM when it must. It must not choose what stands in that configuration, nor talk to GARM.
package workload

import (
	"errors"
	"path"

	"github.com/garm-charms/garm-charms/pkg/secret"
)

const (
	// Container is the name of the workload container, and Service of GARM's service in it.
	Container = "app"
	// Service is the name of GARM's Pebble service.
	Service = "app"
	// Port is where GARM listens unless Config says otherwise.
	Port = 8080

	defaultDir = "/etc/garm"
)

// Config is all that decides how GARM runs.
type Config struct {
	Image        Image
	Dir          string // where GARM's files stand in the container; "" means /etc/garm
	Port         int    // 0 means 8080
	Database     Database
	DBPassphrase secret.Value // see NewPassphrase; GARM cannot read its database with another one
	JWTSecret    secret.Value // see NewJWTSecret
	Providers    []Provider
	Proxy        Proxy
	TrustedCAs   []string // PEM certificates that GARM trusts beside the image's own
	LogLevel     string   // debug, info, warn or error; "" means info
	WebUI        bool
}

// Database is where GARM keeps its state: one of the two.
type Database struct {
	SQLite     string // absolute path of the file; its directory must exist
	PostgreSQL *PostgreSQL
}

// ErrNoPostgreSQL says that the image's GARM does not know the backend: it is v0.2.1 or older.
var ErrNoPostgreSQL = errors.New("this GARM has no PostgreSQL backend")

// PostgreSQL names a database. GARM v0.2.1 does not support it; its successor does.
type PostgreSQL struct {
	Host     string
	Port     int // 0 means 5432
	Database string
	Username string
	Password secret.Value
	SSLMode  string // disable, allow, prefer, require, verify-ca or verify-full; "" means prefer
}

// Provider is an OpenStack project that GARM makes runners in.
type Provider struct {
	Name       string // what scale sets refer to
	Executable string // see Image.Provider
	NetworkID  string // name or id of the runners' network
	Cloud      Cloud
}

// Cloud is how to log in to an OpenStack project.
type Cloud struct {
	AuthURL           string
	Username          string
	Password          secret.Value
	ProjectName       string
	UserDomainName    string
	ProjectDomainName string
	RegionName        string
}

// Proxy is what GARM and its providers reach the outside world through; empty means directly.
type Proxy struct {
	HTTP    string
	HTTPS   string
	NoProxy string
}

// environment returns the proxy variables in both spellings, since programs differ in which they read.
func (p Proxy) environment() map[string]string {
	env := map[string]string{}
	set := func(lower, upper, value string) {
		if value != "" {
			env[lower], env[upper] = value, value
		}
	}
	set("http_proxy", "HTTP_PROXY", p.HTTP)
	set("https_proxy", "HTTPS_PROXY", p.HTTPS)
	set("no_proxy", "NO_PROXY", p.NoProxy)
	return env
}

func (c Config) dir() string {
	if c.Dir == "" {
		return defaultDir
	}
	return c.Dir
}

func (c Config) port() int {
	if c.Port == 0 {
		return Port
	}
	return c.Port
}

func (c Config) file(name string) string { return path.Join(c.dir(), name) }
