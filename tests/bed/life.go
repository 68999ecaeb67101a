package bed

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/garm-charms/garm-charms/tests/operator"
	"github.com/garm-charms/garm-charms/tests/provider"
)

func (s *Script) killGARM(args []string) (string, error) {
	return "", s.KillGARM(s.ctx, args[0])
}

// restart-container UNIT CONTAINER: until the charm has dealt with it.
func (s *Script) restartContainer(args []string) (string, error) {
	ctx, cancel := context.WithTimeout(s.ctx, waitLimit)
	defer cancel()
	before := len(s.Model.Hooks(args[0]))
	if err := s.Model.RestartContainer(ctx, args[0], args[1]); err != nil {
		return "", err
	}
	return "", operator.Until(ctx, func() error {
		for _, hook := range s.Model.Hooks(args[0])[before:] {
			if hook.Name == args[1]+"-pebble-ready" && !hook.End.IsZero() {
				return nil
			}
		}
		return fmt.Errorf("%s had no pebble-ready after its container %s was restarted", args[0], args[1])
	})
}

func (s *Script) restartPod(args []string) (string, error) {
	return "", s.Model.RestartPod(s.ctx, args[0])
}

// lead UNIT: the leadership moves there.
func (s *Script) lead(args []string) (string, error) {
	if err := s.Model.SetLeader(s.ctx, args[0]); err != nil {
		return "", err
	}
	return "", s.Model.Settle(s.ctx)
}

// secret LABEL: the keys and values of a secret that an application owns, and its revision.
func (s *Script) secret(args []string) (string, error) {
	all, err := s.Model.Secrets(s.ctx)
	if err != nil {
		return "", err
	}
	for _, known := range all {
		if known.Name != args[0] || known.Owner == s.config.Model {
			continue
		}
		info, err := s.Model.ShowSecret(s.ctx, known.URI, true)
		return fmt.Sprintf("revision=%d\n%s", info.Revision, lines(info.Content)), err
	}
	return "", fmt.Errorf("no application has a secret with label %s", args[0])
}

// cloud fail COMMAND[,COMMAND...] MESSAGE | heal | environment SCALE-SET: what the cloud answers to one of the provider's commands; the
// environment in which the provider was asked for the scale set's next runner.
func (s *Script) cloud(args []string) (string, error) {
	switch args[0] {
	case "fail":
		faults := map[string]provider.Fault{}
		for command := range strings.SplitSeq(args[1], ",") {
			faults[command] = provider.Fault{Message: args[2]}
		}
		return "", s.Cloud.SetFaults(faults)
	case "heal":
		return "", s.Cloud.SetFaults(nil)
	case "environment":
		ctx, cancel := context.WithTimeout(s.ctx, bootLimit)
		defer cancel()
		instance, err := s.newInstance(ctx, args[1])
		return lines(instance.Env), err
	}
	return "", fmt.Errorf("unknown: cloud %s", args[0])
}

// wipe-database UNIT: GARM's database is lost, and GARM with it.
func (s *Script) wipeDatabase(args []string) (string, error) {
	files, err := filepath.Glob(filepath.Join(s.config.Dir, "m", "storage", "garm-data-"+strings.TrimPrefix(args[0], "garm/")+".*", "*"))
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", fmt.Errorf("%s has no database", args[0])
	}
	for _, file := range files {
		if err := os.RemoveAll(file); err != nil {
			return "", err
		}
	}
	return "", s.KillGARM(s.ctx, args[0])
}

// garm-env UNIT: the environment of the unit's GARM.
func (s *Script) garmEnv(args []string) (string, error) {
	process, err := s.garmProcess(s.ctx, args[0])
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(process, "environ"))
	return strings.ReplaceAll(string(text), "\x00", "\n"), err
}

// hooks-within DURATION UNIT: no hook of the unit took longer.
func (s *Script) hooksWithin(args []string) (string, error) {
	limit, err := time.ParseDuration(args[0])
	if err != nil {
		return "", err
	}
	for _, hook := range s.Model.Hooks(args[1]) {
		if took := hook.End.Sub(hook.Start); took > limit {
			return "", fmt.Errorf("%s of %s took %s", hook, args[1], took)
		}
	}
	return "", nil
}

// probePort is where Kubernetes asks the first workload container's Pebble whether the pod is ready
// (Juju caas/kubernetes/provider/pebble, WorkloadHealthCheckPort).
const probePort = 38813

// in-service UNIT...: until Kubernetes' service sends its traffic to exactly these of garm's units.
func (s *Script) inService(args []string) (string, error) {
	ctx, cancel := context.WithTimeout(s.ctx, waitLimit)
	defer cancel()
	return "", operator.Until(ctx, func() error {
		status, err := s.Model.Status(ctx)
		if err != nil {
			return err
		}
		var ready []string
		for _, unit := range slices.Sorted(maps.Keys(status.Applications["garm"].Units)) {
			is, err := s.isReady(ctx, unit)
			if err != nil {
				return err
			}
			if is {
				ready = append(ready, unit)
			}
		}
		if !slices.Equal(ready, args) {
			return fmt.Errorf("ready are %v, not %v", ready, args)
		}
		return nil
	})
}

// isReady asks as the kubelet does (Juju caas/kubernetes/provider/application, ReadinessProbe).
func (s *Script) isReady(ctx context.Context, unit string) (bool, error) {
	host, err := s.Model.PodHost(ctx, unit)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	url := "http://" + netip.AddrPortFrom(host.Addr(), probePort).String() + "/v1/health?level=ready"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	return res.StatusCode == http.StatusOK, res.Body.Close()
}
