// Command lab shows the charms at work on the real parts: `lab demo` tells the whole story and ends, `lab lab` leaves it
// running behind a prompt.
package main

import (
	"fmt"
	"os"

	"github.com/garm-charms/garm-charms/tests/juju"
	"github.com/garm-charms/garm-charms/tests/lab"
	"github.com/garm-charms/garm-charms/tests/sandbox"
)

func main() {
	sandbox.Init()
	juju.Init()
	if err := lab.Run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
}
