package workload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/canonical/pebble/client"
	"gopkg.in/yaml.v3"
)

const (
	fileMode    = 0o600
	defaultWait = 30 * time.Second
)

// Filesystem is the part of Pebble's client that works on files.
type Filesystem interface {
	Lister
	Pull(*client.PullOptions) error
	Push(*client.PushOptions) error
	RemovePath(*client.RemovePathOptions) error
}

// Supervisor is the part of Pebble's client that runs services.
type Supervisor interface {
	PlanBytes(*client.PlanOptions) ([]byte, error)
	AddLayer(*client.AddLayerOptions) error
	Services(*client.ServicesOptions) ([]*client.ServiceInfo, error)
	Replan(*client.ServiceOptions) (changeID string, err error)
	Waiter
}

// Waiter is the part of Pebble's client that waits for what it began.
type Waiter interface {
	WaitChange(id string, opts *client.WaitChangeOptions) (*client.Change, error)
}

// Pebble is what Apply needs of Pebble's client.
type Pebble interface {
	Filesystem
	Supervisor
}

// Change says what Apply did; the zero value is nothing.
type Change struct {
	Pushed    []string // paths of files that were written
	Removed   []string // paths of files that were deleted
	Replanned bool     // GARM was started or restarted
}

// Apply makes the container run GARM on files and layer. It does nothing that is done already; in particular GARM
// restarts only when layer differs from what Pebble runs, since a restart loses its sessions with GitHub. It gives up
// when ctx ends or after 30 s.
func Apply(ctx context.Context, pebble Pebble, files Files, layer Layer) (Change, error) {
	var done Change
	present, err := list(pebble, files.dir)
	if err != nil {
		return done, err
	}
	if err := push(ctx, pebble, files, present, &done); err != nil {
		return done, err
	}
	if err := prune(ctx, pebble, files, present, &done); err != nil {
		return done, err
	}
	done.Replanned, err = replan(ctx, pebble, layer)
	return done, err
}

// Pretend returns a Pebble that reads, and takes for done what it is told to do: Apply on it tells what it would do.
func Pretend(pebble Pebble) Pebble { return pretence{pebble} }

type pretence struct{ Pebble }

func (pretence) Push(*client.PushOptions) error                { return nil }
func (pretence) RemovePath(*client.RemovePathOptions) error    { return nil }
func (pretence) AddLayer(*client.AddLayerOptions) error        { return nil }
func (pretence) Replan(*client.ServiceOptions) (string, error) { return "", nil }
func (pretence) WaitChange(string, *client.WaitChangeOptions) (*client.Change, error) {
	return &client.Change{}, nil
}

// list returns the files below dir that are GARM's configuration.
func list(pebble Lister, dir string) (map[string]*client.FileInfo, error) {
	found := map[string]*client.FileInfo{}
	for _, d := range []string{dir, path.Join(dir, caDir)} {
		infos, err := pebble.ListFiles(&client.ListFilesOptions{Path: d})
		if err != nil && !notFound(err) {
			return nil, fmt.Errorf("cannot list %s in the container: %w", d, err)
		}
		for _, info := range infos {
			found[info.Path()] = info
		}
	}
	return found, nil
}

func push(ctx context.Context, pebble Filesystem, files Files, present map[string]*client.FileInfo, done *Change) error {
	for _, p := range files.Paths() {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("cannot write %s: %w", p, err)
		}
		same, err := holds(pebble, present[p], files.Content(p))
		if err != nil {
			return err
		}
		if same {
			continue
		}
		err = pebble.Push(&client.PushOptions{
			Path:        p,
			Source:      bytes.NewReader(files.Content(p)),
			MakeDirs:    true,
			Permissions: fileMode, // without it Pebble makes even an existing file 0644
		})
		if err != nil {
			return fmt.Errorf("cannot write %s in the container: %w", p, err)
		}
		done.Pushed = append(done.Pushed, p)
	}
	return nil
}

// holds tells whether the file is there with that content and closed to others.
func holds(pebble Filesystem, info *client.FileInfo, content []byte) (bool, error) {
	if info == nil || info.Mode().Perm() != fileMode || info.Size() != int64(len(content)) {
		return false, nil
	}
	var b bytes.Buffer
	if err := pebble.Pull(&client.PullOptions{Path: info.Path(), Target: &b}); err != nil {
		return false, fmt.Errorf("cannot read %s in the container: %w", info.Path(), err)
	}
	return bytes.Equal(b.Bytes(), content), nil
}

// prune removes the files of providers and certificates that are no more.
func prune(ctx context.Context, pebble Filesystem, files Files, present map[string]*client.FileInfo, done *Change) error {
	for _, p := range slices.Sorted(maps.Keys(present)) {
		if _, wanted := files.content[p]; wanted || !ours(files.dir, p) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("cannot remove %s: %w", p, err)
		}
		if err := pebble.RemovePath(&client.RemovePathOptions{Path: p}); err != nil && !notFound(err) {
			return fmt.Errorf("cannot remove %s from the container: %w", p, err)
		}
		done.Removed = append(done.Removed, p)
	}
	return nil
}

