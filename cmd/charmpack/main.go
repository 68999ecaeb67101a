// Command charmpack writes a .charm archive from a charmcraft.yaml, without charmcraft, with what `charmcraft pack`
// would put in it. It does not build anything and does not run charmcraft's parts: it copies the files they name.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "charmpack:", err)
		os.Exit(1)
	}
}
