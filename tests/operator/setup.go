package operator

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/garm-charms/garm-charms/tests/github"
)

// Password is the OpenStack password that Setup configures.
const Password = "not-a-real-password"

// AppKeyFile and PasswordFile are the files, in the operator's directory, of the secrets that Setup adds.
const (
	AppKeyFile   = "app.pem"
	PasswordFile = "password.txt"
)

// addApp registers a GitHub App whose new key it writes to a file in the operator's directory.
func (o *Operator) addApp(server *github.Server, appID, installationID int64, file string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	server.AddApp(appID, installationID, &key.PublicKey)
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return o.keep(file, text)
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

// basics are Basics with as many idle runners as this operator wants.
func (o *Operator) basics(scaleSet string) map[string]string {
	basics := Basics(scaleSet)
	basics["min-idle-runner"] = strconv.Itoa(o.Idle)
	return basics
}

// Secrets are what the operator alone should know of what Prepare makes, by what it is: of the key a line that tells it.
func (o *Operator) Secrets() (map[string]string, error) {
	key, err := o.read(AppKeyFile)
	if err != nil {
		return nil, err
	}
	_, body, _ := strings.Cut(string(key), "\n")
	line, _, _ := strings.Cut(body, "\n")
	return map[string]string{"the OpenStack password": Password, "the App's private key": line}, nil
}

// Prepare makes what an operator has before deploying: an organisation, an App with its key, and a password.
func (o *Operator) Prepare() error {
	if err := o.GitHub.AddEntity(github.Organization("acme")); err != nil {
		return err
	}
	if err := o.addApp(o.GitHub, 42, 7, AppKeyFile); err != nil {
		return err
	}
	return o.keep(PasswordFile, []byte(Password+"\n"))
}

// Setup prepares and types what an operator types to have GARM run one scale set of the application's name, without
// runner options. Say is called with each line before it is carried out.
func (o *Operator) Setup(ctx context.Context, scaleSet string, say func(line string)) error {
	if err := o.Prepare(); err != nil {
		return err
	}
	lines := []string{
		"deploy ./garm.charm garm --storage data=1G --resource app-image=" + "garm-image",
		"deploy ./garm-configurator.charm " + scaleSet,
		"deploy ./image-builder.charm builder --config image-id=ubuntu-24.04",
		"add-secret openstack value#file=" + PasswordFile,
		"add-secret app-key value#file=" + AppKeyFile,
		"grant-secret openstack " + scaleSet,
		"grant-secret app-key " + scaleSet,
	}
	uris := map[string]string{}
	for _, line := range lines {
		out, err := o.Type(ctx, line, say)
		if err != nil {
			return err
		}
		if words := strings.Fields(line); words[0] == "add-secret" {
			uris[words[1]] = strings.TrimSpace(out)
		}
	}
	config := "config " + scaleSet
	basics := o.basics(scaleSet)
	for _, name := range slices.Sorted(maps.Keys(basics)) {
		config += " " + name + "=" + basics[name]
	}
	config += " openstack-password=" + uris["openstack"] + " github-app-private-key=" + uris["app-key"]
	for _, line := range []string{config, "integrate " + scaleSet + " builder", "integrate " + scaleSet + " garm"} {
		if _, err := o.Type(ctx, line, say); err != nil {
			return err
		}
	}
	return nil
}
