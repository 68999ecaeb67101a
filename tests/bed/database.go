package bed

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	"github.com/pelletier/go-toml/v2"

	"github.com/garm-charms/garm-charms/tests/parts"
	"github.com/garm-charms/garm-charms/tests/postgresql"
)

// startDatabase starts a PostgreSQL that pods reach, with a database named as garm's application.
func (b *Bed) startDatabase(ctx context.Context, password string) (netip.AddrPort, error) {
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		return netip.AddrPort{}, err
	}
	b.closers = append(b.closers, func() error { return os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		return netip.AddrPort{}, err
	}
	address := netip.AddrPortFrom(b.network.Gateway(), 5432)
	b.database, err = postgresql.Start(ctx, postgresql.Config{
		Dir: filepath.Join(dir, "server"), Address: address, Database: "garm", Username: "relation-1", Password: password,
	})
	if err != nil {
		return netip.AddrPort{}, err
	}
	b.closers = append(b.closers, b.database.Close)
	return address, nil
}

// postgresql start PASSWORD | connect CONFIG | tables: starts the server and says where it is; logs in as GARM's config.toml
// says and tells who is there and whether encrypted; lists what is in it.
func (s *Script) postgresql(args []string) (string, error) {
	if args[0] == "start" {
		address, err := s.startDatabase(s.ctx, args[1])
		return address.String() + "\n", err
	}
	if s.database == nil {
		return "", errors.New("no PostgreSQL was started")
	}
	switch args[0] {
	case "connect":
		return s.connect(args[1])
	case "tables":
		return s.database.Query(s.ctx, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
	}
	return "", fmt.Errorf("unknown: postgresql %s", args[0])
}

func (s *Script) connect(file string) (string, error) {
	text, err := os.ReadFile(filepath.Join(s.Dir, file))
	if err != nil {
		return "", err
	}
	var config struct {
		Database struct {
			PostgreSQL postgresql.Login `toml:"postgresql"`
		} `toml:"database"`
	}
	if err := toml.Unmarshal(text, &config); err != nil {
		return "", err
	}
	login := config.Database.PostgreSQL
	out, err := login.Query(s.ctx, "SELECT current_user, current_database(), ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
	return out + " " + login.SSLMode + "\n", err
}

// garmHasPostgreSQL tells whether the GARM of the images has that backend.
func garmHasPostgreSQL(ctx context.Context) (bool, error) {
	program, err := parts.GARM(ctx)
	if err != nil {
		return false, err
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(info.Deps, func(m *debug.Module) bool { return m.Path == "gorm.io/driver/postgres" }), nil
}
