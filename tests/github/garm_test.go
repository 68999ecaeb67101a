package github_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/github"
	"github.com/garm-charms/garm-charms/tests/provider"
)

const (
	organization = `{"name":"acme","credentials_name":"app","webhook_secret":"secret"}`
	repository   = `{"owner":"acme","name":"widgets","credentials_name":"app","webhook_secret":"secret"}`
)

// boot does what the machine's install script does, up to the runner's configuration, and returns the runner's own view of
// the Actions service.
func (b *bed) boot(machine provider.Instance) tenant {
	b.t.Helper()
	fetch := func(path string) string {
		status, raw := b.asToken(machine.Bootstrap.InstanceToken, "GET", machine.Bootstrap.MetadataURL+path, "")
		require.Equal(b.t, 200, status, path)
		return string(raw)
	}
	report := func(state string) {
		status, _ := b.asToken(machine.Bootstrap.InstanceToken, "POST", machine.Bootstrap.CallbackURL+"/status",
			`{"status":"`+state+`","message":"-"}`)
		require.Equal(b.t, 200, status, state)
	}
	report("installing")
	script := fetch("/install-script/")
	assert.Contains(b.t, script, "\nsendStatus \"configuring runner\"\n")
	assert.Contains(b.t, script, "https://github.com/actions/runner/releases/download/")
	var settings struct{ AgentName, ServerURL string }
	require.NoError(b.t, json.Unmarshal([]byte(fetch("/credentials/runner")), &settings))
	assert.Equal(b.t, machine.Name, settings.AgentName)
	var credentials struct{ Data struct{ Token string } }
	require.NoError(b.t, json.Unmarshal([]byte(fetch("/credentials/credentials")), &credentials))
	fetch("/credentials/credentials_rsaparams")
	report("idle")
	return tenant{client: b.client, URL: settings.ServerURL, Token: credentials.Data.Token}
}

func (b *bed) status(machine provider.Instance) string {
	b.t.Helper()
	var instance struct {
		Status string `json:"status"`
		Runner string `json:"runner_status"`
	}
	require.Equal(b.t, 200, b.garm("GET", "/instances/"+machine.Name, "", &instance))
	return instance.Status + "/" + instance.Runner
}

func TestRealGARMRunsJobs(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	org := b.add("/organizations", organization, scaleSet("org-set", 1, 2))
	repo := b.add("/repositories", repository, scaleSet("repo-set", 0, 2))
	for name, entity := range map[string]github.Entity{"org-set": "orgs/acme", "repo-set": "repos/acme/widgets"} {
		got := b.server.ScaleSets(entity)
		require.Len(t, got, 1)
		assert.Equal(t, name, got[0].Name)
		assert.Equal(t, []string{name, "x64"}, got[0].Labels)
	}

	// The cloud is asked for the idle runner.
	first := b.instances(1)[0]
	assert.Equal(t, "https://github.com/acme", first.Bootstrap.RepoURL)
	assert.Contains(t, first.UserData, "/install_runner.sh")
	assert.Contains(t, first.Clouds, "keystone.test")
	require.Len(t, b.server.Runners("orgs/acme"), 1)
	assert.Equal(t, first.Name, b.server.Runners("orgs/acme")[0].Name)
	agent := b.boot(first)
	require.Eventually(t, func() bool { return b.status(first) == "running/idle" }, 30*time.Second, 100*time.Millisecond)
	var session struct{ SessionID string }
	require.Equal(t, 200, agent.call("POST", "distributedtask/pools/0/sessions", "{}", &session))
	assert.True(t, b.server.Runners("orgs/acme")[0].Online)

	// A job makes GARM ask for one more, and the idle runner takes it.
	require.Eventually(t, func() bool { return len(b.server.Sessions()) == 2 }, 30*time.Second, 100*time.Millisecond)
	job, err := b.server.QueueJob(github.Repository("acme", "gadgets"), "build", "org-set")
	require.NoError(t, err)
	require.Equal(t, 200, agent.call("GET", "distributedtask/pools/0/messages?sessionId="+session.SessionID, "", nil))
	require.Eventually(t, func() bool { return b.status(first) == "running/active" }, 30*time.Second, 100*time.Millisecond)
	b.instances(2)
	require.Equal(t, 200, agent.call("PATCH", fmt.Sprintf("distributedtask/pools/0/jobrequests/%d", job.ID), `{"result":"succeeded"}`, nil))
	require.Eventually(t, func() bool {
		deleted, err := b.cloud.Deleted()
		require.NoError(t, err)
		return slices.ContainsFunc(deleted, func(i provider.Instance) bool { return i.Name == first.Name })
	}, time.Minute, 100*time.Millisecond)
	assert.Equal(t, github.JobCompleted, b.server.Jobs()[0].State)

	// Drained, they can be deleted.
	for _, id := range []int{org, repo} {
		require.Equal(t, 200, b.garm("PUT", fmt.Sprintf("/scalesets/%d", id), `{"enabled":false,"min_idle_runners":0,"max_runners":0}`, nil))
	}
	b.instances(0)
	for _, id := range []int{org, repo} {
		at := fmt.Sprintf("/scalesets/%d", id)
		require.Eventually(t, func() bool {
			b.garm("DELETE", at, "", nil)
			return b.garm("GET", at, "", nil) == 404
		}, 30*time.Second, 200*time.Millisecond)
	}
	assert.Empty(t, b.server.ScaleSets(""))
	assert.Empty(t, b.server.Runners(""))
	calls, err := b.cloud.Calls()
	require.NoError(t, err)
	for _, call := range calls {
		assert.Empty(t, call.Error, call.Command)
	}
}

