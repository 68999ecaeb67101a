package bed

import (
	"context"
	"fmt"
	"strings"

	"github.com/garm-charms/garm-charms/tests/github"
	"github.com/garm-charms/garm-charms/tests/operator"
)

// start-job ORG SCALE-SET gives a queued job to the runner of the scale set that was booted last, as soon as GARM's listener
// has taken it, and prints the runner's name once GARM knows that it has a job.
func (s *Script) startJob(args []string) (string, error) {
	entity, scaleSet := github.Organization(args[0]), args[1]
	machine, booted := s.booted[scaleSet]
	if !booted {
		return "", fmt.Errorf("no runner of scale set %s was booted", scaleSet)
	}
	if err := s.GitHub.ConnectRunner(entity, machine.Name()); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(s.ctx, waitLimit)
	defer cancel()
	err := operator.Until(ctx, func() error {
		_, taken, err := s.GitHub.TakeJob(entity, machine.Name())
		if err == nil && !taken {
			err = fmt.Errorf("there is no job for %s", machine.Name())
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return machine.Name() + "\n", operator.Until(ctx, func() error {
		said, err := s.said(machine.Name())
		if err == nil && !strings.HasPrefix(said, "active\n") {
			err = fmt.Errorf("GARM does not know that %s has a job: %s", machine.Name(), said)
		}
		return err
	})
}

// end-job SCALE-SET ends the job that the runner of the scale set that was booted last has, and with it the runner.
func (s *Script) endJob(args []string) (string, error) {
	for _, job := range s.GitHub.Jobs() {
		if job.State == github.JobRunning && job.Runner == s.booted[args[0]].Name() {
			return "", s.GitHub.FinishJob(job.ID, "succeeded")
		}
	}
	return "", fmt.Errorf("no runner of scale set %s has a job", args[0])
}
