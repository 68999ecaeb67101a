package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/BurntSushi/toml"
	"gopkg.in/yaml.v3"
)

// config is the configuration file of garm-provider-openstack, whose keys these are; a key that is none of them would have
// no effect there, so it is refused here.
type config struct {
	Cloud       string `toml:"cloud"`
	NetworkID   string `toml:"network_id"`
	Credentials struct {
		Clouds string `toml:"clouds"`
	} `toml:"credentials"`
	UseConfigDrive        bool     `toml:"use_config_drive"`
	DefaultStorageBackend string   `toml:"default_storage_backend"`
	DefaultSecurityGroups []string `toml:"default_security_groups"`
	BootFromVolume        bool     `toml:"boot_from_volume"`
	RootDiskSize          int64    `toml:"root_disk_size"`
	AllowedImageOwners    []string `toml:"allowed_image_owners"`
	ImageVisibility       string   `toml:"image_visibility"`
	DisableUpdatesOnBoot  bool     `toml:"disable_updates_on_boot"`
	EnableBootDebug       bool     `toml:"enable_boot_debug"`

	file, cloudsFile []byte // as they were read
}

// clouds is the part of OpenStack's clouds.yaml that a client with a user name and a password needs.
type clouds struct {
	Clouds map[string]struct {
		Auth struct {
			AuthURL           string `yaml:"auth_url"`
			Username          string `yaml:"username"`
			Password          string `yaml:"password"`
			ProjectName       string `yaml:"project_name"`
			UserDomainName    string `yaml:"user_domain_name"`
			ProjectDomainName string `yaml:"project_domain_name"`
		} `yaml:"auth"`
		RegionName string `yaml:"region_name"`
	} `yaml:"clouds"`
}

func readConfig(path string) (config, error) {
	var c config
	var err error
	if c.file, err = os.ReadFile(path); err != nil {
		return c, fmt.Errorf("cannot read the provider's configuration: %w", err)
	}
	found, err := toml.Decode(string(c.file), &c)
	if err != nil {
		return c, fmt.Errorf("cannot read %s: %w", path, err)
	}
	if unknown := found.Undecoded(); len(unknown) > 0 {
		return c, fmt.Errorf("cannot use %s: unknown key %s", path, unknown[0])
	}
	for _, key := range []struct{ name, value string }{
		{"cloud", c.Cloud}, {"network_id", c.NetworkID}, {"credentials.clouds", c.Credentials.Clouds},
	} {
		if key.value == "" {
			return c, fmt.Errorf("cannot use %s: missing %s", path, key.name)
		}
	}
	if c.cloudsFile, err = os.ReadFile(c.Credentials.Clouds); err != nil {
		return c, fmt.Errorf("cannot use %s: cannot read credentials: %w", path, err)
	}
	if err := checkClouds(c.cloudsFile, c.Cloud); err != nil {
		return c, fmt.Errorf("cannot use %s: %w", c.Credentials.Clouds, err)
	}
	return c, nil
}

func checkClouds(file []byte, name string) error {
	var all clouds
	if err := yaml.Unmarshal(file, &all); err != nil {
		// The parser's message may quote the file, which holds a password.
		return errors.New("cannot parse it as YAML")
	}
	cloud, ok := all.Clouds[name]
	if !ok {
		return fmt.Errorf("cloud %q is not in it", name)
	}
	for _, key := range []struct{ name, value string }{
		{"auth.auth_url", cloud.Auth.AuthURL},
		{"auth.username", cloud.Auth.Username},
		{"auth.password", cloud.Auth.Password},
		{"auth.project_name", cloud.Auth.ProjectName},
		{"auth.user_domain_name", cloud.Auth.UserDomainName},
		{"auth.project_domain_name", cloud.Auth.ProjectDomainName},
		{"region_name", cloud.RegionName},
	} {
		if key.value == "" {
			return fmt.Errorf("cloud %q has no %s", name, key.name)
		}
	}
	if !strings.HasPrefix(cloud.Auth.AuthURL, "http://") && !strings.HasPrefix(cloud.Auth.AuthURL, "https://") {
		return fmt.Errorf("cloud %q: auth.auth_url is not an http(s) URL", name)
	}
	return nil
}
