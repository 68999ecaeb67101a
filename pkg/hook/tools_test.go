package hook_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/hook"
)

// TestCommandLines has the tools that only do something: what is run is all there is to see.
func TestCommandLines(t *testing.T) {
	t.Parallel()
	for want, do := range map[string]func(context.Context, *hook.Tools) error{
		"status-set -- blocked -r is wrong": func(ctx context.Context, tools *hook.Tools) error {
			return tools.SetStatus(ctx, hook.Status{Level: hook.Blocked, Message: "-r is wrong"})
		},
		"status-set --application -- active ": func(ctx context.Context, tools *hook.Tools) error {
			return tools.SetApplicationStatus(ctx, hook.Status{Level: hook.Active})
		},
		"application-version-set -- v0.2.1": func(ctx context.Context, tools *hook.Tools) error {
			return tools.SetWorkloadVersion(ctx, "v0.2.1")
		},
		"secret-grant -r garm:4 -- " + uri: func(ctx context.Context, tools *hook.Tools) error {
			return tools.GrantSecret(ctx, uri, "garm:4")
		},
		"secret-revoke -r garm:4 -- " + uri: func(ctx context.Context, tools *hook.Tools) error {
			return tools.RevokeSecret(ctx, uri, "garm:4")
		},
		"secret-remove -- " + uri: func(ctx context.Context, tools *hook.Tools) error {
			return tools.RemoveSecret(ctx, uri)
		},
		"secret-remove --revision=3 -- " + uri: func(ctx context.Context, tools *hook.Tools) error {
			return tools.RemoveSecretRevision(ctx, uri, 3)
		},
		"action-log -- --help is text": func(ctx context.Context, tools *hook.Tools) error {
			return tools.LogAction(ctx, "--help is text")
		},
		"action-fail -- no such scale set": func(ctx context.Context, tools *hook.Tools) error {
			return tools.FailAction(ctx, "no such scale set")
		},
		"action-set -- a.b=x=y c=2": func(ctx context.Context, tools *hook.Tools) error {
			return tools.SetActionResults(ctx, map[string]string{"c": "2", "a.b": "x=y"})
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			fake := newTools(t, nil)
			require.NoError(t, do(t.Context(), fake.hookTools()))
			assert.Equal(t, []string{want}, fake.commandLines())

			tool, _, _ := strings.Cut(want, " ")
			broken := newTools(t, map[string]answer{tool: {Stderr: "ERROR refused", Code: 2}})
			err := do(t.Context(), broken.hookTools())
			require.ErrorContains(t, err, "cannot run "+tool+": refused (exit status 2)")
			assert.Regexp(t, "^cannot ", err.Error())
		})
	}
}

func TestReadErrorsNameTheThing(t *testing.T) {
	t.Parallel()
	for tool, row := range map[string]struct {
		do   func(context.Context, *hook.Tools) error
		want string
	}{
		"config-get": {
			func(ctx context.Context, tools *hook.Tools) error { _, err := tools.Config(ctx); return err },
			"cannot read configuration: ",
		},
		"is-leader": {
			func(ctx context.Context, tools *hook.Tools) error { _, err := tools.IsLeader(ctx); return err },
			"cannot read leadership: ",
		},
		"goal-state": {
			func(ctx context.Context, tools *hook.Tools) error { _, err := tools.Leaves(ctx, "garm/0"); return err },
			"cannot read which units stay: ",
		},
		"action-get": {
			func(ctx context.Context, tools *hook.Tools) error { _, err := tools.ActionParams(ctx); return err },
			"cannot read action parameters: ",
		},
		"relation-ids": {
			func(ctx context.Context, tools *hook.Tools) error {
				_, err := tools.Relations(ctx, "ingress")
				return err
			},
			"cannot list relations of endpoint ingress: ",
		},
		"relation-get": {
			func(ctx context.Context, tools *hook.Tools) error {
				_, err := tools.Databag(ctx, "ingress:1", "traefik")
				return err
			},
			"cannot read databag of traefik in relation ingress:1: ",
		},
		"network-get": {
			func(ctx context.Context, tools *hook.Tools) error {
				_, err := tools.Network(ctx, "ingress")
				return err
			},
			"cannot read network of endpoint ingress: ",
		},
		"opened-ports": {
			func(ctx context.Context, tools *hook.Tools) error { return tools.SetPorts(ctx, "80/tcp") },
			"cannot list opened ports: ",
		},
		"storage-list": {
			func(ctx context.Context, tools *hook.Tools) error { _, err := tools.Storages(ctx, "data"); return err },
			"cannot list storage data: ",
		},
		"secret-ids": {
			func(ctx context.Context, tools *hook.Tools) error { _, err := tools.Secrets(ctx); return err },
			"cannot list secrets: ",
		},
	} {
		t.Run(tool, func(t *testing.T) {
			t.Parallel()
			refused := newTools(t, map[string]answer{tool: {Stderr: "ERROR refused", Code: 1}})
			require.EqualError(t, row.do(t.Context(), refused.hookTools()), row.want+"cannot run "+tool+": refused (exit status 1)")

			garbled := newTools(t, map[string]answer{tool: {Stdout: "{"}})
			assert.ErrorContains(t, row.do(t.Context(), garbled.hookTools()), row.want+"cannot decode output of "+tool+": ")
		})
	}
}

