//go:build integration

// Package integration_test runs scenarios on a live Juju controller: the caller's current one, or the one that
// JUJU_CONTROLLER names, which must be on Kubernetes. Each scenario has a model of its own, and a GitHub of its own: this
// process simulates it, for which the cluster's pods must reach this machine, and this machine them. A cluster on the same
// machine does. No cloud is there: scale sets are made, and no runner boots. live.Scenarios says which scenarios that leaves.
//
//	GARM_CHARM, GARM_CONFIGURATOR_CHARM  packed charms; those in build/ unless they are set
//	GARM_IMAGE, GARM_ROCK                references of OCI images: upstream's GARM and the Python charms' rock. They are
//	                                     needed, for the scenarios that deploy garm, and may be the same
//	GITHUB_ADDRESS                       this machine's address as pods know it; that of the route to the controller unless
//	                                     it is set. Each GitHub listens on a port of its own there
//	KEEP_MODELS                          leave the models as they are
//	JUJU_LOGS                            directory for the logs of models whose scenario failed
package integration_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/bed"
	"github.com/garm-charms/garm-charms/tests/live"
)

// patience is for a cluster that has to pull images first.
const patience = 10 * time.Minute

// calm is several times what a controller takes to tell a unit of another one's change.
const calm = 8 * time.Second

func TestScenarios(t *testing.T) {
	controller := live.Controller{Name: os.Getenv("JUJU_CONTROLLER"), Images: map[string]string{
		"garm-image": needed(t, "GARM_IMAGE"),
		"garm-rock":  needed(t, "GARM_ROCK"),
	}}
	charms, err := bed.StandIns(t.TempDir())
	require.NoError(t, err)
	charms["garm"] = packed(t, "GARM_CHARM", "garm")
	charms["garm-configurator"] = packed(t, "GARM_CONFIGURATOR_CHARM", "garm-configurator")
	run := live.Run{
		AddModel: controller.AddModel,
		Charms:   charms,
		Module:   "..",
		Address:  os.Getenv("GITHUB_ADDRESS"),
		Keep:     os.Getenv("KEEP_MODELS") != "",
		Logs:     os.Getenv("JUJU_LOGS"),
		Wait:     patience,
		Calm:     calm,
	}
	testscript.Run(t, run.Params(live.Scenarios("..")...))
}

func needed(t *testing.T, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	require.NotEmpty(t, value, "set %s to the reference of an OCI image", variable)
	return value
}

// packed is the charm that the variable names, else the one that make pack wrote for this machine.
func packed(t *testing.T, variable, charm string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		path = filepath.Join("..", "..", "build", charm+"_"+runtime.GOARCH+".charm")
	}
	path, err := filepath.Abs(path)
	require.NoError(t, err)
	require.FileExists(t, path, "run make pack, or set %s", variable)
	return path
}
