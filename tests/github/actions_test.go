package github_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/github"
)

const sets = "runtime/runnerscalesets"

func TestRegistration(t *testing.T) {
	c := serve(t, github.Options{})
	dotcom := c.register(api, "orgs/acme", "https://github.com/Acme")
	assert.Regexp(t, `^https://pipelines\.actions\.githubusercontent\.com/\w+/$`, dotcom.URL)
	enterprise := c.register("https://ghes.test/api/v3", "enterprises/acme", "https://ghes.test/enterprises/acme")
	assert.Regexp(t, `^https://ghes\.test/_services/pipelines/\w+/$`, enterprise.URL)

	var registration struct{ Token string }
	require.Equal(t, 201, c.do("POST", api+"/orgs/acme/actions/runners/registration-token", "pat", "", &registration))
	at := api + "/actions/runner-registration"
	assert.Equal(t, 404, c.do("POST", at, registration.Token, `{"url":"https://github.com/acme/widgets"}`, nil), "token of another entity")
	assert.Equal(t, 401, c.do("POST", at, "pat", `{"url":"https://github.com/acme"}`, nil))
	assert.Equal(t, 401, c.do("GET", enterprise.URL+"_apis/"+sets, dotcom.Token, "", nil), "token of another entity")
}

type scaleSetAnswer struct {
	ID      int
	Name    string
	GroupID int `json:"runnerGroupId"`
	Labels  []struct{ Name string }
}

func TestScaleSets(t *testing.T) {
	c := serve(t, github.Options{})
	org := c.register(api, "orgs/acme", "https://github.com/acme")
	var set scaleSetAnswer
	create := `{"name":"small","runnerGroupId":%d,"labels":[{"type":"System","name":"small"},{"name":"x64"}],"RunnerSetting":{"ephemeral":true,"disableUpdate":true}}`
	require.Equal(t, 200, org.call("POST", sets, fmt.Sprintf(create, 1), &set))
	assert.Equal(t, 409, org.call("POST", sets, fmt.Sprintf(create, 1), nil), "same name in the same group")
	assert.Equal(t, 200, org.call("POST", sets, fmt.Sprintf(create, 2), nil), "same name in another group")
	assert.Equal(t, 404, org.call("POST", sets, fmt.Sprintf(create, 3), nil), "no such group")
	assert.Equal(t, 400, org.call("POST", sets, `{}`, nil))

	want := github.ScaleSet{
		ID: set.ID, Entity: "orgs/acme", Name: "small", RunnerGroup: "Default", Labels: []string{"small", "x64"},
		DisableUpdate: true, MaxCapacity: -1,
	}
	got := c.server.ScaleSets(github.Organization("ACME"))
	require.Len(t, got, 2)
	want.CreatedOn = got[0].CreatedOn
	assert.Equal(t, want, got[0])

	var found struct {
		Count int
		Value []scaleSetAnswer
	}
	require.Equal(t, 200, org.call("GET", sets+"?name=Small&runnerGroupId=1", "", &found))
	assert.Equal(t, 1, found.Count)
	require.Equal(t, 200, org.call("GET", sets+"?name=large&runnerGroupId=1", "", &found))
	assert.Zero(t, found.Count)

	one := fmt.Sprintf("%s/%d", sets, set.ID)
	require.Equal(t, 200, org.call("PATCH", one, `{"name":"large","RunnerSetting":{}}`, &set))
	assert.Equal(t, "large", set.Name)
	assert.Equal(t, "small", set.Labels[0].Name, "a renamed set keeps its label")
	assert.True(t, c.server.ScaleSets("")[0].DisableUpdate, "what is not said does not change")
	assert.Equal(t, 409, org.call("PATCH", one, `{"name":"small","runnerGroupId":2}`, nil))

	repo := c.register(api, "repos/acme/widgets", "https://github.com/acme/widgets")
	assert.Equal(t, 404, repo.call("GET", one, "", nil), "another entity's scale set")
	assert.Equal(t, 204, org.call("DELETE", one, "", nil))
	assert.Equal(t, 404, org.call("DELETE", one, "", nil))
	assert.Len(t, c.server.ScaleSets(""), 1)
	assert.True(t, c.server.DeleteScaleSet(c.server.ScaleSets("")[0].ID))
	assert.Empty(t, c.server.ScaleSets(""))
}

