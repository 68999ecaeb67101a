package bed

import (
	"maps"
	"slices"
	"strings"
)

// another NAME [OPTION=VALUE...]: a further scale set in the world that setup made. Its options are set before it is
// integrated.
func (s *Script) another(args []string) (string, error) {
	name := args[0]
	options := Basics(name)
	for secret, option := range map[string]string{"openstack": "openstack-password", "app-key": "github-app-private-key"} {
		info, err := s.Model.ShowSecret(s.ctx, secret, false)
		if err != nil {
			return "", err
		}
		options[option] = info.URI
	}
	for _, arg := range args[1:] {
		option, value, _ := strings.Cut(arg, "=")
		options[option] = value
	}
	config := []string{"config", name}
	for _, option := range slices.Sorted(maps.Keys(options)) {
		config = append(config, option+"="+options[option])
	}
	for _, line := range [][]string{
		{"deploy", "./garm-configurator.charm", name},
		{"grant-secret", "openstack", name},
		{"grant-secret", "app-key", name},
		config,
		{"integrate", name, "builder"},
		{"integrate", name, "garm"},
	} {
		if _, err := s.juju(line); err != nil {
			return "", err
		}
	}
	return "", nil
}
