package hook_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

func TestReadSecret(t *testing.T) {
	t.Parallel()
	for want, read := range map[string]func(context.Context, *hook.Tools) (hook.SecretContent, error){
		"secret-get --format=json -- " + uri: func(ctx context.Context, tools *hook.Tools) (hook.SecretContent, error) {
			return tools.Secret(ctx, uri, hook.Tracked)
		},
		"secret-get --format=json --refresh -- " + uri: func(ctx context.Context, tools *hook.Tools) (hook.SecretContent, error) {
			return tools.Secret(ctx, uri, hook.Latest)
		},
		"secret-get --format=json --peek --label=garm-secrets": func(ctx context.Context, tools *hook.Tools) (hook.SecretContent, error) {
			return tools.SecretByLabel(ctx, "garm-secrets", hook.Peek)
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			fake := newTools(t, map[string]answer{want: {Stdout: `{"value":"hunter2"}`}})
			content, err := read(t.Context(), fake.hookTools())
			require.NoError(t, err)
			assert.Equal(t, hook.SecretContent{"value": secret.New("hunter2")}, content)
			assert.NotContains(t, fmt.Sprintf("%v %+v %#v", content, content, content), "hunter2")
		})
	}
}

func TestReadSecretErrorsNameIt(t *testing.T) {
	t.Parallel()
	fake := newTools(t, map[string]answer{"secret-get": {Stderr: "ERROR permission denied", Code: 1}})
	tools := fake.hookTools()

	_, err := tools.Secret(t.Context(), uri, hook.Peek)
	require.EqualError(t, err, "cannot read secret "+uri+": cannot run secret-get: permission denied (exit status 1)")
	_, err = tools.SecretByLabel(t.Context(), "garm-secrets", hook.Peek)
	require.EqualError(t, err, "cannot read secret with label garm-secrets: cannot run secret-get: permission denied (exit status 1)")
	assert.ErrorIs(t, err, hook.ErrPermission)
}

func TestReadSecretThatIsNoURI(t *testing.T) {
	t.Parallel()
	fake := newTools(t, map[string]answer{"secret-get": {Stderr: `ERROR secret URI "--refresh" not valid`, Code: 2}})

	_, err := fake.hookTools().Secret(t.Context(), "--refresh", hook.Peek)

	require.ErrorIs(t, err, hook.ErrSecretNotFound)
	assert.Equal(t, []string{"secret-get --format=json --peek -- --refresh"}, fake.commandLines(), "text of others is never a flag")
}

func TestSecretFilesOfKilledHooksGo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{".secret-1", ".secret-2", "charm"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	tools := hook.NewTools(hook.Env{CharmDir: dir}, nil)
	require.NoError(t, tools.RemoveSecretFiles())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
	assert.Equal(t, "charm", left[0].Name())
	assert.NoError(t, tools.RemoveSecretFiles())
}

func TestWrittenSecretIsOnlyInAFile(t *testing.T) {
	t.Parallel()
	content := hook.SecretContent{"value": secret.New("hunter2 <&> \"ü\"\n"), "name": secret.New("admin")}
	for tool, write := range map[string]func(context.Context, *hook.Tools) error{
		"secret-add": func(ctx context.Context, tools *hook.Tools) error {
			added, err := tools.AddSecret(ctx, "garm-secrets", content)
			assert.Equal(t, uri, added)
			return err
		},
		"secret-set": func(ctx context.Context, tools *hook.Tools) error {
			return tools.SetSecret(ctx, uri, content)
		},
	} {
		t.Run(tool, func(t *testing.T) {
			t.Parallel()
			fake := newTools(t, map[string]answer{tool: {Stdout: uri + "\n"}})

			require.NoError(t, write(t.Context(), fake.hookTools()))

			calls := fake.calls()
			require.Len(t, calls, 1)
			assert.NotContains(t, calls[0].String(), "hunter2")
			assert.NotContains(t, calls[0].String(), "admin")
			assert.JSONEq(t, `{"name":"admin","value":"hunter2 <&> \"ü\"\n"}`, calls[0].File)
			assert.Contains(t, calls[0].File, "<&>", "not longer than need be: Juju counts its bytes")
			assert.Equal(t, os.FileMode(0o600), calls[0].FileMode)
			assert.Regexp(t, "--file=/", calls[0].String(), "Juju's agent has another working directory")
			fake.assertNoSecretFile()
		})
	}
}

