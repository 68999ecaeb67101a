// Package postgresql is the postgresql_client relation (data_interfaces, version 0) as garm uses it: garm asks for a
// database and gets where it is and how to log in, as secrets. It does not know what the database is for.
package postgresql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

// Endpoint is the relation's name.
const Endpoint = "postgresql"

const defaultPort = 5432

// Database is what the relation has to offer. The zero value is: there is no relation.
type Database struct {
	Application string // at the other end
	// Missing is what the other side has not given yet, or not in a form that can be used; empty when the rest is whole.
	Missing string

	Host     string
	Port     int
	Name     string
	Username string
	Password secret.Value
	TLS      bool // the server wants encrypted connections

	relationID string
	own        map[string]string
}

// Read returns the database of the relation; one that is being removed offers none. The newest secrets are read, which
// only an action leaves untracked.
func Read(ctx context.Context, tools *hook.Tools, env hook.Env) (Database, error) {
	relations, err := tools.Relations(ctx, Endpoint)
	if err != nil {
		return Database{}, err
	}
	for _, relation := range relations {
		if env.Event.Breaks(relation.ID) {
			continue
		}
		return read(ctx, tools, env, relation)
	}
	return Database{}, nil
}

func read(ctx context.Context, tools *hook.Tools, env hook.Env, relation hook.Relation) (Database, error) {
	db := Database{Application: relation.App, relationID: relation.ID}
	var err error
	if db.own, err = tools.Databag(ctx, relation.ID, env.AppName); err != nil {
		return Database{}, err
	}
	offered, err := tools.Databag(ctx, relation.ID, relation.App)
	if err != nil {
		return Database{}, err
	}
	revision := hook.Latest
	if env.Event.Kind == hook.KindAction {
		revision = hook.Peek
	}
	for _, group := range []string{"secret-user", "secret-tls"} {
		err := addSecret(ctx, tools, offered, group, revision)
		if errors.Is(err, hook.ErrSecretNotFound) || errors.Is(err, hook.ErrPermission) {
			db.Missing = "access to its secret with the " + strings.TrimPrefix(group, "secret-")
			return db, nil
		}
		if err != nil {
			return Database{}, err
		}
	}
	db.fill(offered, env.AppName)
	if db.Missing == "" && offered["subordinated"] == "true" {
		err = db.awaitUnit(ctx, tools, relation)
	}
	return db, err
}

// addSecret puts the content of a group's secret into the databag, where a provider without secrets has it.
func addSecret(ctx context.Context, tools *hook.Tools, offered map[string]string, group string, revision hook.Revision) error {
	uri := offered[group]
	if uri == "" {
		return nil
	}
	content, err := tools.Secret(ctx, uri, revision)
	if err != nil {
		return err
	}
	for _, key := range []string{"username", "password", "tls"} {
		if value := content[key].Reveal(); value != "" {
			offered[key] = value
		}
	}
	return nil
}

// fill takes what is offered, and says what is not.
func (db *Database) fill(offered map[string]string, requested string) {
	var usable bool
	db.Host, db.Port, usable = address(offered["endpoints"])
	db.Name, db.Username, db.Password = offered["database"], offered["username"], secret.New(offered["password"])
	if db.Name == "" {
		db.Name = requested
	}
	db.TLS = strings.EqualFold(offered["tls"], "true")
	switch {
	case offered["endpoints"] == "":
		db.Missing = "an endpoint"
	case !usable:
		db.Missing = fmt.Sprintf("an endpoint like host:port, not %q", offered["endpoints"])
	case db.Username == "":
		db.Missing = "a user name"
	case db.Password.Empty():
		db.Missing = "a password"
	}
}

// address is the first endpoint: the primary.
func address(endpoints string) (host string, port int, usable bool) {
	first, _, _ := strings.Cut(endpoints, ",")
	first = strings.TrimSpace(first)
	host, text, err := net.SplitHostPort(first)
	if err != nil { // without a port
		host, text = first, strconv.Itoa(defaultPort)
	}
	port, err = strconv.Atoi(text)
	usable = err == nil && port > 0 && port <= 65535 && host != "" && !strings.ContainsAny(host, " \t\r\n/@?\x00")
	return host, port, usable
}

// awaitUnit waits for one unit of a subordinate, such as a connection pooler beside garm, to be ready.
func (db *Database) awaitUnit(ctx context.Context, tools *hook.Tools, relation hook.Relation) error {
	for _, unit := range relation.Units {
		bag, err := tools.Databag(ctx, relation.ID, unit)
		if err != nil && !errors.Is(err, hook.ErrRelationGone) {
			return err
		}
		if bag["state"] == "ready" {
			return nil
		}
	}
	db.Missing = "a unit that is ready"
	return nil
}

// Request asks for a database of that name, and for secrets. Nothing is written that is there already; only the leader
// may call it.
func (db Database) Request(ctx context.Context, tools *hook.Tools, name string) error {
	if db.relationID == "" {
		return nil
	}
	secrets, err := json.Marshal([]string{"username", "password", "tls", "tls-ca", "uris"})
	if err != nil {
		return err
	}
	changes := map[string]string{}
	for key, value := range map[string]string{"database": name, "requested-secrets": string(secrets)} {
		if db.own[key] != value {
			changes[key] = value
		}
	}
	return tools.SetAppDatabag(ctx, db.relationID, changes)
}
