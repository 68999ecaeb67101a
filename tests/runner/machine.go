package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/garm-charms/garm-charms/tests/runner/internal/record"
)

const runnerHome = "/home/runner/actions-runner"

// Log returns what was printed on the console so far.
func (m *Machine) Log() []byte {
	text, err := os.ReadFile(filepath.Join(m.dir, "console.log"))
	if err != nil {
		return []byte(err.Error())
	}
	return text
}

// Ran returns what ran so far, in the order in which it ended.
func (m *Machine) Ran() ([]Step, error) { return record.Read(m.shared()) }

// File is a file of the machine.
type File struct {
	Content []byte
	Mode    fs.FileMode
	// Owner is "user:group", by name where the machine knows it.
	Owner string
}

// File reads a file of the running machine. The error is fs.ErrNotExist when there is none.
func (m *Machine) File(path string) (File, error) {
	file, err := m.open(path, unix.O_RDONLY)
	if err != nil {
		return File{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return File{}, fmt.Errorf("cannot stat %s of machine: %w", path, err)
	}
	content, err := io.ReadAll(file)
	if err != nil {
		return File{}, fmt.Errorf("cannot read %s of machine: %w", path, err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return File{}, fmt.Errorf("cannot stat %s of machine: no owner", path)
	}
	owner := m.name("/etc/passwd", stat.Uid) + ":" + m.name("/etc/group", stat.Gid)
	return File{Content: content, Mode: info.Mode(), Owner: owner}, nil
}

// open resolves a path as the machine does, links included.
func (m *Machine) open(path string, flags uint64) (*os.File, error) {
	root, err := os.Open(fmt.Sprintf("/proc/%d/root", m.first.Process.Pid))
	if err != nil {
		return nil, fmt.Errorf("cannot open tree of machine: %w", err)
	}
	defer root.Close()
	fd, err := unix.Openat2(int(root.Fd()), path, &unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// name is what the machine calls an id: passwd(5), group(5).
func (m *Machine) name(table string, id uint32) string {
	number := strconv.FormatUint(uint64(id), 10)
	file, err := m.open(table, unix.O_RDONLY)
	if err != nil {
		return number
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return number
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Split(line, ":"); len(fields) > 2 && fields[2] == number {
			return fields[0]
		}
	}
	return number
}

// Files returns the paths of the files that were written since the machine was started, without what is in /tmp and /run.
func (m *Machine) Files() ([]string, error) {
	top := filepath.Join(m.dir, "tree", "files")
	var files []string
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, top)
		// A file that was removed is a device in the upper layer of an overlay.
		if !entry.IsDir() && entry.Type()&fs.ModeDevice == 0 && !slices.Contains(m.binds, name) {
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot list files of machine: %w", err)
	}
	return files, nil
}

// RunnerEnv returns the environment of the runner once its service has started it, which takes a moment.
func (m *Machine) RunnerEnv(ctx context.Context) (map[string]string, error) {
	var file File
	err := poll(ctx, 2*time.Minute, func() (err error) {
		file, err = m.File(runnerHome + "/_diag/environment")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the runner's environment: %w", err)
	}
	return record.Environment(strings.Split(strings.TrimSuffix(string(file.Content), "\x00"), "\x00")), nil
}

// JobResult is what a job got from the runner before its first step.
type JobResult struct {
	// ExitCode is the hook's; 0 when there is no hook. A runner fails the job when it is not 0.
	ExitCode int
	// Output is what the job's log has of it.
	Output string
}

// RunJob has the runner start a job with the variables that GitHub gives it (GITHUB_*), up to the end of its hook.
func (m *Machine) RunJob(ctx context.Context, env map[string]string) (JobResult, error) {
	if _, err := m.RunnerEnv(ctx); err != nil { // the queue is there from then on
		return JobResult{}, err
	}
	m.jobs++
	id := strconv.Itoa(m.jobs)
	dir := runnerHome + "/_work/" + id
	var variables strings.Builder
	for key, value := range env {
		variables.WriteString(key + "=" + value + "\x00")
	}
	cmd := m.Command(ctx, "runner", "/bin/sh", "-c", "rm -rf "+dir+" && mkdir "+dir+" && cat >"+dir+"/variables && echo "+id+" >"+runnerHome+"/_work/queue")
	cmd.Stdin = strings.NewReader(variables.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		return JobResult{}, fmt.Errorf("cannot queue job: %w\n%s", err, out)
	}
	var code, output File
	err := poll(ctx, 2*time.Minute, func() (err error) {
		code, err = m.File(dir + "/code")
		return err
	})
	if err != nil {
		return JobResult{}, fmt.Errorf("cannot wait for job: %w", err)
	}
	if output, err = m.File(dir + "/output"); err != nil {
		return JobResult{}, err
	}
	result := JobResult{Output: string(output.Content)}
	if result.ExitCode, err = strconv.Atoi(strings.TrimSpace(string(code.Content))); err != nil {
		return JobResult{}, fmt.Errorf("cannot read exit code of job: %w", err)
	}
	return result, nil
}

// poll tries until there is no fs.ErrNotExist any more, or too long.
func poll(ctx context.Context, limit time.Duration, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := try()
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}
