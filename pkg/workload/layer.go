package workload

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
)

const (
	layerLabel  = "garm"
	checkName   = "garm"
	configHash  = "config_hash"
	searchPath  = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	ruleReplace = "replace"
)

// Layer is a Pebble layer (Pebble docs/reference/layer-specification.md), as far as it is used here.
type Layer struct {
	Summary  string                  `yaml:"summary"`
	Services map[string]layerService `yaml:"services,omitempty"`
	Checks   map[string]layerCheck   `yaml:"checks"`
}

type layerService struct {
	Override    string            `yaml:"override"`
	Summary     string            `yaml:"summary"`
	Command     string            `yaml:"command"`
	Startup     string            `yaml:"startup"`
	Environment map[string]string `yaml:"environment"`
	KillDelay   string            `yaml:"kill-delay"`
}

type layerCheck struct {
	Override  string   `yaml:"override"`
	Level     string   `yaml:"level"`
	Period    string   `yaml:"period"`
	Timeout   string   `yaml:"timeout"`
	Threshold int      `yaml:"threshold"`
	TCP       layerTCP `yaml:"tcp"`
}

type layerTCP struct {
	Port int `yaml:"port"`
}

// NewLayer makes the layer that runs GARM on files, which Render made of the same Config.
func NewLayer(c Config, files Files) Layer {
	env := c.Proxy.environment()
	env["PATH"] = searchPath
	// Pebble restarts a service when its environment changed, not when a file did.
	env[configHash] = c.hash(files)
	if len(c.TrustedCAs) > 0 {
		// GARM gives an endpoint's certificate only to its REST client, so its Actions client needs them from the
		// process. Go reads the image's own bundle beside this directory.
		env["SSL_CERT_DIR"] = c.file(caDir)
	}
	return Layer{
		Summary: "GARM, from its charm",
		Services: map[string]layerService{Service: {
			Override:    ruleReplace,
			Summary:     "GARM server",
			Command:     fmt.Sprintf("%s --config %s", c.Image.GARM, c.file(configFile)),
			Startup:     "enabled",
			Environment: env,
			// A GARM that is killed leaves its message sessions open, and GitHub refuses new ones until they expire;
			// with a slow GitHub it takes over 20 s to close them.
			KillDelay: "25s",
		}},
		Checks: map[string]layerCheck{checkName: newCheck(c.port())},
	}
}

func newCheck(port int) layerCheck {
	return layerCheck{
		Override: ruleReplace,
		// Not alive: Kubernetes kills on that, and GARM may need minutes before it listens.
		Level:     "ready",
		Period:    "10s",
		Timeout:   "3s",
		Threshold: 3,
		TCP:       layerTCP{Port: port},
	}
}

// hash covers the files that GARM reads only when it starts. Those of its providers it reads at each use.
func (c Config) hash(files Files) string {
	sum := sha256.New()
	sum.Write(files.Content(c.file(configFile)))
	for _, p := range files.Paths() {
		if strings.HasPrefix(p, c.file(caDir)+"/") {
			sum.Write([]byte("\n" + path.Base(p)))
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}
