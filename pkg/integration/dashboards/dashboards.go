// Package dashboards is the grafana_dashboard relation as the side that has dashboards uses it: all of them stand, packed,
// in one key of the application's databag.
package dashboards

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/ulikunitz/xz"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/topology"
)

// Endpoint is the relation's name.
const Endpoint = "grafana-dashboard"

const (
	key = "dashboards"
	// windowSize is more than any dashboard has, and far less memory than the 8 MiB that xz takes by default.
	windowSize = 1 << 16
)

// Publish gives every related Grafana the dashboards, JSON by name. The leader does, and only when they or their place
// changed, since Grafana reloads them whenever they are written.
func Publish(ctx context.Context, tools *hook.Tools, env hook.Env, charm string, dashboards map[string][]byte) error {
	leader, err := tools.IsLeader(ctx)
	if err != nil || !leader {
		return err
	}
	relations, err := tools.Relations(ctx, Endpoint)
	if err != nil {
		return err
	}
	place := topology.Of(env, charm)
	id := digest(place, dashboards)
	for _, relation := range relations {
		if env.Event.Breaks(relation.ID) {
			continue
		}
		have, err := tools.Databag(ctx, relation.ID, env.AppName)
		if err != nil {
			return err
		}
		if published(have[key]) == id {
			continue
		}
		if err := write(ctx, tools, relation.ID, id, place, dashboards); err != nil {
			return err
		}
	}
	return nil
}

func write(ctx context.Context, tools *hook.Tools, relation, id string, place topology.Topology, dashboards map[string][]byte) error {
	text, err := encode(id, place, dashboards)
	if err != nil {
		return err
	}
	return tools.SetAppDatabag(ctx, relation, map[string]string{key: text})
}

type databag struct {
	Templates map[string]template `json:"templates"`
	// UUID tells one version from another. The stack's own library makes a random one for each write.
	UUID string `json:"uuid"`
}

type template struct {
	Charm     string            `json:"charm"`
	Content   string            `json:"content"` // base64 of an xz stream
	Topology  topology.Topology `json:"juju_topology"`
	Dropdowns bool              `json:"inject_dropdowns"`
	UID       string            `json:"dashboard_alt_uid"`
}

// published returns the version that stands in the databag, or "".
func published(text string) string {
	var have databag
	if json.Unmarshal([]byte(text), &have) != nil {
		return "" // it is written anew
	}
	return have.UUID
}

// digest is a UUID of what is published, before it is packed: packing costs more than a hook that changes nothing may.
func digest(place topology.Topology, dashboards map[string][]byte) string {
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%q\n", place) // a hash takes everything
	for _, name := range slices.Sorted(maps.Keys(dashboards)) {
		_, _ = fmt.Fprintf(sum, "%q %q\n", name, dashboards[name])
	}
	id := sum.Sum(nil)[:16]
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // version 8 and variant of RFC 9562
	text := hex.EncodeToString(id)
	return fmt.Sprintf("%s-%s-%s-%s-%s", text[:8], text[8:12], text[12:16], text[16:20], text[20:])
}

func encode(id string, place topology.Topology, dashboards map[string][]byte) (string, error) {
	bag := databag{Templates: map[string]template{}, UUID: id}
	charm := place.Charm
	place.Charm = "" // it stands beside the topology here
	for name, content := range dashboards {
		packed, err := pack(content)
		if err != nil {
			return "", fmt.Errorf("cannot pack dashboard %s: %w", name, err)
		}
		name = "file:" + name
		bag.Templates[name] = template{
			Charm: charm, Content: packed, Topology: place, Dropdowns: true,
			UID: hex.EncodeToString(sha3.SumSHAKE256([]byte(charm+"-"+name), 8)),
		}
	}
	text, err := json.Marshal(bag)
	if err != nil {
		return "", fmt.Errorf("cannot encode dashboards: %w", err)
	}
	return string(text), nil
}

func pack(content []byte) (string, error) {
	var out bytes.Buffer
	writer, err := xz.WriterConfig{DictCap: windowSize}.NewWriter(&out)
	if err != nil {
		return "", err
	}
	if _, err := writer.Write(content); err != nil {
		return "", err
	}
	if err := writer.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(out.Bytes()), nil
}
