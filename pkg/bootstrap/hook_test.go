package bootstrap_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/garm-charms/garm-charms/pkg/bootstrap"
)

// hookOf is the job hook that o renders to, as a runner has it.
func hookOf(t *testing.T, o bootstrap.Options) string {
	t.Helper()
	b, err := bootstrap.Render(o)
	require.NoError(t, err)
	_, hook, found := strings.Cut(b.Runner, "#!/bin/bash\n")
	require.True(t, found)
	hook, _, found = strings.Cut(hook, "\nEND_OF_FILE\n")
	require.True(t, found)
	return hook
}

// startJob runs a hook as the runner does and returns its log and whether the job goes on.
func startJob(t *testing.T, hook string, env ...string) (string, bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", hook)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

type object = map[string]any

func by(association string) object { return object{"author_association": association} }

func pullRequest(association string, head any) object {
	return object{
		"author_association": association,
		"head":               object{"repo": head},
		"base":               object{"repo": object{"full_name": "acme/widgets"}},
	}
}

func TestJobsOfStrangersAreRefused(t *testing.T) {
	hook := hookOf(t, bootstrap.Options{RefuseExternalContributor: true})
	own, fork := object{"full_name": "acme/widgets"}, object{"full_name": "stranger/widgets"}
	const prs, review, reviewComment, comment = "pull_request,pull_request_target", "pull_request_review", "pull_request_review_comment", "issue_comment"
	tests := []struct {
		name, events string
		event        object
		private, ok  bool
	}{
		{"a branch of the repository", prs, object{"pull_request": pullRequest("NONE", own)}, false, true},
		{"a stranger's fork", prs, object{"pull_request": pullRequest("NONE", fork)}, false, false},
		{"a newcomer's fork", prs, object{"pull_request": pullRequest("FIRST_TIME_CONTRIBUTOR", fork)}, false, false},
		{"a contributor's fork", prs, object{"pull_request": pullRequest("CONTRIBUTOR", fork)}, false, false},
		{"a contributor's fork of a private repository", prs, object{"pull_request": pullRequest("CONTRIBUTOR", fork)}, true, true},
		{"a stranger's fork of a private repository", prs, object{"pull_request": pullRequest("NONE", fork)}, true, false},
		{"an owner's fork", prs, object{"pull_request": pullRequest("OWNER", fork)}, false, true},
		{"a member's fork", prs, object{"pull_request": pullRequest("MEMBER", fork)}, false, true},
		{"a collaborator's fork", prs, object{"pull_request": pullRequest("COLLABORATOR", fork)}, false, true},
		{"a fork that is gone", prs, object{"pull_request": pullRequest("NONE", nil)}, false, false},
		{"an unknown association", prs, object{"pull_request": pullRequest("member", fork)}, false, false},
		{"no association", prs, object{"pull_request": object{"head": object{"repo": fork}}}, false, false},
		{"no pull request", prs, object{}, false, false},
		{"two repositories without names", prs, object{"pull_request": object{"head": object{"repo": object{}}}}, false, false},
		{"a member reviews a stranger's fork", review, object{"pull_request": pullRequest("NONE", fork), "review": by("MEMBER")}, false, false},
		{"a stranger reviews a member's fork", review, object{"pull_request": pullRequest("MEMBER", fork), "review": by("NONE")}, false, false},
		{"a member reviews a member's fork", review, object{"pull_request": pullRequest("MEMBER", fork), "review": by("OWNER")}, false, true},
		{"a stranger reviews a branch of the repository", review, object{"pull_request": pullRequest("MEMBER", own), "review": by("NONE")}, false, true},
		{"a stranger comments on a member's fork", reviewComment, object{"pull_request": pullRequest("MEMBER", fork), "comment": by("NONE")}, false, false},
		{"a member comments on a member's fork", reviewComment, object{"pull_request": pullRequest("MEMBER", fork), "comment": by("MEMBER")}, false, true},
		{"a stranger comments on an issue", comment, object{"issue": by("MEMBER"), "comment": by("NONE")}, false, false},
		{"a member comments on a stranger's issue", comment, object{"issue": by("NONE"), "comment": by("MEMBER")}, false, true},
		{"no comment", comment, object{"issue": by("MEMBER")}, false, false},
		{"a push", "push,schedule,workflow_dispatch,merge_group", object{"sender": by("NONE")}, false, true},
	}
	for _, test := range tests {
		test.event["repository"] = object{"full_name": "acme/widgets", "private": test.private}
		text, err := json.Marshal(test.event)
		require.NoError(t, err)
		file := filepath.Join(t.TempDir(), "event.json")
		require.NoError(t, os.WriteFile(file, text, 0o600))
		for event := range strings.SplitSeq(test.events, ",") {
			t.Run(test.name+"/"+event, func(t *testing.T) {
				log, ok := startJob(t, hook, "GITHUB_EVENT_NAME="+event, "GITHUB_EVENT_PATH="+file)
				assert.Equal(t, test.ok, ok, log)
				assert.Equal(t, !test.ok, strings.Contains(log, "\n::error title=Job refused::This runner takes no job from outside. "), log)
			})
		}
	}
}

// What cannot be told is refused.
func TestJobsOfUnknownOriginAreRefused(t *testing.T) {
	hook := hookOf(t, bootstrap.Options{RefuseExternalContributor: true})
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.json")
	require.NoError(t, os.WriteFile(broken, []byte(`{"pull_request":`), 0o600))
	empty := filepath.Join(dir, "empty.json")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	tests := map[string][]string{
		"no event":       nil,
		"no file":        {"GITHUB_EVENT_NAME=pull_request"},
		"missing file":   {"GITHUB_EVENT_NAME=pull_request", "GITHUB_EVENT_PATH=" + dir + "/none"},
		"not JSON":       {"GITHUB_EVENT_NAME=issue_comment", "GITHUB_EVENT_PATH=" + broken},
		"nothing":        {"GITHUB_EVENT_NAME=pull_request", "GITHUB_EVENT_PATH=" + empty},
		"there is no jq": {"GITHUB_EVENT_NAME=pull_request", "GITHUB_EVENT_PATH=" + broken, "PATH=/nowhere"},
	}
	for name, env := range tests {
		t.Run(name, func(t *testing.T) {
			log, ok := startJob(t, hook, env...)
			assert.False(t, ok)
			assert.Contains(t, log, "::error title=Job refused::The runner cannot tell ")
		})
	}
	log, ok := startJob(t, hookOf(t, bootstrap.Options{PreJobScript: "#!/bin/sh\n"}), "GITHUB_EVENT_NAME=pull_request")
	assert.True(t, ok, "nobody asked for the check: %s", log)
}

// collector is what a test reads of the collector's configuration.
type collector struct {
	Receivers  map[string]any
	Processors map[string]struct {
		Attributes []struct{ Key, Action, Value string }
	}
	Exporters map[string]struct {
		Endpoint string
		TLS      struct{ Insecure bool }
	}
	Service struct {
		Pipelines map[string]struct{ Receivers, Processors, Exporters []string }
	}
}

// configure is the configuration that a hook makes for a job.
func configure(t *testing.T, hook string, env ...string) collector {
	t.Helper()
	cut, _, found := strings.Cut(hook, "\nstart_collector >")
	require.True(t, found)
	cmd := exec.CommandContext(t.Context(), "bash", "-e", "-c", cut+"\ncollector_config >&2")
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	var out strings.Builder
	cmd.Stderr = &out
	require.NoError(t, cmd.Run())
	var config collector
	require.NoError(t, yaml.Unmarshal([]byte(out.String()), &config), out.String())
	return config
}

func (c collector) job() map[string]string {
	values := map[string]string{}
	for _, a := range c.Processors["resource/job"].Attributes {
		values[a.Key] = a.Value
	}
	return values
}

func TestCollectorIsConfiguredForTheJob(t *testing.T) {
	tests := []struct {
		url, endpoint string
		insecure      bool
	}{
		{"https://otel.example:4317", "otel.example:4317", false},
		{"http://otel.example:14317", "otel.example:14317", true},
		{"http://otel.example", "otel.example:4317", true},
		{"https://[2001:db8::1]", "[2001:db8::1]:4317", false},
	}
	for _, test := range tests {
		c := configure(t, hookOf(t, bootstrap.Options{OTelCollectorEndpoint: test.url}),
			"GITHUB_REPOSITORY=acme/no", "RUNNER_NAME=0x1F", "GITHUB_WORKFLOW=null", "GITHUB_JOB=- : #", "GITHUB_RUN_ID=42", "GITHUB_RUN_ATTEMPT=1")
		exporter := c.Exporters["otlp/self_hosted_runner"]
		assert.Equal(t, test.endpoint, exporter.Endpoint)
		assert.Equal(t, test.insecure, exporter.TLS.Insecure, "transport security follows the scheme")
		job := c.job()
		assert.NotEmpty(t, job["host.arch"])
		delete(job, "host.arch")
		assert.Equal(t, map[string]string{
			"service.name": "self-hosted-runner", "github.repository": "acme/no", "github.runner": "0x1F", "github.workflow": "null",
			"github.job": "- : #", "github.run.id": "42", "github.run.attempt": "1",
		}, job)
		assert.Len(t, c.Service.Pipelines, 6)
		for name, p := range c.Service.Pipelines {
			for _, receiver := range p.Receivers {
				assert.Contains(t, c.Receivers, receiver, name)
			}
			for _, processor := range p.Processors {
				assert.Contains(t, c.Processors, processor, name)
			}
			assert.Contains(t, p.Processors, "resource/job")
			assert.Equal(t, []string{"otlp/self_hosted_runner"}, p.Exporters)
		}
	}
}

// The names of a job are whatever its repository's owner likes.
func TestCollectorConfigurationParsesWhateverTheRepositoryIsCalled(t *testing.T) {
	hook := hookOf(t, bootstrap.Options{OTelCollectorEndpoint: "https://otel.example"})
	for name, text := range texts() {
		if strings.Contains(name, "64 KiB") || name == "bytes that are no text" {
			continue // no name; and the runner is a .NET program: its environment is valid UTF-8
		}
		t.Run(name, func(t *testing.T) {
			var env []string
			for _, key := range []string{"GITHUB_REPOSITORY", "RUNNER_NAME", "GITHUB_WORKFLOW", "GITHUB_JOB", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT"} {
				env = append(env, fmt.Sprintf("%s=%s", key, text))
			}
			c := configure(t, hook, env...)
			assert.Len(t, c.job(), 8)
			assert.Len(t, c.Service.Pipelines, 6)
			assert.Len(t, c.Exporters, 1)
			assert.NotContains(t, strings.ReplaceAll(c.job()["github.repository"], "$$", ""), "$", "the collector expands it")
		})
	}
}
