package live

import (
	"fmt"
	"strings"
)

// noLeaks: none of the secrets that the operator has stands where a client of the controller can read: in the log, in statuses,
// in databags.
func (s *script) noLeaks() error {
	secrets, err := s.secrets()
	if err != nil {
		return err
	}
	status, err := s.model.Status(s.ctx)
	if err != nil {
		return err
	}
	records := map[string]string{"status": status.String()}
	for i, line := range s.model.DebugLog() {
		records[fmt.Sprintf("log line %d of %s", i, line.Unit)] = line.Message
	}
	bags, err := s.model.ShowUnit(s.ctx, "garm/0")
	if err != nil {
		return err
	}
	records["databags"] = fmt.Sprint(bags)
	for where, text := range records {
		for what, value := range secrets {
			if strings.Contains(text, value) {
				return fmt.Errorf("%s stands in %s", what, where)
			}
		}
	}
	return nil
}

// secrets are the values that the operator knows, by what they are.
func (s *script) secrets() (map[string]string, error) {
	secrets, err := s.Secrets()
	if err != nil {
		return nil, err
	}
	garm, err := s.model.Run(s.ctx, "garm/leader", "get-credentials", nil)
	if err != nil {
		return nil, err
	}
	secrets["GARM's password"] = fmt.Sprint(garm.Results["password"])
	return secrets, nil
}
