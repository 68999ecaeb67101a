package hook_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/hook"
)

func getenv(overrides map[string]string) func(string) string {
	return func(key string) string {
		if value, ok := overrides[key]; ok {
			return value
		}
		return map[string]string{
			"JUJU_UNIT_NAME":     "garm/0",
			"JUJU_CHARM_DIR":     "/charm",
			"JUJU_DISPATCH_PATH": "hooks/config-changed",
		}[key]
	}
}

func TestParseEnv(t *testing.T) {
	t.Parallel()
	env, err := hook.ParseEnv(getenv(map[string]string{
		"JUJU_MODEL_NAME":        "prod",
		"JUJU_MODEL_UUID":        "6f1d",
		"JUJU_VERSION":           "3.6.1",
		"JUJU_CHARM_HTTP_PROXY":  "http://proxy:3128 ",
		"JUJU_CHARM_HTTPS_PROXY": "http://proxy:3129",
		"JUJU_CHARM_NO_PROXY":    "10.0.0.0/8",
	}))

	require.NoError(t, err)
	assert.Equal(t, hook.Env{
		UnitName:    "garm/0",
		AppName:     "garm",
		ModelName:   "prod",
		ModelUUID:   "6f1d",
		CharmDir:    "/charm",
		JujuVersion: "3.6.1",
		Proxy:       hook.Proxy{HTTP: "http://proxy:3128", HTTPS: "http://proxy:3129", No: "10.0.0.0/8"},
		Event:       hook.Event{Kind: hook.KindConfigChanged, Name: "config-changed"},
	}, env)
}

func TestParseEnvEvents(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		env  map[string]string
		want hook.Event
	}{
		"action": {
			// Juju leaves the hook name empty for actions.
			env: map[string]string{
				"JUJU_DISPATCH_PATH": "actions/get-credentials", "JUJU_HOOK_NAME": "", "JUJU_ACTION_NAME": "get-credentials",
			},
			want: hook.Event{Kind: hook.KindAction, Name: "get-credentials"},
		},
		"relation": {
			env: map[string]string{
				"JUJU_DISPATCH_PATH":  "hooks/garm-configurator-relation-departed",
				"JUJU_RELATION":       "garm-configurator",
				"JUJU_RELATION_ID":    "garm-configurator:4",
				"JUJU_REMOTE_APP":     "small",
				"JUJU_REMOTE_UNIT":    "small/1",
				"JUJU_DEPARTING_UNIT": "small/1",
			},
			want: hook.Event{
				Kind: hook.KindRelationDeparted, Name: "garm-configurator-relation-departed",
				Relation: "garm-configurator", RelationID: "garm-configurator:4",
				RemoteApp: "small", RemoteUnit: "small/1", DepartingUnit: "small/1",
			},
		},
		"pebble": {
			env:  map[string]string{"JUJU_DISPATCH_PATH": "hooks/app-pebble-ready", "JUJU_WORKLOAD_NAME": "app"},
			want: hook.Event{Kind: hook.KindPebbleReady, Name: "app-pebble-ready", Workload: "app"},
		},
		"pebble check": {
			env:  map[string]string{"JUJU_DISPATCH_PATH": "hooks/app-pebble-check-failed", "JUJU_WORKLOAD_NAME": "app", "JUJU_PEBBLE_CHECK_NAME": "garm"},
			want: hook.Event{Kind: hook.KindPebbleCheckFailed, Name: "app-pebble-check-failed", Workload: "app"},
		},
		"secret": {
			env: map[string]string{
				"JUJU_DISPATCH_PATH":   "hooks/secret-remove",
				"JUJU_MODEL_UUID":      modelUUID,
				"JUJU_SECRET_ID":       "secret:" + secretID,
				"JUJU_SECRET_LABEL":    "garm-secrets",
				"JUJU_SECRET_REVISION": "3",
			},
			want: hook.Event{
				Kind: hook.KindSecretRemove, Name: "secret-remove",
				SecretURI: uri, SecretLabel: "garm-secrets", SecretRevision: 3,
			},
		},
		"storage": {
			env:  map[string]string{"JUJU_DISPATCH_PATH": "hooks/data-storage-attached", "JUJU_STORAGE_ID": "data/0"},
			want: hook.Event{Kind: hook.KindStorageAttached, Name: "data-storage-attached", StorageID: "data/0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, err := hook.ParseEnv(getenv(row.env))
			require.NoError(t, err)
			assert.Equal(t, row.want, env.Event)
		})
	}
}

func TestParseEnvErrors(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		env  map[string]string
		want string
	}{
		"no unit":            {map[string]string{"JUJU_UNIT_NAME": ""}, `cannot read environment: JUJU_UNIT_NAME is ""`},
		"application":        {map[string]string{"JUJU_UNIT_NAME": "garm"}, `cannot read environment: JUJU_UNIT_NAME is "garm"`},
		"relative directory": {map[string]string{"JUJU_CHARM_DIR": "charm"}, `cannot read environment: JUJU_CHARM_DIR is "charm", not an absolute path`},
		"no hook":            {map[string]string{"JUJU_DISPATCH_PATH": ""}, "cannot read environment: JUJU_DISPATCH_PATH names no hook"},
		"neither hook nor action": {
			map[string]string{"JUJU_DISPATCH_PATH": "src/install"},
			`cannot read environment: JUJU_DISPATCH_PATH is "src/install", neither hooks/<name> nor actions/<name>`,
		},
		"revision": {
			map[string]string{"JUJU_SECRET_REVISION": "x"},
			`cannot read environment: JUJU_SECRET_REVISION is "x", not a number`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := hook.ParseEnv(getenv(row.env))
			assert.EqualError(t, err, row.want)
		})
	}
}
