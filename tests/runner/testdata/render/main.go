// Command render prints what the charm garm would give to the runners of each scale set that it is asked for: the template
// and the pre-install scripts. It is run in the charms' module, which the tests' module does not import.
package main

import (
	"encoding/json"
	"errors"
	"io"
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
	decoder, encoder := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var in input
		err := decoder.Decode(&in)
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = render(in, encoder)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
}

func render(in input, to *json.Encoder) error {
	template, err := bootstrap.Template(in.Base, in.Options)
	if err != nil {
		return err
	}
	scripts, err := bootstrap.PreInstall(in.Options, in.Custom)
	if err != nil {
		return err
	}
	return to.Encode(output{Template: template, PreInstall: scripts})
}
