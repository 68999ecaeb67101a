package garm

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/postgresql"
	"github.com/garm-charms/garm-charms/pkg/status"
)

func TestChooseDatabase(t *testing.T) {
	var none hook.Status
	whole := postgresql.Database{Application: "db"}
	waits := postgresql.Database{Application: "db", Missing: "a password"}
	for _, row := range []struct {
		summary           string
		offers            offers
		kind              string
		obstacle, concern hook.Status
	}{
		{"nothing", offers{}, "", status.NoDatabase("garm"), none},
		{"storage", offers{storage: true}, kindSQLite, none, none},
		{"PostgreSQL", offers{postgresql: whole}, kindPostgreSQL, none, none},
		{"both", offers{postgresql: whole, storage: true}, kindPostgreSQL, none, none},
		{"PostgreSQL by half", offers{postgresql: waits, storage: true}, kindPostgreSQL, status.DatabaseWaits("db", "a password"), none},
		{"storage, two units", offers{storage: true, units: 2}, kindSQLite, status.TooManyUnits("garm", 2), none},
		{"PostgreSQL, two units", offers{postgresql: whole, units: 2}, kindPostgreSQL, none, none},
		{
			"PostgreSQL under scale sets in SQLite",
			offers{postgresql: whole, storage: true, inUse: kindSQLite, scaleSets: 3},
			kindSQLite, none, status.DatabaseInUse("garm", "db", 3),
		},
		{
			"the same once they are drained",
			offers{postgresql: whole, storage: true, inUse: kindSQLite},
			kindPostgreSQL, none, none,
		},
		{"PostgreSQL as before", offers{postgresql: whole, storage: true, inUse: kindPostgreSQL, scaleSets: 3}, kindPostgreSQL, none, none},
		{"PostgreSQL is gone", offers{storage: true, inUse: kindPostgreSQL, scaleSets: 3}, "", status.DatabaseGone("garm", 3), none},
		{"PostgreSQL is gone, with nothing in it", offers{storage: true, inUse: kindPostgreSQL}, kindSQLite, none, none},
		{"the storage is gone", offers{postgresql: whole, inUse: kindSQLite, scaleSets: 3}, "", status.DatabaseGone("garm", 3), none},
	} {
		t.Run(row.summary, func(t *testing.T) {
			row.offers.application = "garm"
			kind, obstacle, concern := row.offers.choose()
			assert.Equal(t, row.obstacle, obstacle)
			assert.Equal(t, row.concern, concern)
			assert.Equal(t, row.kind, kind)
		})
	}
}

func TestEncryptionIsTheServers(t *testing.T) {
	assert.Equal(t, "require", connection(postgresql.Database{TLS: true}).SSLMode)
	assert.Equal(t, "prefer", connection(postgresql.Database{}).SSLMode)
}
