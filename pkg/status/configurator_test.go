package status_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/status"
)

func TestAllProblems(t *testing.T) {
	problems := []runnerconfig.Problem{{Option: "name", Missing: true}, {Option: "os-arch", Text: "is\nwrong"}}
	assert.Equal(t, "none", status.AllProblems(nil))
	assert.Equal(t, "name is required\nos-arch is wrong", status.AllProblems(problems))
	assert.Equal(t, "it failed", status.NoBlocks(errors.New("it failed"), nil))
	assert.Equal(t, "it failed; the configuration's problems: name is required; os-arch is wrong", status.NoBlocks(errors.New("it failed"), problems))
}

func TestAnswerOfAction(t *testing.T) {
	assert.Equal(t, map[string]string{"status": "no answer"}, status.Answer("", "", "", "", ""))
	assert.Equal(t, map[string]string{"status": "ready", "message": "m", "scale-set-id": "3", "template-id": "2", "provider": "small"},
		status.Answer("ready", "m", "3", "2", "small"))
}
