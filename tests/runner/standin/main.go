// Command standin is the programs that a virtual machine has and a sandbox has not: snap with the snap aproxy, systemctl,
// apt-get and docker, told apart by the name it is called by. Each call is recorded. It must not do more than the scripts of a
// runner can see: it manages no packages and supervises nothing.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/garm-charms/garm-charms/tests/runner/internal/record"
)

func main() {
	program := filepath.Base(os.Args[0])
	args := os.Args[1:]
	options, err := record.ReadOptions(record.Dir)
	if err == nil {
		err = run(program, args, options)
	}
	code := 0
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		code = 1
	}
	if err := recordCall(program, args, code); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		code = 70
	}
	os.Exit(code)
}

func run(program string, args []string, o record.Options) error {
	switch program {
	case "snap":
		return snap(args, o)
	case "systemctl":
		return systemctl(args, o)
	case "apt-get":
		return aptGet(o)
	case "docker":
		return nil
	case aproxyName:
		return aproxy(args)
	}
	return fmt.Errorf("there is no stand-in for %s", program)
}

// aptGet fails as it does while a mirror is being updated.
func aptGet(o record.Options) error {
	if err := needRoot(); err != nil {
		return err
	}
	steps, err := record.Read(record.Dir)
	if err != nil {
		return err
	}
	failed := 0
	for _, s := range steps {
		if s.Program == "apt-get" && s.ExitCode != 0 {
			failed++
		}
	}
	if failed < o.AptFailures {
		return errors.New("failed to fetch: 404 Not Found")
	}
	return nil
}

func recordCall(program string, args []string, code int) error {
	name := fmt.Sprint(os.Geteuid())
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	return record.Append(record.Dir, record.Step{Program: program, Args: args, User: name, ExitCode: code, Env: record.Environment(os.Environ())})
}

// words are arguments without flags.
func words(args []string) []string {
	var list []string
	for _, arg := range args {
		if !strings.HasPrefix(arg, "-") {
			list = append(list, arg)
		}
	}
	return list
}

func needRoot() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("access denied (try with sudo)")
	}
	return nil
}
