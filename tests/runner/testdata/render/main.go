// Command render prints what the charm garm would give to the runners of a scale set: the template and the pre-install
// scripts. It is run in the charms' module, which the tests' module does not import.
package main

import (
	"encoding/json"
	"log"
	"os"

	"github.com/garm-charms/garm-charms/pkg/bootstrap"
)

type input struct {
	Base    []byte
	Options bootstrap.Options
	Custom  map[string]string
}

type output struct {
	Template   []byte
	PreInstall map[string][]byte
}

func main() {
	var in input
	var out output
	err := json.NewDecoder(os.Stdin).Decode(&in)
	if err == nil {
		out.Template, err = bootstrap.Template(in.Base, in.Options)
	}
	if err == nil {
		out.PreInstall, err = bootstrap.PreInstall(in.Options, in.Custom)
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(out)
	}
	if err != nil {
		log.Fatal(err)
	}
}