func TestAddSecretCommandLine(t *testing.T) {
	t.Parallel()
	fake := newTools(t, nil)
	tools := fake.hookTools()

	_, err := tools.AddSecret(t.Context(), "-label", hook.SecretContent{"value": secret.New("x")})
	require.NoError(t, err)
	require.NoError(t, tools.SetSecret(t.Context(), uri, hook.SecretContent{"value": secret.New("x")}))

	file := "--file=" + filepath.Join(fake.dir, ".secret-")
	lines := fake.commandLines()
	assert.True(t, strings.HasPrefix(lines[0], "secret-add --label=-label "+file), lines[0])
	assert.True(t, strings.HasPrefix(lines[1], "secret-set "+file), lines[1])
	assert.True(t, strings.HasSuffix(lines[1], " -- "+uri), lines[1])
}

func TestWrittenSecretErrors(t *testing.T) {
	t.Parallel()
	refused := map[string]answer{
		"secret-add": {Stderr: "ERROR this unit is not the leader", Code: 1},
		"secret-set": {Stderr: "ERROR this unit is not the leader", Code: 1},
	}
	fake := newTools(t, refused)
	tools := fake.hookTools()

	_, err := tools.AddSecret(t.Context(), "garm-secrets", hook.SecretContent{"value": secret.New("hunter2")})
	require.EqualError(t, err, "cannot add secret with label garm-secrets: cannot run secret-add: this unit is not the leader (exit status 1)")
	err = tools.SetSecret(t.Context(), uri, hook.SecretContent{"value": secret.New("hunter2")})
	require.EqualError(t, err, "cannot set secret "+uri+": cannot run secret-set: this unit is not the leader (exit status 1)")
	fake.assertNoSecretFile()

	_, err = tools.AddSecret(t.Context(), "l", hook.SecretContent{"value": secret.New("hunter2\xff")})
	require.EqualError(t, err, "cannot add secret with label l: cannot encode secret key value: it is not UTF-8")
	nowhere := hook.NewTools(hook.Env{CharmDir: filepath.Join(fake.dir, "none")}, hook.Exec{})
	_, err = nowhere.AddSecret(t.Context(), "l", hook.SecretContent{"value": secret.New("hunter2")})
	assert.ErrorContains(t, err, "cannot add secret with label l: cannot create secret file: ")
}

func TestSecretInfo(t *testing.T) {
	t.Parallel()
	fake := newTools(t, map[string]answer{
		"secret-info-get --format=json --label=garm-secrets": {
			Stdout: `{"9m4e2mr0ui3e8a215n4g":{"revision":2,"label":"garm-secrets","owner":"application"}}`,
		},
		"secret-info-get --format=json --label=none":  {Stderr: `ERROR secret "none" not found`, Code: 1},
		"secret-info-get --format=json --label=empty": {Stdout: `{}`},
	})
	tools := fake.hookTools()

	info, err := tools.SecretInfo(t.Context(), "garm-secrets")
	require.NoError(t, err)
	assert.Equal(t, hook.SecretInfo{URI: uri, Label: "garm-secrets", Revision: 2}, info)
	_, err = tools.SecretInfo(t.Context(), "none")
	require.ErrorIs(t, err, hook.ErrSecretNotFound)
	_, err = tools.SecretInfo(t.Context(), "empty")
	assert.ErrorIs(t, err, hook.ErrSecretNotFound)
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	for stdout, want := range map[string][]string{
		`["b","a"]`:       {"secret://" + modelUUID + "/a", "secret://" + modelUUID + "/b"},
		`["secret:a"]`:    {"secret://" + modelUUID + "/a"},
		`["` + uri + `"]`: {uri},
		"null\n":          nil,
	} {
		fake := newTools(t, map[string]answer{"secret-ids --format=json": {Stdout: stdout}})
		uris, err := fake.hookTools().Secrets(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, uris)
	}
}