func TestRunnerGroupByName(t *testing.T) {
	c := serve(t, github.Options{})
	org := c.register(api, "orgs/acme", "https://github.com/acme")
	var found struct {
		Count int
		Value []struct{ ID int }
	}
	for _, path := range []string{"runtime/runnergroups", "runtime/runnergroups/"} {
		require.Equal(t, 200, org.call("GET", path+"?groupName=big", "", &found))
		require.Equal(t, 1, found.Count)
		assert.Equal(t, 2, found.Value[0].ID)
	}
	require.Equal(t, 200, org.call("GET", "runtime/runnergroups/?groupName=huge", "", &found))
	assert.Zero(t, found.Count)
}

// listener is a message session.
type listener struct {
	tenant
	set   int
	ID    string `json:"sessionId"`
	Queue string `json:"messageQueueUrl"`
	Key   string `json:"messageQueueAccessToken"`
}

func (e tenant) listen(set int) listener {
	e.t.Helper()
	l := listener{tenant: e, set: set}
	require.Equal(e.t, 200, e.call("POST", fmt.Sprintf("%s/%d/sessions", sets, set), `{"ownerName":"garm"}`, &l))
	return l
}

type jobMessage struct {
	MessageType     string
	RunnerRequestID int64
	RunnerName      string
	Result          string
}

// next waits for the message after last and returns its id, its one job and the number of assigned jobs.
func (l listener) next(last int64) (id int64, job jobMessage, assigned int) {
	l.t.Helper()
	var message struct {
		MessageID  int64
		Body       string
		Statistics struct{ TotalAssignedJobs int }
	}
	require.Equal(l.t, 200, l.do("GET", fmt.Sprintf("%s&lastMessageId=%d", l.Queue, last), l.Key, "", &message))
	var jobs []jobMessage
	require.NoError(l.t, json.Unmarshal([]byte(message.Body), &jobs))
	require.Len(l.t, jobs, 1)
	return message.MessageID, jobs[0], message.Statistics.TotalAssignedJobs
}

// newSet makes a scale set with the labels small and x64.
func (e tenant) newSet() int {
	e.t.Helper()
	var set scaleSetAnswer
	require.Equal(e.t, 200, e.call("POST", sets, `{"name":"small","labels":[{"name":"small"},{"name":"x64"}]}`, &set))
	return set.ID
}

func TestSessions(t *testing.T) {
	c := serve(t, github.Options{PollTimeout: 50 * time.Millisecond})
	org := c.register(api, "orgs/acme", "https://github.com/acme")
	set := org.newSet()
	l := org.listen(set)
	sessions := fmt.Sprintf("%s/%d/sessions", sets, set)
	assert.Equal(t, 409, org.call("POST", sessions, `{"ownerName":"other"}`, nil), "one session for each scale set")
	assert.Equal(t, 202, c.do("GET", l.Queue, l.Key, "", nil), "no message")
	assert.Equal(t, 401, c.do("GET", l.Queue, org.Token, "", nil), "the queue has a token of its own")
	assert.Equal(t, 1, c.server.ScaleSets("")[0].MaxCapacity)

	refreshed := l
	require.Equal(t, 200, org.call("PATCH", sessions+"/"+l.ID, "", &refreshed))
	assert.Equal(t, l.ID, refreshed.ID)
	assert.Equal(t, 202, c.do("GET", refreshed.Queue, refreshed.Key, "", nil))
	got := c.server.Sessions()
	require.Len(t, got, 1)
	assert.Equal(t, "garm", got[0].Owner)
	assert.False(t, got[0].Polling)

	assert.Equal(t, 204, org.call("DELETE", sessions+"/"+l.ID, "", nil))
	assert.Equal(t, 404, org.call("DELETE", sessions+"/"+l.ID, "", nil))
	org.listen(set)
	c.server.ExpireSessions()
	org.listen(set)
}

func TestSessionOfDeadListenerExpires(t *testing.T) {
	c := serve(t, github.Options{SessionTTL: time.Nanosecond})
	org := c.register(api, "orgs/acme", "https://github.com/acme")
	set := org.newSet()
	org.listen(set)
	org.listen(set)
}

// jit is what a runner is configured with.
type jit struct {
	Runner struct {
		ID   int64
		Name string
	}
	Config string `json:"encodedJITConfig"`
}

