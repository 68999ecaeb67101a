package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// stage is where a sandbox's tree is put together. It lies on a directory that every Linux system has (FHS 3.0, 3.12)
// and is seen by the sandbox's first process only.
const stage = "/mnt"

// Init must be the first call of main or TestMain of every program that uses this package. In the first process of a
// sandbox or of a world it sets that up, runs what is to run there and never returns; anywhere else it does nothing.
func Init() {
	var err error
	state := os.Getenv(worldName)
	switch {
	case os.Args[0] == initName:
		runtime.LockOSThread()
		err = enter()
	case state != "" && state != insideWorld:
		err = worldInit(state)
	default:
		return
	}
	fmt.Fprintf(os.Stderr, "sandbox: %v\n", err)
	os.Exit(126)
}

func enter() error {
	var o order
	if err := json.Unmarshal([]byte(os.Args[1]), &o); err != nil {
		return fmt.Errorf("cannot read spec: %w", err)
	}
	if err := joinNetwork(o.Netns); err != nil {
		return err
	}
	if err := buildTree(o); err != nil {
		return err
	}
	if o.Hostname != "" {
		if err := unix.Sethostname([]byte(o.Hostname)); err != nil {
			return fmt.Errorf("cannot set host name %q: %w", o.Hostname, err)
		}
	}
	if err := os.Chdir(filepath.Join("/", o.Dir)); err != nil {
		return fmt.Errorf("cannot enter working directory: %w", err)
	}
	argv := os.Args[2:]
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return fmt.Errorf("cannot find program: %w", err)
	}
	if o.PIDs {
		return superviseAndExit(path, argv, []*os.File{os.Stdin, os.Stdout, os.Stderr}, o.User)
	}
	return fmt.Errorf("cannot run %s: %w", path, syscall.Exec(path, argv, os.Environ()))
}

func joinNetwork(netns string) error {
	if netns == "" {
		return nil
	}
	f, err := os.Open(netns)
	if err != nil {
		return fmt.Errorf("cannot open network: %w", err)
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("cannot join network %s: %w", netns, err)
	}
	return nil
}

func buildTree(o order) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot make mounts private: %w", err)
	}
	// Sources are opened before the stage hides anything.
	binds := append(standardBinds(), append(o.Files, o.Binds...)...)
	sources, err := openAll(binds)
	if err != nil {
		return err
	}
	root, err := overlay(o.Lower, o.Upper)
	if err != nil {
		return err
	}
	if err := standardMounts(root); err != nil {
		return err
	}
	for i, b := range binds {
		if err := bind(sources[i], root, b); err != nil {
			return err
		}
	}
	return pivot(root)
}

func standardBinds() []Bind {
	return []Bind{{Source: "/dev", Target: "/dev"}, {Source: "/sys", Target: "/sys", ReadOnly: true}}
}

func openAll(binds []Bind) ([]*os.File, error) {
	var files []*os.File
	for _, b := range binds {
		fd, err := unix.Open(b.Source, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("cannot open %s for %s: %w", b.Source, b.Target, err)
		}
		files = append(files, os.NewFile(uintptr(fd), b.Source))
	}
	return files, nil
}

// overlay mounts the tree and returns where. Its layers are opened before the stage hides what lies below it.
func overlay(lower, upper string) (string, error) {
	if lower == "" || strings.ContainsAny(lower+upper, ",:\\") {
		return "", fmt.Errorf("cannot mount overlay of %q on %q: empty name or one of , : \\ in it", upper, lower)
	}
	bottom, err := os.Open(lower)
	if err != nil {
		return "", fmt.Errorf("cannot open lower directory: %w", err)
	}
	defer bottom.Close()
	top := stage
	if upper != "" {
		kept, err := openUpper(upper)
		if err != nil {
			return "", err
		}
		defer kept.Close()
		top = fmt.Sprintf("/proc/self/fd/%d", kept.Fd())
	}
	if err := unix.Mount("sandbox", stage, "tmpfs", 0, "mode=0755"); err != nil {
		return "", fmt.Errorf("cannot mount stage: %w", err)
	}
	files, work, root := filepath.Join(top, "files"), filepath.Join(top, "work"), filepath.Join(stage, "root")
	for _, dir := range []string{files, work, root} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", fmt.Errorf("cannot prepare overlay: %w", err)
		}
	}
	options := fmt.Sprintf("lowerdir=/proc/self/fd/%d,upperdir=%s,workdir=%s", bottom.Fd(), files, work)
	if err := unix.Mount("overlay", root, "overlay", 0, options); err != nil {
		return "", fmt.Errorf("cannot mount overlay on %s: %w", lower, err)
	}
	return root, nil
}

func openUpper(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make upper directory: %w", err)
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open upper directory: %w", err)
	}
	return f, nil
}

func standardMounts(root string) error {
	for _, m := range []struct{ target, kind, options string }{
		{"proc", "proc", ""},
		{"tmp", "tmpfs", "mode=1777"},
		{"run", "tmpfs", "mode=0755"},
	} {
		target := filepath.Join(root, m.target)
		if err := os.MkdirAll(target, 0o755); err != nil {
			return fmt.Errorf("cannot make /%s: %w", m.target, err)
		}
		if err := unix.Mount(m.kind, target, m.kind, 0, m.options); err != nil {
			return fmt.Errorf("cannot mount /%s: %w", m.target, err)
		}
	}
	return nil
}

func bind(source *os.File, root string, b Bind) error {
	defer source.Close()
	target := filepath.Join(root, b.Target)
	path := fmt.Sprintf("/proc/self/fd/%d", source.Fd())
	if err := makeTarget(path, target); err != nil {
		return fmt.Errorf("cannot make %s: %w", b.Target, err)
	}
	if err := unix.Mount(path, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("cannot bind %s at %s: %w", b.Source, b.Target, err)
	}
	if b.ReadOnly {
		if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			return fmt.Errorf("cannot make %s read-only: %w", b.Target, err)
		}
	}
	return nil
}

func makeTarget(source, target string) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.MkdirAll(target, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	// A symbolic link (Debian's /etc/resolv.conf may be one) would be followed out of the tree.
	if link, err := os.Lstat(target); err == nil && link.Mode()&os.ModeSymlink != 0 {
		if err := os.Remove(target); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(target, os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

func pivot(root string) error {
	if err := os.Chdir(root); err != nil {
		return fmt.Errorf("cannot enter new root: %w", err)
	}
	// pivot_root(2): with new_root and put_old the same directory the old root ends up on top and is detached.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("cannot change root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("cannot detach old root: %w", err)
	}
	return nil
}

// superviseAndExit is PID 1 of a PID namespace: it passes signals on, reaps what it inherits and exits as its child does.
func superviseAndExit(path string, argv []string, files []*os.File, user int) error {
	attributes := &os.ProcAttr{Env: os.Environ(), Files: files}
	if user != 0 {
		id := uint32(user)
		attributes.Sys = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id, Groups: []uint32{id}}}
	}
	// Started before the signals are caught: the child inherits default dispositions.
	child, err := os.StartProcess(path, argv, attributes)
	if err != nil {
		return fmt.Errorf("cannot run %s: %w", path, err)
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGQUIT)
	go func() {
		for s := range signals {
			_ = child.Signal(s) // the child may just have ended; then its exit is on its way
		}
	}()
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot wait for %s: %w", path, err)
		}
		if pid == child.Pid {
			os.Exit(exitCode(status))
		}
	}
}

func exitCode(status unix.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
