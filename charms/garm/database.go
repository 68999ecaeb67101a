package garm

import (
	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/postgresql"
	"github.com/garm-charms/garm-charms/pkg/status"
	"github.com/garm-charms/garm-charms/pkg/workload"
)

// Kinds of database, as they are remembered.
const (
	kindSQLite     = "sqlite"
	kindPostgreSQL = "postgresql"
)

// offers are what there is to keep GARM's data in, and what is kept already.
type offers struct {
	application string // garm's own name
	postgresql  postgresql.Database
	storage     bool
	units       int
	inUse       string // kind of the database that the scale sets are in
	scaleSets   int
}

// choose returns the kind of database to use. An obstacle says why there is none; a concern says why it is not the one
// that was asked for.
func (o offers) choose() (kind string, obstacle, concern hook.Status) {
	asked := o.asked()
	if o.scaleSets == 0 || asked == o.inUse {
		return asked, o.obstacle(asked), hook.Status{}
	}
	if o.inUse == kindSQLite && o.storage {
		return kindSQLite, o.obstacle(kindSQLite), status.DatabaseInUse(o.application, o.postgresql.Application, o.scaleSets)
	}
	return "", status.DatabaseGone(o.application, o.scaleSets), hook.Status{}
}

// asked is what the operator provides: PostgreSQL, if both.
func (o offers) asked() string {
	switch {
	case o.postgresql.Application != "":
		return kindPostgreSQL
	case o.storage:
		return kindSQLite
	}
	return ""
}

func (o offers) obstacle(kind string) hook.Status {
	switch {
	case kind == "":
		return status.NoDatabase(o.application)
	case kind == kindPostgreSQL && o.postgresql.Missing != "":
		return status.DatabaseWaits(o.postgresql.Application, o.postgresql.Missing)
	case kind == kindSQLite && o.units > 1:
		return status.TooManyUnits(o.application, o.units)
	}
	return hook.Status{}
}

// database is where GARM is to keep its data.
func (c charm) database(in *inputs) (workload.Database, hook.Status) {
	o := offers{
		application: c.env.AppName,
		postgresql:  in.postgresql,
		storage:     len(in.storages) > 0,
		units:       in.peer.units,
		inUse:       in.peer.database,
		scaleSets:   len(in.peer.inventory.ScaleSets),
	}
	if o.inUse == "" {
		o.inUse = kindSQLite // the only one there was before kinds were remembered
	}
	kind, obstacle, concern := o.choose()
	in.database, in.concern = kind, concern
	if kind == kindSQLite {
		return workload.Database{SQLite: databaseFile}, obstacle
	}
	return workload.Database{PostgreSQL: connection(in.postgresql)}, obstacle
}

// connection encrypts if the server offers it, and demands it if the server does. GARM has no option for a certificate
// to check the server's against.
func connection(db postgresql.Database) *workload.PostgreSQL {
	mode := "prefer"
	if db.TLS {
		mode = "require"
	}
	return &workload.PostgreSQL{
		Host: db.Host, Port: db.Port, Database: db.Name, Username: db.Username, Password: db.Password, SSLMode: mode,
	}
}