func (e tenant) newRunner(set int, name string) jit {
	e.t.Helper()
	var answer jit
	require.Equal(e.t, 200, e.call("POST", fmt.Sprintf("%s/%d/generatejitconfig", sets, set), `{"name":"`+name+`","workFolder":"_work"}`, &answer))
	return answer
}

// agent returns the runner's own view of the Actions service.
func (j jit) agent(c client) tenant {
	c.t.Helper()
	var files map[string]string
	decodeBase64JSON(c.t, j.Config, &files)
	require.Contains(c.t, files, ".credentials_rsaparams")
	var settings struct{ ServerURL, GitHubURL, AgentName string }
	var credentials struct{ Data struct{ Token string } }
	decodeBase64JSON(c.t, files[".runner"], &settings)
	decodeBase64JSON(c.t, files[".credentials"], &credentials)
	assert.Equal(c.t, j.Runner.Name, settings.AgentName)
	assert.Equal(c.t, "https://github.com/acme", settings.GitHubURL)
	return tenant{client: c, URL: settings.ServerURL, Token: credentials.Data.Token}
}

func TestJobRuns(t *testing.T) {
	c := serve(t, github.Options{PollTimeout: 5 * time.Second})
	org := c.register(api, "orgs/acme", "https://github.com/acme")
	widgets := github.Repository("acme", "widgets")
	job, err := c.server.QueueJob(widgets, "build", "X64", "small")
	require.NoError(t, err)
	assert.Equal(t, github.JobQueued, job.State)
	set := org.newSet()
	assert.Equal(t, github.JobQueued, c.server.Jobs()[0].State, "nobody listens yet")
	l := org.listen(set)

	offer, message, assigned := l.next(0)
	assert.Equal(t, jobMessage{MessageType: "JobAvailable", RunnerRequestID: job.ID}, message)
	assert.Zero(t, assigned)
	second, err := c.server.QueueJob(widgets, "test", "small")
	require.NoError(t, err)
	assert.Equal(t, github.JobQueued, second.State, "the scale set said it has room for one")

	var acquired struct{ Value []int64 }
	acquire := fmt.Sprintf("%s_apis/%s/%d/acquirejobs", org.URL, sets, set)
	require.Equal(t, 200, c.do("POST", acquire, l.Key, fmt.Sprintf("[%d]", job.ID), &acquired))
	assert.Equal(t, []int64{job.ID}, acquired.Value)
	require.Equal(t, 204, c.do("DELETE", fmt.Sprintf("%s_apis/%s/%d/messages/%d?sessionId=%s", org.URL, sets, set, offer, l.ID), l.Key, "", nil))
	last, message, assigned := l.next(offer)
	assert.Equal(t, "JobAssigned", message.MessageType)
	assert.Equal(t, 1, assigned, "a runner is wanted")

	made := org.newRunner(set, "r-1")
	assert.Equal(t, 409, org.call("POST", fmt.Sprintf("%s/%d/generatejitconfig", sets, set), `{"name":"R-1"}`, nil))
	agent := made.agent(c)
	var session struct{ SessionID string }
	require.Equal(t, 200, agent.call("POST", "distributedtask/pools/0/sessions", "{}", &session))
	var work struct {
		Body struct {
			RequestID      int64
			JobDisplayName string
		}
	}
	require.Equal(t, 200, agent.call("GET", "distributedtask/pools/0/messages?sessionId="+session.SessionID, "", &work))
	assert.Equal(t, job.ID, work.Body.RequestID)
	assert.Equal(t, "build", work.Body.JobDisplayName)
	last, message, _ = l.next(last)
	assert.Equal(t, jobMessage{MessageType: "JobStarted", RunnerRequestID: job.ID, RunnerName: "r-1"}, message)

	one := fmt.Sprintf("distributedtask/pools/0/agents/%d", made.Runner.ID)
	assert.Equal(t, 400, org.call("DELETE", one, "", nil), "a busy runner stays")
	assert.Equal(t, 422, c.do("DELETE", fmt.Sprintf("%s/orgs/acme/actions/runners/%d", api, made.Runner.ID), "pat", "", nil))
	require.Equal(t, 200, agent.call("PATCH", fmt.Sprintf("distributedtask/pools/0/jobrequests/%d", job.ID), `{"result":"succeeded"}`, nil))
	last, message, assigned = l.next(last)
	assert.Equal(t, jobMessage{MessageType: "JobCompleted", RunnerRequestID: job.ID, RunnerName: "r-1", Result: "succeeded"}, message)
	assert.Zero(t, assigned)
	assert.Empty(t, c.server.Runners(""), "it was ephemeral")
	assert.Equal(t, 403, agent.call("POST", "distributedtask/pools/0/sessions", "{}", nil))
	_, message, _ = l.next(last)
	assert.Equal(t, jobMessage{MessageType: "JobAvailable", RunnerRequestID: second.ID}, message, "there is room again")
}

