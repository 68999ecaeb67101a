package hook

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Kind is what sort of event a hook is, without the name of its relation, container or storage.
type Kind string

// The kinds of events that Juju sends to a Kubernetes sidecar charm.
const (
	KindAction                Kind = "action"
	KindInstall               Kind = "install"
	KindStart                 Kind = "start"
	KindStop                  Kind = "stop"
	KindRemove                Kind = "remove"
	KindUpgradeCharm          Kind = "upgrade-charm"
	KindConfigChanged         Kind = "config-changed"
	KindUpdateStatus          Kind = "update-status"
	KindLeaderElected         Kind = "leader-elected"
	KindLeaderSettingsChanged Kind = "leader-settings-changed"
	KindSecretChanged         Kind = "secret-changed"
	KindSecretRemove          Kind = "secret-remove"
	KindSecretRotate          Kind = "secret-rotate"
	KindSecretExpired         Kind = "secret-expired"
	KindRelationCreated       Kind = "relation-created"
	KindRelationJoined        Kind = "relation-joined"
	KindRelationChanged       Kind = "relation-changed"
	KindRelationDeparted      Kind = "relation-departed"
	KindRelationBroken        Kind = "relation-broken"
	KindStorageAttached       Kind = "storage-attached"
	KindStorageDetaching      Kind = "storage-detaching"
	KindPebbleReady           Kind = "pebble-ready"
	KindPebbleCustomNotice    Kind = "pebble-custom-notice"
	KindPebbleCheckFailed     Kind = "pebble-check-failed"
	KindPebbleCheckRecovered  Kind = "pebble-check-recovered"
)

// Event is why Juju started the charm. Fields that do not belong to its Kind are empty.
type Event struct {
	Kind Kind
	// Name is the hook's name, such as "garm-configurator-relation-changed", or the action's.
	Name string

	Relation   string // endpoint name
	RelationID string // as the tools take it: "garm-configurator:4"
	// RemoteApp may be empty in relation-broken: Juju forgets it when its agent restarts
	// (worker/uniter/relation/statetracker.go).
	RemoteApp     string
	RemoteUnit    string
	DepartingUnit string

	Workload string // container name

	SecretURI      string // as [Tools.AddSecret] returned it
	SecretLabel    string
	SecretRevision int // only for secret-remove and secret-expired

	StorageID string // "data/0"
}

// Breaks tells whether this is the end of the relation for this unit: it is still listed then, and has nothing to say.
func (e Event) Breaks(relationID string) bool {
	return e.Kind == KindRelationBroken && e.RelationID == relationID
}

// MayBeLast tells whether a unit that is being removed can get such an event: its relations only end, and it is neither
// configured nor asked for its status any more (Juju worker/uniter/resolver.go, nextOp).
func (e Event) MayBeLast() bool {
	return !slices.Contains([]Kind{
		KindConfigChanged, KindUpdateStatus, KindRelationCreated, KindRelationJoined, KindRelationChanged,
	}, e.Kind)
}

// PodHost is the name of the unit's pod in the headless service that Juju makes for an application
// (Juju caas/kubernetes/provider/application, HeadlessServiceName).
func (e Env) PodHost() string {
	return fmt.Sprintf("%s.%s-endpoints.%s.svc.cluster.local", strings.ReplaceAll(e.UnitName, "/", "-"), e.AppName, e.ModelName)
}

// Proxy is the model's juju-http-proxy and its siblings. Juju gives them to charms only, not to workloads.
type Proxy struct {
	HTTP, HTTPS, No string
}

// Env is everything Juju says about one dispatch.
type Env struct {
	UnitName    string // "garm/0"
	AppName     string // "garm"
	ModelName   string
	ModelUUID   string
	CharmDir    string // absolute
	JujuVersion string // "3.6.1"
	Proxy       Proxy
	Event       Event
}

