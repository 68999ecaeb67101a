package bed

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/garm-charms/garm-charms/tests/github"
	"github.com/garm-charms/garm-charms/tests/provider"
)

// Password is the OpenStack password that Setup configures.
const Password = "not-a-real-password"

// AppKeyFile and PasswordFile are the files, in the operator's directory, of the secrets that Setup adds.
const (
	AppKeyFile   = "app.pem"
	PasswordFile = "password.txt"
)

// AddApp registers a GitHub App whose new key it writes to a file in the operator's directory.
func (b *Bed) AddApp(appID, installationID int64, file string) error {
	return b.addApp(b.GitHub, appID, installationID, file)
}

func (b *Bed) addApp(server *github.Server, appID, installationID int64, file string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	server.AddApp(appID, installationID, &key.PublicKey)
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return os.WriteFile(filepath.Join(b.operatorDir, file), text, 0o600)
}

// Basics are the options, beside secrets, that every scale set needs; "small" is its name.
func Basics(scaleSet string) map[string]string {
	return map[string]string{
		"name":                          scaleSet,
		"org":                           "acme",
		"flavor":                        "m1.small",
		"os-arch":                       "amd64",
		"min-idle-runner":               "1",
		"max-runner":                    "2",
		"openstack-auth-url":            "https://keystone.example.com:5000/v3",
		"openstack-username":            "ci",
		"openstack-project-name":        "runners",
		"openstack-user-domain-name":    "Default",
		"openstack-project-domain-name": "Default",
		"openstack-region-name":         "RegionOne",
		"openstack-network":             "runners",
		"github-app-id":                 "42",
		"github-app-installation-id":    "7",
	}
}

// Prepare makes what an operator has before deploying: an organisation, an App with its key, and a password.
func (b *Bed) Prepare() error {
	if err := b.GitHub.AddEntity(github.Organization("acme")); err != nil {
		return err
	}
	if err := b.AddApp(42, 7, AppKeyFile); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.operatorDir, PasswordFile), []byte(Password+"\n"), 0o600)
}

// Setup prepares and types what an operator types to have GARM run one scale set of the application's name, without
// runner options. Say is called with each line before it is carried out.
func (b *Bed) Setup(ctx context.Context, scaleSet string, say func(line string)) error {
	if err := b.Prepare(); err != nil {
		return err
	}
	lines := []string{
		"deploy ./garm.charm garm --storage data=1G --resource app-image=" + imageName,
		"deploy ./garm-configurator.charm " + scaleSet,
		"deploy ./image-builder.charm builder --config image-id=ubuntu-24.04",
		"add-secret openstack value#file=" + PasswordFile,
		"add-secret app-key value#file=" + AppKeyFile,
		"grant-secret openstack " + scaleSet,
		"grant-secret app-key " + scaleSet,
	}
	uris := map[string]string{}
	for _, line := range lines {
		out, err := b.Type(ctx, line, say)
		if err != nil {
			return err
		}
		if words := strings.Fields(line); words[0] == "add-secret" {
			uris[words[1]] = strings.TrimSpace(out)
		}
	}
	config := "config " + scaleSet
	basics := Basics(scaleSet)
	for _, name := range slices.Sorted(maps.Keys(basics)) {
		config += " " + name + "=" + basics[name]
	}
	config += " openstack-password=" + uris["openstack"] + " github-app-private-key=" + uris["app-key"]
	for _, line := range []string{config, "integrate " + scaleSet + " builder", "integrate " + scaleSet + " garm"} {
		if _, err := b.Type(ctx, line, say); err != nil {
			return err
		}
	}
	return nil
}

// Type carries out one juju line without quotes in it and returns what it printed.
func (b *Bed) Type(ctx context.Context, line string, say func(line string)) (string, error) {
	say("juju " + line)
	var out strings.Builder
	err := b.Juju(&out).Run(ctx, strings.Fields(line)...)
	return out.String(), err
}

// Secret is a value that must not stand in the world's records.
type Secret struct {
	Name  string // what it is
	Value string
	// OnConsole says that GARM's own install script shows it on the runner's console, which only the cloud's owner sees.
	OnConsole bool
}

// Secrets are those that this world has so far.
func (b *Bed) Secrets(ctx context.Context) ([]Secret, error) {
	secrets := []Secret{{Name: "the OpenStack password", Value: Password}}
	key, err := os.ReadFile(filepath.Join(b.operatorDir, AppKeyFile))
	if err != nil {
		return nil, err
	}
	if lines := strings.Split(string(key), "\n"); len(lines) > 2 {
		secrets = append(secrets, Secret{Name: "the App's private key", Value: lines[1]})
	}
	own, err := b.Model.Secrets(ctx)
	if err != nil {
		return nil, err
	}
	for _, known := range own {
		info, err := b.Model.ShowSecret(ctx, known.URI, true)
		if err != nil {
			return nil, err
		}
		for _, name := range []string{"password", "jwt-secret", "db-passphrase"} {
			if value, has := info.Content[name]; has {
				secrets = append(secrets, Secret{Name: "GARM's " + name, Value: value})
			}
		}
	}
	instances, err := b.allInstances()
	if err != nil {
		return nil, err
	}
	for _, instance := range instances {
		token := Secret{Name: "the instance token of " + instance.Name, Value: instance.Bootstrap.InstanceToken, OnConsole: true}
		secrets = append(secrets, token)
	}
	return secrets, nil
}

func (b *Bed) allInstances() ([]provider.Instance, error) {
	live, err := b.Cloud.Instances()
	if err != nil {
		return nil, err
	}
	gone, err := b.Cloud.Deleted()
	if err != nil {
		return nil, fmt.Errorf("cannot list deleted instances: %w", err)
	}
	return append(live, gone...), nil
}
