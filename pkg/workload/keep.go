package workload

import (
	"errors"
	"fmt"

	"gopkg.in/yaml.v3"

	"github.com/garm-charms/garm-charms/pkg/secret"
)

// kept is what Keep writes.
type kept struct {
	Name      string    `yaml:"name"`
	NetworkID string    `yaml:"network_id"`
	Cloud     cloudYAML `yaml:"cloud"`
}

// Keep returns the provider as one text with its password in it, for Restore. The executable is left out: it is the
// image's, which may be another one by then.
func (p Provider) Keep() (secret.Value, error) {
	text, err := yaml.Marshal(kept{Name: p.Name, NetworkID: p.NetworkID, Cloud: cloud(p.Cloud)})
	if err != nil {
		return secret.Value{}, fmt.Errorf("cannot keep provider %q: %w", p.Name, err)
	}
	return secret.New(string(text)), nil
}

// Restore returns a provider that Keep kept, as one of the image.
func Restore(text secret.Value, image Image) (Provider, error) {
	var k kept
	// The decoder's error may quote the text.
	if err := yaml.Unmarshal([]byte(text.Reveal()), &k); err != nil || k.Name == "" {
		return Provider{}, errors.New("cannot restore a provider: what was kept is not one")
	}
	auth := k.Cloud.Auth
	return Provider{
		Name:       k.Name,
		Executable: image.Provider("openstack"),
		NetworkID:  k.NetworkID,
		Cloud: Cloud{
			AuthURL:           auth.AuthURL,
			Username:          auth.Username,
			Password:          secret.New(auth.Password),
			ProjectName:       auth.ProjectName,
			UserDomainName:    auth.UserDomainName,
			ProjectDomainName: auth.ProjectDomainName,
			RegionName:        k.Cloud.RegionName,
		},
	}, nil
}