func TestRealGARMWithWrongKey(t *testing.T) {
	t.Parallel()
	b := newBed(t, 2)
	require.Equal(t, 200, b.garm("POST", "/github/credentials", b.credentials("wrong", newKey(t)), nil))
	var made struct{ ID string }
	require.Equal(t, 200, b.garm("POST", "/organizations", strings.Replace(organization, `"app"`, `"wrong"`, 1), &made))
	assert.Equal(t, 500, b.garm("POST", "/organizations/"+made.ID+"/scalesets", scaleSet("set", 0, 1), nil))
	assert.Empty(t, b.server.ScaleSets(""))
	refused := 0
	for _, request := range b.server.Requests() {
		if request.Path == "/app/installations/7/access_tokens" {
			assert.Equal(t, 401, request.Status)
			refused++
		}
	}
	assert.NotZero(t, refused)

	// The right key in its place is taken at once.
	require.Equal(t, 200, b.garm("PUT", "/github/credentials/2", b.credentials("wrong", b.key), nil))
	require.Eventually(t, func() bool {
		return b.garm("POST", "/organizations/"+made.ID+"/scalesets", scaleSet("set", 0, 1), nil) == 200
	}, 10*time.Second, 200*time.Millisecond)
}

func TestRealGARMMeetsFaults(t *testing.T) {
	t.Parallel()
	b := newBed(t, 3)
	var made struct{ ID string }
	require.Equal(t, 200, b.garm("POST", "/organizations", organization, &made))
	at := "/organizations/" + made.ID + "/scalesets"
	creation := github.Match{Method: "POST", Path: "/runnerscalesets$"}

	require.NoError(t, b.server.Fail(creation, github.Fault{Reset: true, Times: 1}))
	assert.Equal(t, 500, b.garm("POST", at, scaleSet("set", 0, 1), nil))
	assert.Empty(t, b.server.ScaleSets(""))
	require.NoError(t, b.server.Fail(creation, github.Fault{LostAnswer: true, Times: 1}))
	assert.Equal(t, 500, b.garm("POST", at, scaleSet("set", 0, 1), nil))
	require.Len(t, b.server.ScaleSets(""), 1)
	assert.Equal(t, 409, b.garm("POST", at, scaleSet("set", 0, 1), nil), "its twin is there")
	require.True(t, b.server.DeleteScaleSet(b.server.ScaleSets("")[0].ID))

	var set struct{ ID int }
	require.Equal(t, 200, b.garm("POST", at, strings.Replace(scaleSet("set", 0, 1), "true", "false", 1), &set))
	one := fmt.Sprintf("/scalesets/%d", set.ID)
	require.NoError(t, b.server.Fail(github.Match{Method: "DELETE", Path: "/runnerscalesets/"}, github.Fault{Status: 500, Times: 1}))
	assert.Equal(t, 200, b.garm("DELETE", one, "", nil))
	assert.Equal(t, 200, b.garm("GET", one, "", nil), "GARM said it was deleted, and it is not")
	require.Eventually(t, func() bool {
		b.garm("DELETE", one, "", nil)
		return b.garm("GET", one, "", nil) == 404
	}, 10*time.Second, 200*time.Millisecond)
}

func TestRealGARMWithEnterpriseServer(t *testing.T) {
	t.Parallel()
	b := newBed(t, 4)
	b.server.AddToken("pat")
	require.NoError(t, b.server.AddEntity(github.Enterprise("acme"), "big"))
	const forge = "https://" + enterpriseServer
	require.Equal(t, 200, b.garm("POST", "/github/endpoints", fmt.Sprintf(
		`{"name":"ghes","description":"-","base_url":%[1]q,"api_base_url":"%[1]s/api/v3/","upload_base_url":"%[1]s/api/uploads/","ca_cert_bundle":%[2]q}`,
		forge, base64.StdEncoding.EncodeToString(b.server.CA())), nil))
	require.Equal(t, 200, b.garm("POST", "/github/credentials",
		`{"name":"pat","description":"-","endpoint":"ghes","auth_type":"pat","pat":{"oauth2_token":"pat"}}`, nil))
	set := strings.Replace(scaleSet("set", 1, 1), `"name"`, `"github-runner-group":"big","name"`, 1)
	b.add("/enterprises", `{"name":"acme","credentials_name":"pat","webhook_secret":"secret"}`, set)
	got := b.server.ScaleSets(github.Enterprise("acme"))
	require.Len(t, got, 1)
	assert.Equal(t, "big", got[0].RunnerGroup)

	machine := b.instances(1)[0]
	assert.Equal(t, forge+"/enterprises/acme", machine.Bootstrap.RepoURL)
	assert.Equal(t, string(b.server.CA()), string(machine.Bootstrap.CACertBundle))
	status, script := b.asToken(machine.Bootstrap.InstanceToken, "GET", machine.Bootstrap.MetadataURL+"/install-script/", "")
	require.Equal(t, 200, status)
	assert.Contains(t, string(script), forge+"/actions/runner/releases/download/")
	for _, request := range b.server.Requests() {
		// Whatever is registered, GARM looks on github.com for its agent, and for how much of its limits each credential has left.
		if request.Path == "/repos/cloudbase/garm-agent/releases" || request.Path == "/rate_limit" || request.Path == "/app/installations/7/access_tokens" {
			continue
		}
		assert.Equal(t, enterpriseServer, request.Host, request)
		assert.Less(t, request.Status, 300, request)
	}
}
