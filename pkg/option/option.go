// Package option reads a garm-configurator's configuration, as config-get answers it, into the contract's value, or says
// everything that is wrong with it in the operator's own option names.
//
// It holds no rule of its own (they are pkg/runnerconfig's) and calls no hook tool.
package option

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
)

// Parse reads the configuration: values as encoding/json decodes what `config-get --format=json` prints.
func Parse(config map[string]any) (runnerconfig.ScaleSet, []runnerconfig.Problem) {
	options := make(map[string]string, len(config))
	for name, value := range config {
		options[name] = text(value)
	}
	return runnerconfig.Parse(options)
}

func text(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	case float64: // how encoding/json decodes a number; 'f' keeps a large ID free of an exponent
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}
