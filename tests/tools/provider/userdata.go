package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/cloudbase/garm-provider-common/cloudconfig"
	"github.com/cloudbase/garm-provider-common/params"
	"github.com/cloudbase/garm-provider-common/util"
)

// maxUserData is Nova's limit on user data, in bytes after base64 encoding (its constant MAX_USERDATA_SIZE).
const maxUserData = 65535

// extraSpecs are the options a scale set may give to garm-provider-openstack, which refuses any other.
type extraSpecs struct {
	SecurityGroups     []string `json:"security_groups"`
	AllowedImageOwners []string `json:"allowed_image_owners"`
	ImageVisibility    string   `json:"image_visibility"`
	NetworkID          string   `json:"network_id"`
	StorageBackend     string   `json:"storage_backend"`
	BootFromVolume     *bool    `json:"boot_from_volume"`
	BootDiskSize       *int64   `json:"boot_disk_size"`
	UseConfigDrive     *bool    `json:"use_config_drive"`
	EnableBootDebug    *bool    `json:"enable_boot_debug"`
	DisableUpdates     *bool    `json:"disable_updates"`
	ExtraPackages      []string `json:"extra_packages"`
	cloudconfig.CloudConfigSpec
}

func parseExtraSpecs(raw json.RawMessage) (extraSpecs, error) {
	var specs extraSpecs
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&specs); err != nil {
		return specs, fmt.Errorf("cannot use extra_specs: %w", err)
	}
	return specs, nil
}

// userData is what the machine would boot with: cloud-init's configuration.
func userData(machine params.BootstrapInstance, c config) (string, error) {
	specs, err := parseExtraSpecs(machine.ExtraSpecs)
	if err != nil {
		return "", err
	}
	tools, err := util.GetTools(machine.OSType, machine.OSArch, machine.Tools)
	if err != nil {
		return "", fmt.Errorf("cannot find the runner's tools: %w", err)
	}
	machine.UserDataOptions = params.UserDataOptions{
		DisableUpdatesOnBoot: value(specs.DisableUpdates, c.DisableUpdatesOnBoot),
		EnableBootDebug:      value(specs.EnableBootDebug, c.EnableBootDebug),
		ExtraPackages:        specs.ExtraPackages,
	}
	data, err := cloudconfig.GetCloudConfig(machine, tools, machine.Name)
	if err != nil {
		return "", fmt.Errorf("cannot make user data: %w", err)
	}
	if base64.StdEncoding.EncodedLen(len(data)) > maxUserData {
		return "", fmt.Errorf("user data too large: it must be no larger than 64KB once base64 encoded, and is %d bytes before", len(data))
	}
	return data, nil
}

func value(given *bool, otherwise bool) bool {
	if given == nil {
		return otherwise
	}
	return *given
}
