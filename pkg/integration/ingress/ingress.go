// Package ingress is the ingress relation, version 2 (traefik-k8s), as garm uses it: garm says where it is, and gets the URL
// under which the ingress lets others reach it. It does not know who those are.
package ingress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/garm-charms/garm-charms/pkg/hook"
)

// Endpoint is the relation's name.
const Endpoint = "ingress"

// Ingress is what the relation has to offer. The zero value is: there is no relation.
type Ingress struct {
	Application string // at the other end
	// URL is where the application is reached, without a slash at the end; empty while the ingress has not said.
	URL string

	relationID string
	unit, app  map[string]string // own databags
}

// Read returns the ingress of the relation; one that is being removed offers nothing. Units that do not lead see only
// whether there is one.
func Read(ctx context.Context, tools *hook.Tools, env hook.Env) (Ingress, error) {
	relations, err := tools.Relations(ctx, Endpoint)
	if err != nil {
		return Ingress{}, err
	}
	for _, relation := range relations {
		if env.Event.Breaks(relation.ID) {
			continue
		}
		return read(ctx, tools, env, relation)
	}
	return Ingress{}, nil
}

func read(ctx context.Context, tools *hook.Tools, env hook.Env, relation hook.Relation) (Ingress, error) {
	i := Ingress{Application: relation.App, relationID: relation.ID}
	var err error
	if i.unit, err = tools.Databag(ctx, relation.ID, env.UnitName); err != nil {
		return Ingress{}, err
	}
	i.app, err = tools.Databag(ctx, relation.ID, env.AppName)
	if errors.Is(err, hook.ErrPermission) {
		return i, nil // this unit does not lead
	}
	if err != nil {
		return Ingress{}, err
	}
	offered, err := tools.Databag(ctx, relation.ID, relation.App)
	if err != nil {
		return Ingress{}, err
	}
	i.URL = usable(offered["ingress"])
	return i, nil
}

// usable returns the URL in what the provider wrote; empty if it is none to build on.
func usable(text string) string {
	var offered struct {
		URL string `json:"url"`
	}
	if err := json.Unmarshal([]byte(text), &offered); err != nil {
		return ""
	}
	u, err := url.Parse(offered.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return ""
	}
	return strings.TrimRight(u.String(), "/")
}

// Publish says that the application is reached at this unit, whose pod has that address. The ingress routes to every unit
// that has published, so a pod that was replaced must publish anew. Nothing is written that is there already; only the
// leader may call it.
func (i Ingress) Publish(ctx context.Context, tools *hook.Tools, env hook.Env, port int) error {
	if i.relationID == "" {
		return nil
	}
	network, err := tools.Network(ctx, Endpoint)
	if err != nil {
		return err
	}
	app, err := encode(map[string]any{
		"model": env.ModelName,
		"name":  env.AppName,
		"port":  port,
		// Without it the application would have to serve below the path that the ingress gives it.
		"strip-prefix": true,
	})
	if err != nil {
		return err
	}
	unit, err := encode(map[string]any{"host": env.PodHost(), "ip": network.BindAddress})
	if err != nil {
		return err
	}
	if err := tools.SetAppDatabag(ctx, i.relationID, hook.Changes(i.app, app)); err != nil {
		return err
	}
	return tools.SetUnitDatabag(ctx, i.relationID, hook.Changes(i.unit, unit))
}

// Withdraw says that the application is not reached at this unit.
func (i Ingress) Withdraw(ctx context.Context, tools *hook.Tools) error {
	if i.relationID == "" {
		return nil
	}
	return tools.SetUnitDatabag(ctx, i.relationID, hook.Changes(i.unit, map[string]string{"host": "", "ip": ""}))
}

// encode writes every value as JSON by itself, as the interface wants it.
func encode(values map[string]any) (map[string]string, error) {
	bag := map[string]string{}
	for key, value := range values {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("cannot encode %s for the ingress: %w", key, err)
		}
		bag[key] = string(text)
	}
	return bag, nil
}
