// Package postgresql runs the real PostgreSQL server, with one database. It knows nothing of Juju and of GARM.
package postgresql

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Config is what a server is made of.
type Config struct {
	// Dir takes the server's files; it must not exist, and the account nobody must reach it.
	Dir      string
	Address  netip.AddrPort
	Database string
	Username string // of the database's owner
	Password string
}

// Server is a PostgreSQL that runs.
type Server struct {
	config Config
	cmd    *exec.Cmd
}

const (
	// nobody runs the server, which refuses to run as root.
	nobody     = 65534
	startLimit = 30 * time.Second
	// programs is where Debian puts the server, by its release.
	programs = "/usr/lib/postgresql/*/bin"
)

// Start makes the database and starts the server. It takes encrypted connections and others.
func Start(ctx context.Context, c Config) (*Server, error) {
	s := &Server{config: c}
	for _, step := range []func(context.Context) error{s.makeCluster, s.makeCertificate, s.startServer, s.makeDatabase} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("cannot start PostgreSQL: %w", err), s.Close())
		}
	}
	return s, nil
}

// Close ends the server and removes its files.
func (s *Server) Close() error {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Signal(syscall.SIGQUIT) // it may have ended by itself
		_ = s.cmd.Wait()
	}
	return os.RemoveAll(s.config.Dir)
}

// Query runs SQL as the owner of the database and returns the rows' text.
func (s *Server) Query(ctx context.Context, sql string) (string, error) {
	return s.login(s.config.Username, s.config.Database).Query(ctx, sql)
}

func (s *Server) login(user, database string) Login {
	address := s.config.Address
	return Login{
		Host: address.Addr().String(), Port: int(address.Port()), Database: database, Username: user, Password: s.config.Password,
		SSLMode: "require",
	}
}

// Login is how to log in to a server, in the words of GARM's config.toml.
type Login struct {
	Host     string `toml:"hostname"`
	Port     int    `toml:"port"`
	Database string `toml:"database"`
	Username string `toml:"username"`
	Password string `toml:"password"`
	SSLMode  string `toml:"sslmode"`
}

// Query runs SQL and returns the rows' text.
func (l Login) Query(ctx context.Context, sql string) (string, error) {
	cmd := exec.CommandContext(ctx, "psql", "--no-psqlrc", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "--command", sql)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "PGHOST=" + l.Host, "PGPORT=" + strconv.Itoa(l.Port), "PGUSER=" + l.Username,
		"PGPASSWORD=" + l.Password, "PGDATABASE=" + l.Database, "PGSSLMODE=" + l.SSLMode,
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("cannot run psql: %w: %s", err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

func (s *Server) port() string { return strconv.Itoa(int(s.config.Address.Port())) }

func (s *Server) path(name string) string { return filepath.Join(s.config.Dir, name) }

func program(name string) (string, error) {
	found, err := filepath.Glob(filepath.Join(programs, name))
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%s is not in %s: install postgresql", name, programs)
	}
	if err != nil {
		return "", err
	}
	return found[len(found)-1], nil
}

// command is a command of nobody's.
func (s *Server) command(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	path, err := program(name)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = s.config.Dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	// No Pdeathsig: it comes with the end of the thread that started the process. The sandbox ends what is left.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return cmd, nil
}

// makeCluster makes the server's files; its superuser's password is that of the owner.
func (s *Server) makeCluster(ctx context.Context) error {
	if err := os.Mkdir(s.config.Dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(s.path("password"), []byte(s.config.Password), 0o400); err != nil {
		return err
	}
	if err := errors.Join(os.Chown(s.config.Dir, nobody, nobody), os.Chown(s.path("password"), nobody, nobody)); err != nil {
		return err
	}
	cmd, err := s.command(ctx, "initdb", "--pgdata="+s.path("data"), "--username=postgres", "--pwfile="+s.path("password"), "--auth=scram-sha-256", "--no-sync")
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot run initdb: %w: %s", err, out)
	}
	return os.WriteFile(s.path("data/pg_hba.conf"), []byte("host all all all scram-sha-256\n"), 0o644)
}

func (s *Server) makeCertificate(context.Context) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	for name, block := range map[string]*pem.Block{
		"data/server.crt": {Type: "CERTIFICATE", Bytes: certificate},
		"data/server.key": {Type: "EC PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(s.path(name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
		if err := os.Chown(s.path(name), nobody, nobody); err != nil {
			return err
		}
	}
	return nil
}

// startServer outlives ctx; Close ends it.
func (s *Server) startServer(ctx context.Context) error {
	cmd, err := s.command(context.WithoutCancel(ctx), "postgres", "-D", s.path("data"), "-h", s.config.Address.Addr().String(), "-p", s.port(),
		"-c", "ssl=on", "-c", "unix_socket_directories=", "-c", "fsync=off")
	if err != nil {
		return err
	}
	s.cmd = cmd
	return cmd.Start()
}

func (s *Server) makeDatabase(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	superuser := s.login("postgres", "postgres")
	for {
		_, err := superuser.Query(ctx, "SELECT 1")
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
	for _, sql := range []string{
		fmt.Sprintf("CREATE ROLE %q LOGIN PASSWORD '%s'", s.config.Username, s.config.Password),
		fmt.Sprintf("CREATE DATABASE %q OWNER %q", s.config.Database, s.config.Username),
	} {
		if _, err := superuser.Query(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}
