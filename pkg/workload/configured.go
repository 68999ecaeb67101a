package workload

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/canonical/pebble/client"
	"github.com/pelletier/go-toml/v2"
	"gopkg.in/yaml.v3"

	"github.com/garm-charms/garm-charms/pkg/secret"
)

// Configured reads back those of the named providers that Render wrote and Apply pushed, sorted by name. It is how a
// provider whose declaration is gone is kept until its last runner is.
func Configured(pebble Filesystem, image Image, names []string) ([]Provider, error) {
	return configured(pebble, image, Config{}.dir(), names)
}

func configured(pebble Filesystem, image Image, dir string, names []string) ([]Provider, error) {
	present, err := list(pebble, dir)
	if err != nil {
		return nil, err
	}
	var providers []Provider
	for _, file := range slices.Sorted(maps.Keys(present)) {
		if isProvider, _ := path.Match(path.Join(dir, "provider-*.toml"), file); !isProvider {
			continue
		}
		var cfg openstackTOML
		if err := pull(pebble, file, toml.Unmarshal, &cfg); err != nil {
			return nil, err
		}
		if !slices.Contains(names, cfg.Cloud) {
			continue // what is not wanted may be broken: Apply writes or removes it
		}
		provider, err := readProvider(pebble, cfg)
		if err != nil {
			return nil, err
		}
		provider.Executable = image.Provider("openstack")
		providers = append(providers, provider)
	}
	return providers, nil
}

func readProvider(pebble Filesystem, cfg openstackTOML) (Provider, error) {
	var clouds cloudsYAML
	if err := pull(pebble, cfg.Credentials.Clouds, yaml.Unmarshal, &clouds); err != nil {
		return Provider{}, err
	}
	c := clouds.Clouds[cfg.Cloud]
	return Provider{
		Name:      cfg.Cloud,
		NetworkID: cfg.NetworkID,
		Cloud: Cloud{
			AuthURL:           c.Auth.AuthURL,
			Username:          c.Auth.Username,
			Password:          secret.New(c.Auth.Password),
			ProjectName:       c.Auth.ProjectName,
			UserDomainName:    c.Auth.UserDomainName,
			ProjectDomainName: c.Auth.ProjectDomainName,
			RegionName:        c.RegionName,
		},
	}, nil
}

func pull(pebble Filesystem, file string, decode func([]byte, any) error, into any) error {
	var text bytes.Buffer
	if err := pebble.Pull(&client.PullOptions{Path: file, Target: &text}); err != nil {
		return fmt.Errorf("cannot read %s in the container: %w", file, err)
	}
	if err := decode(text.Bytes(), into); err != nil {
		return fmt.Errorf("cannot decode %s in the container: it was changed by hand; remove it", file)
	}
	return nil
}