// ours tells whether the file is one that an earlier Render may have made.
func ours(dir, file string) bool {
	for _, pattern := range []string{"provider-*.toml", "clouds-*.yaml", caDir + "/*.pem"} {
		if ok, _ := path.Match(path.Join(dir, pattern), file); ok {
			return true
		}
	}
	return false
}

// replan gives Pebble the layer unless its plan has it, and has Pebble start or restart GARM unless it runs on it. Pebble
// is asked even if its plan was right: whoever added the layer may have been killed before GARM ran on it.
func replan(ctx context.Context, pebble Supervisor, layer Layer) (bool, error) {
	planned, err := addLayer(pebble, layer)
	if err != nil {
		return false, err
	}
	before, err := service(pebble)
	if err != nil {
		return false, err
	}
	id, err := pebble.Replan(&client.ServiceOptions{})
	if err != nil {
		return false, fmt.Errorf("cannot start GARM: %w", err)
	}
	if err := wait(ctx, pebble, id, "start GARM"); err != nil || !planned || !runs(before) {
		return true, err
	}
	after, err := service(pebble)
	return after.Current != before.Current || !after.CurrentSince.Equal(before.CurrentSince), err
}

// addLayer tells whether Pebble's plan had the layer already.
func addLayer(pebble Supervisor, layer Layer) (planned bool, err error) {
	text, err := yaml.Marshal(layer)
	if err != nil {
		return false, fmt.Errorf("cannot encode the Pebble layer: %w", err)
	}
	if planned, err = isPlanned(pebble, text); planned || err != nil {
		return planned, err
	}
	if err := pebble.AddLayer(&client.AddLayerOptions{Combine: true, Label: layerLabel, LayerData: text}); err != nil {
		return false, fmt.Errorf("cannot add GARM's layer to Pebble's plan: %w", err)
	}
	return false, nil
}

func runs(s client.ServiceInfo) bool { return s.Current == client.StatusActive }

// isPlanned tells whether Pebble's plan says what the layer says. Pebble adds defaults of its own, which differ between
// its releases, so more may stand in the plan; but not in the environment.
func isPlanned(pebble Supervisor, layer []byte) (bool, error) {
	text, err := pebble.PlanBytes(nil)
	if err != nil {
		return false, fmt.Errorf("cannot read Pebble's plan: %w", err)
	}
	var have, want struct {
		Services map[string]map[string]any `yaml:"services"`
		Checks   map[string]map[string]any `yaml:"checks"`
	}
	if err := errors.Join(yaml.Unmarshal(text, &have), yaml.Unmarshal(layer, &want)); err != nil {
		return false, fmt.Errorf("cannot decode Pebble's plan: %w", err)
	}
	return within(have.Services[Service], want.Services[Service]) && within(have.Checks[checkName], want.Checks[checkName]), nil
}

func within(have, want map[string]any) bool {
	for key, value := range want {
		if !reflect.DeepEqual(have[key], value) {
			return false
		}
	}
	return true
}

type statuser interface {
	Services(*client.ServicesOptions) ([]*client.ServiceInfo, error)
}

// service returns what Pebble says of GARM's service; it is zero when Pebble has none.
func service(pebble statuser) (client.ServiceInfo, error) {
	infos, err := pebble.Services(&client.ServicesOptions{Names: []string{Service}})
	if err != nil {
		return client.ServiceInfo{}, fmt.Errorf("cannot ask Pebble for GARM's status: %w", err)
	}
	for _, info := range infos {
		if info.Name == Service {
			return *info, nil
		}
	}
	return client.ServiceInfo{}, nil
}

func wait(ctx context.Context, pebble Waiter, id, what string) error {
	limit := defaultWait
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline))
	}
	if limit <= 0 {
		return fmt.Errorf("cannot %s: %w", what, context.DeadlineExceeded)
	}
	change, err := pebble.WaitChange(id, &client.WaitChangeOptions{Timeout: limit})
	if err != nil {
		return fmt.Errorf("cannot %s within %s: %w", what, limit.Round(time.Second), err)
	}
	if change.Err != "" && refusesBackend(change) {
		return fmt.Errorf("cannot %s: %w", what, ErrNoPostgreSQL)
	}
	if change.Err != "" {
		return fmt.Errorf("cannot %s: %s", what, oneLine(change.Err))
	}
	return nil
}

// refusesBackend knows GARM's own words, with which it ends (GARM config/config.go, Database.Validate). Pebble puts the
// last lines of a service that did not start into the task's log.
func refusesBackend(change *client.Change) bool {
	return slices.ContainsFunc(change.Tasks, func(t *client.Task) bool {
		return strings.Contains(strings.Join(t.Log, "\n"), "invalid database backend: postgresql")
	})
}

// oneLine takes the tasks that failed out of Pebble's list of them.
func oneLine(err string) string {
	_, tasks, listed := strings.Cut(err, "\n- ")
	if !listed {
		return err
	}
	return strings.ReplaceAll(tasks, "\n- ", "; ")
}
