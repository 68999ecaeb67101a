package bed

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/garm-charms/garm-charms/tests/provider"
)

// break-runner SCALE-SET: the next runner is not booted, but reports what one reports that cannot install itself.
func (s *Script) breakRunner(args []string) (string, error) {
	ctx, cancel := context.WithTimeout(s.ctx, bootLimit)
	defer cancel()
	instance, err := s.newInstance(ctx, args[0])
	if err != nil {
		return "", err
	}
	return "", s.reportFailed(ctx, instance)
}

func (s *Script) reportFailed(ctx context.Context, instance provider.Instance) error {
	host, err := s.Model.PodHost(ctx, "garm/0")
	if err != nil {
		return err
	}
	url := "http://" + netip.AddrPortFrom(host.Addr(), 8080).String() + "/api/v1/callbacks/status"
	body := []byte(`{"status": "failed", "message": "cannot unpack the runner"}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+instance.Bootstrap.InstanceToken)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("cannot report that %s failed: GARM answered %s", instance.Name, res.Status)
	}
	return nil
}
