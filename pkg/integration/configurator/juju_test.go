package configurator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/garm-charms/garm-charms/pkg/hook"
)

const relationID = "garm-configurator:1"

// juju stands for Juju behind the hook tools: one relation, between the applications small and garm, and some secrets. It
// shows which tools are called; that they are called rightly is seen where Juju's own are.
type juju struct {
	t       *testing.T
	dir     string   // of the charm
	apps    []string // remote; none when there is no relation
	units   []string // remote
	bags    map[string]map[string]string
	secrets map[string]*secretRecord // by URI
	refuse  map[string]error         // by tool, or by tool and last argument
	changes []string                 // tools that change something, with their arguments
	seen    string                   // all that was in arguments and on stdin

	running sync.Mutex // Juju runs one tool at a time
}

type secretRecord struct {
	label    string
	content  map[string]string
	revision int
	granted  bool
}

func newJuju(t *testing.T) *juju {
	t.Helper()
	return &juju{
		t: t, dir: t.TempDir(), apps: []string{"garm"}, units: []string{"garm/0"}, bags: map[string]map[string]string{}, secrets: map[string]*secretRecord{},
		refuse: map[string]error{},
	}
}

// tools are those of a new dispatch.
func (j *juju) tools() *hook.Tools {
	return hook.NewTools(hook.Env{CharmDir: j.dir}, j)
}

// taken returns the changes since it was last called.
func (j *juju) taken() []string {
	changes := j.changes
	j.changes = nil
	return changes
}

func (j *juju) Run(_ context.Context, call hook.Call) ([]byte, error) {
	j.running.Lock()
	defer j.running.Unlock()
	last := call.Args[len(call.Args)-1]
	for _, key := range []string{call.Tool, call.Tool + " " + last} {
		if err := j.refuse[key]; err != nil {
			return nil, err
		}
	}
	j.seen += strings.Join(call.Args, "\n") + string(call.Stdin)
	run, known := map[string]func(hook.Call, string) (any, error){
		"relation-ids":    j.relationIDs,
		"relation-list":   j.relationList,
		"relation-get":    j.relationGet,
		"relation-set":    j.relationSet,
		"secret-get":      j.secretGet,
		"secret-info-get": j.secretInfoGet,
		"secret-ids":      j.secretIDs,
		"secret-add":      j.secretAdd,
		"secret-set":      j.secretSet,
		"secret-grant":    j.secretGrant,
		"secret-remove":   j.secretRemove,
	}[call.Tool]
	require.True(j.t, known, call.Tool)
	out, err := run(call, last)
	if err != nil || call.Tool == "secret-add" {
		return fmt.Append(nil, out), err
	}
	return json.Marshal(out)
}

func (j *juju) relationIDs(hook.Call, string) (any, error) {
	if len(j.apps) == 0 {
		return []string{}, nil
	}
	return []string{relationID}, nil
}

func (j *juju) relationList(call hook.Call, _ string) (any, error) {
	if slices.Contains(call.Args, "--app") {
		return j.apps[0], nil
	}
	return j.units, nil
}

func (j *juju) relationGet(_ hook.Call, owner string) (any, error) {
	assert.NotEmpty(j.t, owner)
	return j.bags[owner], nil
}

// relationSet writes as small/0, or with --app as garm: so do the two charms.
func (j *juju) relationSet(call hook.Call, _ string) (any, error) {
	owner := "small/0"
	if slices.Contains(call.Args, "--app") {
		owner = "garm"
	}
	var values map[string]string
	require.NoError(j.t, yaml.Unmarshal(call.Stdin, &values))
	if j.bags[owner] == nil {
		j.bags[owner] = map[string]string{}
	}
	maps.Copy(j.bags[owner], values)
	maps.DeleteFunc(j.bags[owner], func(_, value string) bool { return value == "" })
	j.changes = append(j.changes, "relation-set "+owner+" "+strings.Join(slices.Sorted(maps.Keys(values)), " "))
	return "", nil
}

func (j *juju) secretGet(_ hook.Call, uri string) (any, error) {
	if j.secrets[uri] == nil {
		return nil, fmt.Errorf("secret-get: %w", hook.ErrSecretNotFound)
	}
	return j.secrets[uri].content, nil
}

func (j *juju) secretIDs(hook.Call, string) (any, error) {
	ids := []string{}
	for uri := range j.secrets {
		ids = append(ids, strings.TrimPrefix(uri, "secret:"))
	}
	return ids, nil
}

func (j *juju) secretInfoGet(_ hook.Call, label string) (any, error) {
	for uri, record := range j.secrets {
		if "--label="+record.label == label || uri == label {
			return map[string]any{strings.TrimPrefix(uri, "secret:"): map[string]any{"label": record.label, "revision": record.revision}}, nil
		}
	}
	return nil, fmt.Errorf("secret-info-get: %w", hook.ErrSecretNotFound)
}

func (j *juju) secretAdd(call hook.Call, file string) (any, error) {
	label := strings.TrimPrefix(call.Args[0], "--label=")
	uri := fmt.Sprintf("secret:made%d", len(j.secrets))
	j.secrets[uri] = &secretRecord{label: label, content: j.contentOf(file)}
	j.changes = append(j.changes, "secret-add "+label)
	return uri, nil
}

func (j *juju) secretSet(call hook.Call, uri string) (any, error) {
	j.secrets[uri].content = j.contentOf(call.Args[0])
	j.changes = append(j.changes, "secret-set "+uri)
	return "", nil
}

func (j *juju) secretGrant(call hook.Call, uri string) (any, error) {
	assert.Contains(j.t, call.Args, relationID)
	j.secrets[uri].granted = true
	j.changes = append(j.changes, "secret-grant "+uri)
	return "", nil
}

func (j *juju) secretRemove(call hook.Call, uri string) (any, error) {
	if j.secrets[uri] == nil {
		return nil, fmt.Errorf("secret-remove: %w", hook.ErrSecretNotFound)
	}
	change := "secret-remove " + uri
	if revision, of := strings.CutPrefix(call.Args[0], "--revision="); of {
		change += " --revision=" + revision
	} else {
		delete(j.secrets, uri)
	}
	j.changes = append(j.changes, change)
	return "", nil
}

func (j *juju) contentOf(flag string) (content map[string]string) {
	text, err := os.ReadFile(strings.TrimPrefix(flag, "--file="))
	require.NoError(j.t, err)
	require.NoError(j.t, json.Unmarshal(text, &content))
	return content
}