func TestConfigIsReadOnce(t *testing.T) {
	t.Parallel()
	fake := newTools(t, map[string]answer{"config-get --format=json": {
		Stdout: `{"name":"small","max-runner":40,"web-ui":true,"ratio":0.5,"big":9007199254740993}` + "\n",
	}})
	tools := fake.hookTools()
	want := map[string]any{"name": "small", "max-runner": 40, "web-ui": true, "ratio": 0.5, "big": 9007199254740993}

	first, err := tools.Config(t.Context())
	require.NoError(t, err)
	assert.Equal(t, want, first)
	clear(first)
	second, err := tools.Config(t.Context())
	require.NoError(t, err)
	assert.Equal(t, want, second, "a caller's changes must not reach the next")
	assert.Len(t, fake.calls(), 1)
}

func TestLeadershipIsReadOnce(t *testing.T) {
	t.Parallel()
	for stdout, want := range map[string]bool{"true\n": true, "false\n": false} {
		fake := newTools(t, map[string]answer{"is-leader --format=json": {Stdout: stdout}})
		tools := fake.hookTools()
		for range 2 {
			leader, err := tools.IsLeader(t.Context())
			require.NoError(t, err)
			assert.Equal(t, want, leader)
		}
		assert.Len(t, fake.calls(), 1)
	}
}

func TestLine(t *testing.T) {
	for text, line := range map[string]string{
		"":                                    "",
		"as it is":                            "as it is",
		" two\n\tlines \x00of\x1b[31m it\r\n": "two lines of [31m it",
		strings.Repeat("é", 500):              strings.Repeat("é", 500),
		strings.Repeat("é", 501):              strings.Repeat("é", 500) + "…",
	} {
		assert.Equal(t, line, hook.Line(text))
	}
}

func TestUnitStatus(t *testing.T) {
	t.Parallel()
	const line = "status-get --include-data --format=json"
	fake := newTools(t, map[string]answer{line: {Stdout: `{"message":"Set name","status":"blocked","status-data":{}}`}})
	said, err := fake.hookTools().UnitStatus(t.Context())
	require.NoError(t, err)
	assert.Equal(t, hook.Status{Level: hook.Blocked, Message: "Set name"}, said)

	fake = newTools(t, map[string]answer{line: {Stderr: "ERROR connection is shut down", Code: 1}})
	_, err = fake.hookTools().UnitStatus(t.Context())
	require.ErrorContains(t, err, "cannot read unit status: cannot run status-get")
}

func TestAnnounce(t *testing.T) {
	t.Parallel()
	const unit, application = "status-set -- active ready", "status-set --application -- active ready"
	for leader, want := range map[string][]string{
		"true\n":  {"is-leader --format=json", unit, application},
		"false\n": {"is-leader --format=json", unit},
	} {
		fake := newTools(t, map[string]answer{"is-leader --format=json": {Stdout: leader}, unit: {}, application: {}})
		require.NoError(t, fake.hookTools().Announce(t.Context(), hook.Status{Level: hook.Active, Message: "ready"}))
		var lines []string
		for _, call := range fake.calls() {
			lines = append(lines, call.String())
		}
		assert.ElementsMatch(t, want, lines)
	}
}

