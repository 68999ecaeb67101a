// Program provider is the external GARM provider of the test cloud: GARM runs it in place of garm-provider-openstack, it
// reads the same configuration and options, is as strict with them, and writes down what a cloud would have booted instead
// of booting it. It must not run anything or reach any network.
//
// The cloud is the directory /cloud, or the one that CLOUD_DIR names:
//
//	calls.jsonl                  one line for each call: time, command, pool, instance, error
//	faults.json                  optional, written by tests: {"CreateInstance": {"message": "no valid host", "delay_ms": 100}}
//	instances/NAME/              a machine that exists: bootstrap.json (what GARM sent), user-data (what the machine would
//	                             boot with), env.json (environment of the call), provider.toml and clouds.yaml (the
//	                             configuration at that moment), instance.json (what the cloud says of the machine)
//	deleted/NAME/                the same of a machine that is gone
//
// Package tests/provider reads it. All of it is for its owner alone, since it holds the machines' tokens.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/cloudbase/garm-provider-common/execution"
	"github.com/cloudbase/garm-provider-common/execution/common"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	out, err := run(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(common.ResolveErrorToExitCode(err))
	}
	fmt.Print(out)
}

func run(ctx context.Context) (string, error) {
	store, err := openStore(os.Getenv("CLOUD_DIR"))
	if err != nil {
		return "", err
	}
	call := call{
		Command:  os.Getenv("GARM_COMMAND"),
		Pool:     os.Getenv("GARM_POOL_ID"),
		Instance: os.Getenv("GARM_INSTANCE_ID"),
	}
	out, err := answer(ctx, store, &call)
	if err != nil {
		call.Error = err.Error()
	}
	if err := store.logCall(call); err != nil {
		return "", err
	}
	return out, err
}

func answer(ctx context.Context, store store, call *call) (string, error) {
	if err := store.fault(ctx, call.Command); err != nil {
		return "", err
	}
	environment, err := execution.GetEnvironment()
	if err != nil {
		return "", err
	}
	if name := environment.EnvironmentV010.BootstrapParams.Name; name != "" {
		call.Instance = name
	}
	config, err := readConfig(environment.ProviderConfigFile)
	if err != nil {
		return "", err
	}
	return environment.Run(ctx, cloud{store: store, config: config, controllerID: environment.ControllerID})
}
