package bed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Leaks says of each record of this world in which a secret stands that it does.
func (b *Bed) Leaks(ctx context.Context, secrets []Secret) ([]string, error) {
	records, err := b.records(ctx)
	if err != nil {
		return nil, err
	}
	var leaks []string
	for where, text := range records {
		for _, secret := range secrets {
			if secret.OnConsole && strings.HasPrefix(where, console) {
				continue
			}
			if bytes.Contains(text, []byte(secret.Value)) {
				leaks = append(leaks, fmt.Sprintf("%s stands in %s", secret.Name, where))
			}
		}
	}
	return leaks, nil
}

// console begins the names of the records of runners' consoles.
const console = "console of "

func (b *Bed) records(ctx context.Context) (map[string][]byte, error) {
	records := map[string][]byte{}
	for i, line := range b.Model.DebugLog() {
		records[fmt.Sprintf("log line %d of %s", i, line.Unit)] = []byte(line.Message)
	}
	for i, call := range b.Model.Calls() {
		if call.Args[0] == "action-set" {
			continue // Juju's only way for the result of get-credentials
		}
		records[fmt.Sprintf("arguments of hook tool call %d, %s of %s in %s", i, call.Args[0], call.Unit, call.Hook)] = []byte(fmt.Sprint(call.Args))
	}
	bags, err := b.databags(ctx)
	if err != nil {
		return nil, err
	}
	records["databags"] = bags
	status, err := b.Model.Status(ctx)
	if err != nil {
		return nil, err
	}
	records["status"] = []byte(status.String())
	commands, err := commandLines()
	if err != nil {
		return nil, err
	}
	records["command lines of processes"] = commands
	for name, machine := range b.machines {
		records[console+name] = machine.Log()
	}
	return records, nil
}

// databags are those of the garm-configurator relation, as the garm unit sees them. The image relation's has the password:
// that is its contract.
func (b *Bed) databags(ctx context.Context) ([]byte, error) {
	info, err := b.Model.ShowUnit(ctx, "garm/0")
	if err != nil {
		return nil, err
	}
	return json.Marshal(info)
}

// commandLines are those of all processes in the world.
func commandLines() ([]byte, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	var all []byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // ended since
		}
		if err != nil {
			return nil, err
		}
		all = append(all, text...)
	}
	return all, nil
}
