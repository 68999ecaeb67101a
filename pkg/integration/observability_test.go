// Package integration_test tests the relations of the observability stack, which are alike: what stands in their databags,
// who may write it, and that it is written once.
package integration_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
	"gopkg.in/yaml.v3"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/dashboards"
	"github.com/garm-charms/garm-charms/pkg/integration/logging"
	"github.com/garm-charms/garm-charms/pkg/integration/metrics"
)

const modelUUID = "9b14978a-19c1-4472-8144-0a97c55efe88"

// juju stands for Juju behind the hook tools, with one relation of garm/0 to cos. It shows which tools are called; that they
// are called rightly is seen where Juju's own are.
type juju struct {
	leader   bool
	gone     bool
	bags     map[string]map[string]string
	refuse   map[string]error // by tool and last argument
	networks string
	writes   int
}

func newJuju() *juju {
	return &juju{
		leader: true, bags: map[string]map[string]string{},
		networks: `{"bind-addresses": [{"addresses": [{"value": "10.1.2.3"}]}], "ingress-addresses": ["10.152.0.1"]}`,
	}
}

func (j *juju) Run(_ context.Context, call hook.Call) ([]byte, error) {
	last := call.Args[len(call.Args)-1]
	if err := j.refuse[call.Tool+" "+last]; err != nil {
		return nil, err
	}
	switch call.Tool {
	case "is-leader":
		return json.Marshal(j.leader)
	case "network-get":
		return []byte(j.networks), nil
	case "relation-ids":
		if j.gone {
			return []byte("[]"), nil
		}
		return json.Marshal([]string{last + ":1"})
	case "relation-list":
		return []byte(`["cos/0", "cos/1"]`), nil
	case "relation-get":
		return json.Marshal(j.bags[last])
	case "relation-set":
		return nil, j.set(call)
	}
	return nil, errors.New("unexpected tool " + call.Tool)
}

func (j *juju) set(call hook.Call) error {
	owner := "garm/0"
	if slices.Contains(call.Args, "--app") {
		owner = "garm"
	}
	var values map[string]string
	err := yaml.Unmarshal(call.Stdin, &values)
	if j.bags[owner] == nil {
		j.bags[owner] = map[string]string{}
	}
	maps.Copy(j.bags[owner], values)
	maps.DeleteFunc(j.bags[owner], func(_, value string) bool { return value == "" })
	j.writes++
	return err
}

func env(event hook.Event) hook.Env {
	return hook.Env{UnitName: "garm/0", AppName: "garm", ModelName: "ci", ModelUUID: modelUUID, Event: event}
}

// publishers are the three relations, each told everything there is to tell.
func publishers(t *testing.T) map[string]func(*juju, hook.Event) error {
	t.Helper()
	rules, err := metrics.RulesOf([]byte(`{groups: [{name: garm, rules: [
		{alert: Down, expr: "up{%%juju_topology%%} < 1", for: 5m, labels: {severity: critical}, annotations: {summary: down}}]}]}`))
	require.NoError(t, err)
	return map[string]func(*juju, hook.Event) error{
		metrics.Endpoint: func(j *juju, e hook.Event) error {
			job := metrics.Job{Name: "garm", Path: "/metrics", Port: 8080, Charm: "garm", Rules: rules}
			return metrics.Publish(t.Context(), hook.NewTools(env(e), j), env(e), job, j.leader)
		},
		dashboards.Endpoint: func(j *juju, e hook.Event) error {
			return dashboards.Publish(t.Context(), hook.NewTools(env(e), j), env(e), "garm", map[string][]byte{"one": []byte(`{"title": "One"}`)})
		},
		logging.Endpoint: func(j *juju, e hook.Event) error {
			_, err := logging.Connect(t.Context(), hook.NewTools(env(e), j), env(e), "garm")
			return err
		},
	}
}

func TestWrittenOnceByTheLeader(t *testing.T) {
	for endpoint, publish := range publishers(t) {
		t.Run(endpoint, func(t *testing.T) {
			j := newJuju()
			require.NoError(t, publish(j, hook.Event{}))
			assert.NotEmpty(t, j.bags["garm"])
			written := j.writes
			require.NoError(t, publish(j, hook.Event{}))
			assert.Equal(t, written, j.writes, "all stood there already")

			broken := hook.Event{Kind: hook.KindRelationBroken, RelationID: endpoint + ":1"}
			j = newJuju()
			require.NoError(t, publish(j, broken))
			assert.Empty(t, j.bags, "the relation is being removed")

			j = newJuju()
			j.leader = false
			require.NoError(t, publish(j, hook.Event{}))
			assert.Empty(t, j.bags, "only the leader may")

			j = newJuju()
			j.gone = true
			require.NoError(t, publish(j, hook.Event{}))
			assert.Empty(t, j.bags, "there is no relation")
		})
	}
}

func TestFailingTools(t *testing.T) {
	for endpoint, publish := range publishers(t) {
		for _, tool := range []string{
			"is-leader --format=json", "relation-ids " + endpoint, "relation-list " + endpoint + ":1", "relation-get garm", "relation-set --app",
		} {
			j := newJuju()
			j.refuse = map[string]error{tool: errors.New("agent is gone")}
			require.ErrorContains(t, publish(j, hook.Event{}), "agent is gone", endpoint+" "+tool)
		}
	}
	for endpoint, tool := range map[string]string{metrics.Endpoint: "network-get " + metrics.Endpoint, logging.Endpoint: "relation-get cos/0"} {
		j := newJuju()
		j.refuse = map[string]error{tool: errors.New("agent is gone")}
		require.ErrorContains(t, publishers(t)[endpoint](j, hook.Event{}), "agent is gone", tool)
	}
}

