package option_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/pkg/option"
)

func TestParseGARM(t *testing.T) {
	defaults := func() map[string]any {
		return map[string]any{"log-level": "info", "web-ui": true, "roll-idle-runners": true}
	}
	read, problems := option.ParseGARM(defaults())
	require.Empty(t, problems)
	assert.Equal(t, option.GARM{LogLevel: "info", WebUI: true, RollIdleRunners: true}, read)

	for _, row := range []struct {
		name  string
		value any
		want  option.GARM
		say   string
	}{
		{"external-url", " https://garm.example.com/ ", option.GARM{ExternalURL: "https://garm.example.com", LogLevel: "info", WebUI: true, RollIdleRunners: true}, ""},
		{"external-url", "garm.example.com", option.GARM{}, "external-url must be a URL like https://garm.example.com, without query"},
		{"external-url", "https://garm.example.com/?a", option.GARM{}, "external-url must be a URL like https://garm.example.com, without query"},
		{"log-level", "debug", option.GARM{LogLevel: "debug", WebUI: true, RollIdleRunners: true}, ""},
		{"log-level", "loud", option.GARM{}, "log-level must be one of debug, info, warn, error"},
		{"web-ui", false, option.GARM{LogLevel: "info", RollIdleRunners: true}, ""},
		{"roll-idle-runners", false, option.GARM{LogLevel: "info", WebUI: true}, ""},
	} {
		config := defaults()
		config[row.name] = row.value
		read, problems := option.ParseGARM(config)
		if row.say != "" {
			require.Len(t, problems, 1, row.name)
			assert.Equal(t, row.say, problems[0].String())
			continue
		}
		require.Empty(t, problems, row.name)
		assert.Equal(t, row.want, read)
	}
}
