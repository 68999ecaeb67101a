package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// worldName is the environment variable that tells a program where it is: unset outside, the number of inherited files in
// the world's first process, insideWorld in the program itself.
const (
	worldName   = "SANDBOX_WORLD"
	insideWorld = "inside"
)

// World re-executes the calling program, with the same arguments, in mount, network, PID, IPC and UTS namespaces of its
// own, waits for it and returns its exit code and false; in the world it returns true at once. Whatever the program starts
// there ends with it, and no address or mount of it is seen from outside.
//
//	sandbox.Init()
//	if code, inside := sandbox.World(); !inside {
//		os.Exit(code)
//	}
//
// The files are open in the world from descriptor 3 on: a socket among them still belongs to the network outside.
func World(files ...*os.File) (code int, inside bool) {
	if os.Getenv(worldName) == insideWorld {
		return 0, true
	}
	return startWorld(files), false
}

func startWorld(files []*os.File) int {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "cannot make namespaces: run this as root, for example with sudo")
		return 1
	}
	runtime.LockOSThread() // the thread that starts the world must outlive it: its death is the world's
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), worldName+"="+strconv.Itoa(len(files)))
	cmd.ExtraFiles = files
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintf(os.Stderr, "cannot make namespaces: %v\n", err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}

func worldInit(state string) error {
	count, err := strconv.Atoi(state)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", worldName, err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("cannot mount /proc: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("cannot find loopback: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("cannot set loopback up: %w", err)
	}
	if err := os.Setenv(worldName, insideWorld); err != nil {
		return fmt.Errorf("cannot mark world: %w", err)
	}
	files := []*os.File{os.Stdin, os.Stdout, os.Stderr}
	for fd := 3; fd < 3+count; fd++ {
		files = append(files, os.NewFile(uintptr(fd), "inherited"))
	}
	return superviseAndExit("/proc/self/exe", os.Args, files, 0)
}