func TestMetrics(t *testing.T) {
	j := newJuju()
	publish := publishers(t)[metrics.Endpoint]
	require.NoError(t, publish(j, hook.Event{}))
	assert.Equal(t, map[string]string{
		"prometheus_scrape_unit_address": "10.1.2.3",
		"prometheus_scrape_unit_name":    "garm/0",
		"prometheus_scrape_unit_fqdn":    "garm-0.garm-endpoints.ci.svc.cluster.local",
	}, j.bags["garm/0"])
	bag := j.bags["garm"]
	assert.JSONEq(t, `{"model": "ci", "model_uuid": "`+modelUUID+`", "application": "garm", "unit": "garm/0", "charm_name": "garm"}`, bag["scrape_metadata"])
	assert.JSONEq(t, `[{"job_name": "garm", "metrics_path": "/metrics", "static_configs": [{"targets": ["*:8080"]}]}]`, bag["scrape_jobs"])
	assert.JSONEq(t, `{"groups": [{"name": "ci_9b14978a_garm_garm_alerts", "rules": [{
		"alert": "Down", "for": "5m", "annotations": {"summary": "down"},
		"expr": "up{juju_model=\"ci\", juju_model_uuid=\"`+modelUUID+`\", juju_application=\"garm\"} < 1",
		"labels": {"severity": "critical", "juju_model": "ci", "juju_model_uuid": "`+modelUUID+`", "juju_application": "garm", "juju_charm": "garm"}
	}]}]}`, bag["alert_rules"])

	j.leader = false
	require.NoError(t, publish(j, hook.Event{}))
	assert.Empty(t, j.bags["garm/0"], "a standby is not scraped")

	j.leader, j.networks = true, `{}`
	require.NoError(t, publish(j, hook.Event{}))
	assert.Empty(t, j.bags["garm/0"], "it has no address yet")
}

func TestRulesThatAreNone(t *testing.T) {
	_, err := metrics.RulesOf([]byte("groups: [{name: garm, rule: []}]"))
	assert.ErrorContains(t, err, "cannot read alert rules: ")
}

func TestDashboards(t *testing.T) {
	j := newJuju()
	publish := publishers(t)[dashboards.Endpoint]
	require.NoError(t, publish(j, hook.Event{}))
	var bag struct {
		Templates map[string]map[string]any
		UUID      string
	}
	require.NoError(t, json.Unmarshal([]byte(j.bags["garm"]["dashboards"]), &bag))
	assert.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, bag.UUID)
	one := bag.Templates["file:one"]
	require.NotNil(t, one)
	content, isText := one["content"].(string)
	require.True(t, isText)
	packed, err := base64.StdEncoding.DecodeString(content)
	require.NoError(t, err)
	reader, err := xz.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	var text strings.Builder
	_, err = io.Copy(&text, reader)
	require.NoError(t, err)
	assert.JSONEq(t, `{"title": "One"}`, text.String())
	delete(one, "content")
	assert.Equal(t, map[string]any{
		"charm": "garm", "inject_dropdowns": true,
		// python3 -c 'import hashlib; print(hashlib.shake_256(b"garm-file:one").hexdigest(8))'
		"dashboard_alt_uid": "06178099a881b4fb",
		"juju_topology":     map[string]any{"model": "ci", "model_uuid": modelUUID, "application": "garm", "unit": "garm/0"},
	}, one)

	for _, hostile := range []string{"{", `{"uuid": 7}`, `{"uuid": "` + strings.ToUpper(bag.UUID) + `"}`} {
		good := j.bags["garm"]["dashboards"]
		j.bags["garm"]["dashboards"] = hostile
		require.NoError(t, publish(j, hook.Event{}))
		assert.Equal(t, good, j.bags["garm"]["dashboards"], "written anew over "+hostile)
	}
}

func TestLogging(t *testing.T) {
	j := newJuju()
	connect := func() map[string]string {
		urls, err := logging.Connect(t.Context(), hook.NewTools(env(hook.Event{}), j), env(hook.Event{}), "garm")
		require.NoError(t, err)
		return urls
	}
	assert.Empty(t, connect(), "no Loki has published")
	assert.Equal(t, map[string]string{
		"alert_rules": "{}",
		"metadata":    `{"model":"ci","model_uuid":"` + modelUUID + `","application":"garm","unit":"garm/0","charm_name":"garm"}`,
	}, j.bags["garm"])

	const pushURL = "http://10.1.2.4:3100/loki/api/v1/push"
	j.bags["cos/1"] = map[string]string{"endpoint": `{"url": "` + pushURL + `"}`}
	for _, hostile := range []string{`{"url": "file:///etc/shadow"}`, `{"url": "ftp://10.1.2.5/"}`, `{"url": "http://"}`, `{"url": 7}`, "http://10.1.2.5", `{"url": "http://a b"}`} {
		j.bags["cos/0"] = map[string]string{"endpoint": hostile}
		assert.Equal(t, map[string]string{"cos/1": pushURL}, connect(), hostile)
	}
	j.refuse = map[string]error{"relation-get cos/1": hook.ErrRelationGone}
	assert.Empty(t, connect(), "the unit has gone")
}
