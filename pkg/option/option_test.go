package option_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/option"
)

const config = `{
	"name": "small", "openstack-auth-url": "https://keystone.example.com:5000/v3", "openstack-username": "ci",
	"openstack-project-name": "runners", "openstack-user-domain-name": "Default", "openstack-project-domain-name": "Default",
	"openstack-region-name": "RegionOne", "openstack-network": "net", "openstack-password": "secret:abc",
	"github-app-id": 1234567, "github-app-installation-id": 98765432101, "github-app-private-key": "secret:def",
	"flavor": "m1", "os-arch": "amd64", "org": "acme", "min-idle-runner": 0, "max-runner": 2
}`

func TestParseReadsWhatConfigGetPrints(t *testing.T) {
	var values map[string]any
	require.NoError(t, json.Unmarshal([]byte(config), &values))
	scaleSet, problems := option.Parse(values)
	require.Empty(t, problems)
	assert.EqualValues(t, 1234567, scaleSet.AppID)
	assert.EqualValues(t, 98765432101, scaleSet.InstallationID)
	assert.Equal(t, 2, scaleSet.MaxRunner)

	values["max-runner"], values["name"] = 1.5, nil
	_, problems = option.Parse(values)
	require.Len(t, problems, 2)
	assert.Equal(t, "max-runner must be a whole number", problems[0].String())
	assert.Equal(t, "name is required", problems[1].String())
}