// Leadership may move while the hook runs. Whatever else goes wrong is an error.
func TestAnnounceOfAUnitThatLeadsNoMore(t *testing.T) {
	t.Parallel()
	for stderr, fails := range map[string]bool{`ERROR "garm/0" is not leader of "garm"`: false, "ERROR connection is shut down": true} {
		fake := newTools(t, map[string]answer{
			"is-leader --format=json": {Stdout: "true\n"}, "status-set -- active ready": {},
			"status-set --application -- active ready": {Stderr: stderr, Code: 1},
		})
		assert.Equal(t, fails, fake.hookTools().Announce(t.Context(), hook.Status{Level: hook.Active, Message: "ready"}) != nil, stderr)
	}
}

func TestLongTextIsCutBelowTheArgumentLimit(t *testing.T) {
	t.Parallel()
	fake := newTools(t, nil)

	require.NoError(t, fake.hookTools().SetStatus(t.Context(), hook.Status{
		Level: hook.Active, Message: "\x00" + strings.Repeat("ä", 100_000),
	}))

	message := fake.calls()[0].Args[2]
	assert.Len(t, message, 127_999, "cut before a rune, with its mark")
	assert.True(t, strings.HasPrefix(message, "�ää"))
	assert.True(t, strings.HasSuffix(message, "ää […]"))
}

func TestActionParams(t *testing.T) {
	t.Parallel()
	fake := newTools(t, map[string]answer{"action-get --format=json": {Stdout: `{"name":"small","count":2,"force":true}`}})

	params, err := fake.hookTools().ActionParams(t.Context())

	require.NoError(t, err)
	assert.Equal(t, map[string]any{"name": "small", "count": 2, "force": true}, params)
}

func TestActionResultsAreNeverCut(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		strings.Repeat("x", 128_000): "cannot set action result template: it has 128000 bytes, longer than an action can return",
		"\x00":                       "cannot set action result template: it has a NUL byte",
	} {
		fake := newTools(t, nil)
		err := fake.hookTools().SetActionResults(t.Context(), map[string]string{"template": value})
		require.EqualError(t, err, want)
		assert.Equal(t, len(value) > 1, errors.Is(err, hook.ErrResultTooLong))
		assert.Empty(t, fake.calls())
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		stdout string
		want   hook.Network
	}{
		"service": {
			`{"bind-addresses":[{"mac-address":"","interface-name":"","addresses":[{"hostname":"","value":"10.1.0.7","cidr":""}]}],
			  "egress-subnets":["10.152.183.9/32"],"ingress-addresses":["10.152.183.9"]}`,
			hook.Network{BindAddress: "10.1.0.7", IngressAddress: "10.152.183.9"},
		},
		"no service": {
			`{"bind-addresses":[{"addresses":[{"value":"10.1.0.7"}]}]}`,
			hook.Network{BindAddress: "10.1.0.7", IngressAddress: "10.1.0.7"},
		},
		"nothing yet": {`{}`, hook.Network{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := newTools(t, map[string]answer{"network-get --format=json -- ingress": {Stdout: row.stdout}})
			network, err := fake.hookTools().Network(t.Context(), "ingress")
			require.NoError(t, err)
			assert.Equal(t, row.want, network)
		})
	}
}

func TestSetPorts(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		opened string
		want   []string
		calls  []string
	}{
		"open and close": {`["80/tcp","8080/tcp"]`, []string{"8080/tcp", "8081/tcp"}, []string{"open-port -- 8081/tcp", "close-port -- 80/tcp"}},
		"as it is":       {`["8080/tcp"]`, []string{"8080/tcp"}, nil},
		"none":           {`[]`, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := newTools(t, map[string]answer{"opened-ports": {Stdout: row.opened}})
			require.NoError(t, fake.hookTools().SetPorts(t.Context(), row.want...))
			assert.Equal(t, append([]string{"opened-ports --format=json"}, row.calls...), fake.commandLines())
		})
	}
}

func TestStorages(t *testing.T) {
	t.Parallel()
	fake := newTools(t, map[string]answer{"storage-list --format=json -- data": {Stdout: `["data/2","data/0"]`}})

	storages, err := fake.hookTools().Storages(t.Context(), "data")

	require.NoError(t, err)
	assert.Equal(t, []string{"data/0", "data/2"}, storages)
}