// ParseEnv reads the dispatch environment through getenv, which is [os.Getenv] outside tests.
func ParseEnv(getenv func(string) string) (Env, error) {
	unit := getenv("JUJU_UNIT_NAME")
	app, _, isUnit := strings.Cut(unit, "/")
	if !isUnit || app == "" {
		return Env{}, fmt.Errorf("cannot read environment: JUJU_UNIT_NAME is %q", unit)
	}
	charmDir := getenv("JUJU_CHARM_DIR")
	if !path.IsAbs(charmDir) {
		return Env{}, fmt.Errorf("cannot read environment: JUJU_CHARM_DIR is %q, not an absolute path", charmDir)
	}
	event, err := parseEvent(getenv)
	if err != nil {
		return Env{}, fmt.Errorf("cannot read environment: %w", err)
	}
	return Env{
		UnitName:    unit,
		AppName:     app,
		ModelName:   getenv("JUJU_MODEL_NAME"),
		ModelUUID:   getenv("JUJU_MODEL_UUID"),
		CharmDir:    charmDir,
		JujuVersion: getenv("JUJU_VERSION"),
		Proxy: Proxy{
			HTTP:  strings.TrimSpace(getenv("JUJU_CHARM_HTTP_PROXY")),
			HTTPS: strings.TrimSpace(getenv("JUJU_CHARM_HTTPS_PROXY")),
			No:    strings.TrimSpace(getenv("JUJU_CHARM_NO_PROXY")),
		},
		Event: event,
	}, nil
}

func parseEvent(getenv func(string) string) (Event, error) {
	kind, name, err := parseDispatchPath(getenv("JUJU_DISPATCH_PATH"))
	if err != nil {
		return Event{}, err
	}
	revision := 0
	if text := getenv("JUJU_SECRET_REVISION"); text != "" {
		if revision, err = strconv.Atoi(text); err != nil {
			return Event{}, fmt.Errorf("JUJU_SECRET_REVISION is %q, not a number", text)
		}
	}
	return Event{
		Kind:           kind,
		Name:           name,
		Relation:       getenv("JUJU_RELATION"),
		RelationID:     getenv("JUJU_RELATION_ID"),
		RemoteApp:      getenv("JUJU_REMOTE_APP"),
		RemoteUnit:     getenv("JUJU_REMOTE_UNIT"),
		DepartingUnit:  getenv("JUJU_DEPARTING_UNIT"),
		Workload:       getenv("JUJU_WORKLOAD_NAME"),
		SecretURI:      secretURI(getenv("JUJU_MODEL_UUID"), getenv("JUJU_SECRET_ID")),
		SecretLabel:    getenv("JUJU_SECRET_LABEL"),
		SecretRevision: revision,
		StorageID:      getenv("JUJU_STORAGE_ID"),
	}, nil
}

// parseDispatchPath reads "hooks/<name>" or "actions/<name>". JUJU_HOOK_NAME is no help: it is empty for actions.
func parseDispatchPath(dispatch string) (Kind, string, error) {
	directory, name := path.Split(dispatch)
	switch {
	case name == "":
		return "", "", errors.New("JUJU_DISPATCH_PATH names no hook")
	case path.Base(directory) == "actions":
		return KindAction, name, nil
	case path.Base(directory) != "hooks":
		return "", "", fmt.Errorf("JUJU_DISPATCH_PATH is %q, neither hooks/<name> nor actions/<name>", dispatch)
	}
	return kindOf(name), name, nil
}

// kindOf drops the endpoint, container or storage that a hook's name begins with.
func kindOf(hookName string) Kind {
	for _, kind := range []Kind{
		KindRelationCreated, KindRelationJoined, KindRelationChanged, KindRelationDeparted, KindRelationBroken,
		KindStorageAttached, KindStorageDetaching,
		KindPebbleReady, KindPebbleCustomNotice, KindPebbleCheckFailed, KindPebbleCheckRecovered,
	} {
		if strings.HasSuffix(hookName, "-"+string(kind)) {
			return kind
		}
	}
	return Kind(hookName)
}
