package bed

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/garm-charms/garm-charms/tests/operator"
	"github.com/garm-charms/garm-charms/tests/runner"
)

// boot [FLAG...] SCALE-SET: boots the scale set's next runner; "runner SCALE-SET" is that one from then on. The flags say
// what its image is like: see runner.Config.
func (s *Script) boot(args []string) (string, error) {
	image := Image()
	flags := flag.NewFlagSet("boot", flag.ContinueOnError)
	flags.BoolVar(&image.Baked, "baked", false, "")
	flags.BoolVar(&image.Docker, "docker", true, "")
	flags.BoolVar(&image.Snap.Absent, "no-snapd", false, "")
	flags.BoolVar(&image.Snap.StoreDown, "store-down", false, "")
	flags.BoolVar(&image.Snap.AproxyDeaf, "aproxy-deaf", false, "")
	flags.IntVar(&image.AptFailures, "apt-failures", 0, "")
	flags.Func("snaps", "", func(list string) error {
		image.Snap.Installed = strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
		return nil
	})
	flags.Func("without", "", func(list string) error {
		image.Without = strings.Split(list, ",")
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	scaleSet := flags.Arg(0)
	machine, err := s.Boot(s.ctx, scaleSet, image)
	if err != nil {
		return "", err
	}
	s.booted[scaleSet] = machine
	return string(machine.Log()), nil
}

// runner SCALE-SET exec COMMAND... | cat FILE | owner FILE | env | job KEY=VALUE... | files | log | said
func (s *Script) runner(args []string) (string, error) {
	machine, booted := s.booted[args[0]]
	if !booted {
		return "", fmt.Errorf("no runner of scale set %s was booted", args[0])
	}
	switch args[1] {
	case "exec":
		return s.onRunner(machine, args[2:])
	case "cat":
		file, err := machine.File(args[2])
		return string(file.Content), err
	case "owner":
		file, err := machine.File(args[2])
		return fmt.Sprintf("%s %s\n", file.Owner, file.Mode), err
	case "env":
		env, err := machine.RunnerEnv(s.ctx)
		return lines(env), err
	case "job":
		return s.job(args[0], args[2:])
	case "files":
		files, err := machine.Files()
		return strings.Join(files, "\n") + "\n", err
	case "log":
		return string(machine.Log()), nil
	case "said":
		return s.said(machine.Name())
	}
	return "", fmt.Errorf("unknown: runner %s", args[1])
}

func (s *Script) onRunner(machine *runner.Machine, command []string) (string, error) {
	out, err := machine.Command(s.ctx, "root", command...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return string(out), err
}

// wait-runners COUNT: until the GARM of garm/0 has that many runners, all of which the cloud runs.
func (s *Script) waitRunners(args []string) (string, error) {
	ctx, cancel := context.WithTimeout(s.ctx, waitLimit)
	defer cancel()
	api, err := s.GARM(ctx, "garm/0")
	if err != nil {
		return "", err
	}
	return "", operator.Until(ctx, func() error {
		list, err := api.Runners(ctx)
		if err != nil {
			return err
		}
		if running := strings.Count(list, " running "); strconv.Itoa(running) != args[0] || running != strings.Count(list, "\n") {
			return fmt.Errorf("the runners are not %s that run: %q", args[0], list)
		}
		return nil
	})
}

// said is what a runner is to GARM, and then what it has told.
func (s *Script) said(name string) (string, error) {
	api, err := s.GARM(s.ctx, "garm/0")
	if err != nil {
		return "", err
	}
	var instance struct {
		RunnerStatus string `json:"runner_status"`
		Messages     []struct {
			Message string `json:"message"`
		} `json:"status_messages"`
	}
	if err := api.Get(s.ctx, "/instances/"+name, &instance); err != nil {
		return "", err
	}
	text := instance.RunnerStatus + "\n"
	for _, m := range instance.Messages {
		text += m.Message + "\n"
	}
	return text, nil
}

func (s *Script) job(scaleSet string, variables []string) (string, error) {
	env := map[string]string{}
	for _, variable := range variables {
		key, value, _ := strings.Cut(variable, "=")
		env[key] = value
	}
	result, err := s.booted[scaleSet].RunJob(s.ctx, env)
	if err == nil && result.ExitCode != 0 {
		err = fmt.Errorf("the job's hook failed with exit code %d", result.ExitCode)
	}
	return result.Output, err
}

func lines(values map[string]string) string {
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&text, "%s=%s\n", key, values[key])
	}
	return text.String()
}
