package bed

import (
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
)

// boot [-baked] SCALE-SET: boots the scale set's next runner; "runner SCALE-SET" is that one from then on.
func (s *Script) boot(args []string) (string, error) {
	baked := args[0] == "-baked"
	scaleSet := args[len(args)-1]
	machine, err := s.Boot(s.ctx, scaleSet, baked)
	if err != nil {
		return "", err
	}
	s.booted[scaleSet] = machine
	return string(machine.Log()), nil
}

// runner SCALE-SET exec COMMAND... | cat FILE | owner FILE | env | job KEY=VALUE... | files | log
func (s *Script) runner(args []string) (string, error) {
	machine, booted := s.booted[args[0]]
	if !booted {
		return "", fmt.Errorf("no runner of scale set %s was booted", args[0])
	}
	switch args[1] {
	case "exec":
		out, err := machine.Command(s.ctx, "root", args[2:]...).Output()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return string(out), err
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
	}
	return "", fmt.Errorf("unknown: runner %s", args[1])
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
