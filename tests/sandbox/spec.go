// Package sandbox runs programs in Linux namespaces of their own: a file tree that forgets or keeps what is written,
// and a host on a small network. The test bed's pods, containers and runners live in such sandboxes. It needs root.
//
// It knows nothing of Juju, GARM or runners.
package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"syscall"
)

// Spec describes a sandbox: its file tree, its network and its processes.
type Spec struct {
	// Lower is the directory that is the read-only bottom of the file tree; "/" is the machine's own.
	Lower string
	// Upper is the directory that keeps what is written. It is made when missing and must be on a real file system.
	// Empty means memory: what is written is gone with the sandbox.
	Upper string
	// Binds are made in order once the tree stands.
	Binds []Bind
	// Host is the sandbox's network; nil is the caller's.
	Host *Host `json:"-"`
	// Hostname is the sandbox's host name; empty is the caller's.
	Hostname string
	// PIDs gives the sandbox a PID namespace, so that all its processes die with the command.
	PIDs bool
	// User is the user and the group that the command runs as, by number. It needs PIDs, unless it is 0, root.
	User int
	// Dir is the command's working directory in the sandbox; empty is "/".
	Dir string
}

// Bind shows Source of the caller's tree at Target of the sandbox. A missing target is created.
type Bind struct {
	Source, Target string
	ReadOnly       bool
}

// order is what the first process of a sandbox is told: the Spec with its network spelled as paths.
type order struct {
	Spec

	Netns string
	Files []Bind
}

const initName = "sandbox-init"

// Command is exec.CommandContext in the sandbox: the program runs as the Spec's User and is looked up by the PATH of cmd.Env
// in the sandbox's tree. Set Env, Stdin, Stdout and Stderr as usual, the working directory in the Spec.
//
// /proc, /dev, /sys, /tmp and /run are mounted; with a Host, /etc/hosts and /etc/resolv.conf are its network's.
func Command(ctx context.Context, s Spec, name string, args ...string) *exec.Cmd {
	o := order{Spec: s}
	if s.Host != nil {
		o.Netns = s.Host.netns
		o.Files = s.Host.network.files()
	}
	text, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Sprintf("cannot encode sandbox spec: %v", err)) // strings and booleans always encode
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = append([]string{initName, string(text), name}, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	if s.PIDs {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWPID
	}
	return cmd
}