func TestRunnersByHand(t *testing.T) {
	c := serve(t, github.Options{PollTimeout: 10 * time.Millisecond})
	c.room = "2"
	name := github.Organization("acme")
	org := c.register(api, "orgs/acme", "https://github.com/acme")
	set := org.newSet()
	l := org.listen(set)
	require.Equal(t, 202, c.do("GET", l.Queue, l.Key, "", nil))
	job, err := c.server.QueueJob(github.Repository("acme", "widgets"), "build", "small")
	require.NoError(t, err)
	require.Error(t, c.server.FinishJob(job.ID, "succeeded"), "it does not run")
	other, err := c.server.QueueJob(github.Repository("acme", "gadgets"), "test", "small")
	require.NoError(t, err)
	acquire := fmt.Sprintf("%s_apis/%s/%d/acquirejobs", org.URL, sets, set)
	require.Equal(t, 200, c.do("POST", acquire, l.Key, fmt.Sprintf("[%d,%d]", job.ID, other.ID), nil))

	made := org.newRunner(set, "r-1")
	_, _, err = c.server.TakeJob(name, "r-1")
	require.Error(t, err, "it is offline")
	require.NoError(t, c.server.ConnectRunner(name, "r-1"))
	taken, ok, err := c.server.TakeJob(name, "r-1")
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Equal(t, job.ID, taken.ID)
	_, ok, err = c.server.TakeJob(name, "r-1")
	require.NoError(t, err)
	assert.False(t, ok, "it is busy")
	assert.Equal(t, []github.Runner{{
		ID: made.Runner.ID, Entity: name, Name: "r-1", ScaleSetID: set, Labels: []string{"small", "x64"}, Online: true, Busy: true,
	}}, c.server.Runners(name))

	var agent struct {
		Status string
		Busy   bool
	}
	require.Equal(t, 200, org.call("GET", fmt.Sprintf("distributedtask/pools/0/agents/%d", made.Runner.ID), "", &agent))
	assert.Equal(t, "online", agent.Status)
	assert.True(t, agent.Busy)
	require.NoError(t, c.server.FinishJob(job.ID, "failed"))
	assert.Equal(t, "failed", c.server.Jobs()[0].Result)
	require.Error(t, c.server.ConnectRunner(name, "r-1"))

	idle := org.newRunner(set, "r-2")
	var list struct{ Count int }
	require.Equal(t, 200, org.call("GET", "distributedtask/pools/0/agents?agentName=r-2", "", &list))
	assert.Equal(t, 1, list.Count)
	assert.Equal(t, http.StatusNoContent, org.call("DELETE", fmt.Sprintf("distributedtask/pools/0/agents/%d", idle.Runner.ID), "", nil))
	assert.Equal(t, http.StatusNotFound, org.call("DELETE", fmt.Sprintf("distributedtask/pools/0/agents/%d", idle.Runner.ID), "", nil))
}

func TestJobOfDeletedScaleSetWaitsAgain(t *testing.T) {
	c := serve(t, github.Options{PollTimeout: 5 * time.Second})
	org := c.register(api, "orgs/acme", "https://github.com/acme")
	_, err := c.server.QueueJob(github.Repository("acme", "widgets"), "build", "small")
	require.NoError(t, err)
	first := org.newSet()
	org.listen(first).next(0)
	assert.Equal(t, first, c.server.Jobs()[0].ScaleSetID)
	require.True(t, c.server.DeleteScaleSet(first))
	assert.Equal(t, github.JobQueued, c.server.Jobs()[0].State)
	second := org.newSet()
	org.listen(second).next(0)
	assert.Equal(t, second, c.server.Jobs()[0].ScaleSetID)
}
