package bed

import (
	"maps"
	"slices"
)

// another NAME [OPTION=VALUE...]: a further scale set in the world that setup made. Its options are set before it is
// integrated.
func (s *Script) another(args []string) (string, error) {
	name := args[0]
	config := append([]string{"config", name}, args[1:]...)
	basics := Basics(name)
	for _, option := range slices.Sorted(maps.Keys(basics)) {
		config = append(config, option+"="+basics[option])
	}
	for secret, option := range map[string]string{"openstack": "openstack-password", "app-key": "github-app-private-key"} {
		info, err := s.Model.ShowSecret(s.ctx, secret, false)
		if err != nil {
			return "", err
		}
		config = append(config, option+"="+info.URI)
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
