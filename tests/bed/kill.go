package bed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// KillGARM kills the GARM process of a unit, as the kernel does when memory runs out.
func (b *Bed) KillGARM(ctx context.Context, unit string) error {
	process, err := b.garmProcess(ctx, unit)
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(filepath.Base(process))
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

// garmProcess is the directory of a unit's GARM in /proc.
func (b *Bed) garmProcess(ctx context.Context, unit string) (string, error) {
	host, err := b.Model.PodHost(ctx, unit)
	if err != nil {
		return "", err
	}
	var network string
	if err := host.Do(func() (err error) {
		network, err = os.Readlink("/proc/thread-self/ns/net")
		return err
	}); err != nil {
		return "", fmt.Errorf("cannot find GARM of %s: %w", unit, err)
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return "", err
	}
	for _, process := range processes {
		if isGARM(process, network) {
			return process, nil
		}
	}
	return "", errors.New("cannot find GARM of " + unit + ": it does not run")
}

// isGARM relies on the pod's network being one that no other process has.
func isGARM(process, network string) bool {
	program, err := os.Readlink(filepath.Join(process, "exe"))
	if err != nil || filepath.Base(program) != "garm" {
		return false
	}
	in, err := os.Readlink(filepath.Join(process, "ns", "net"))
	return err == nil && in == network
}
