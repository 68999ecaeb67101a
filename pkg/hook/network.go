package hook

import (
	"context"
	"fmt"
	"slices"
)

// Network is where this unit is reached through an endpoint.
type Network struct {
	BindAddress    string // the pod's own address
	IngressAddress string // what to tell others; on Kubernetes the Service's address or name
}

// Network returns the addresses bound to an endpoint. It is zero while the unit has none.
func (t *Tools) Network(ctx context.Context, endpoint string) (Network, error) {
	var info struct {
		Bind []struct {
			Addresses []struct {
				Value string `json:"value"`
			} `json:"addresses"`
		} `json:"bind-addresses"`
		Ingress []string `json:"ingress-addresses"`
	}
	if err := t.read(ctx, &info, "network-get", "--format=json", "--", endpoint); err != nil {
		return Network{}, fmt.Errorf("cannot read network of endpoint %s: %w", endpoint, err)
	}
	var network Network
	if len(info.Bind) > 0 && len(info.Bind[0].Addresses) > 0 {
		network.BindAddress = info.Bind[0].Addresses[0].Value
	}
	network.IngressAddress = network.BindAddress
	if len(info.Ingress) > 0 {
		network.IngressAddress = info.Ingress[0]
	}
	return network, nil
}

// SetPorts makes the opened ports of this unit exactly want, each as "8080/tcp".
func (t *Tools) SetPorts(ctx context.Context, want ...string) error {
	var opened []string
	if err := t.read(ctx, &opened, "opened-ports", "--format=json"); err != nil {
		return fmt.Errorf("cannot list opened ports: %w", err)
	}
	for _, port := range want {
		if slices.Contains(opened, port) {
			continue
		}
		if err := t.run(ctx, "open-port", "--", port); err != nil {
			return fmt.Errorf("cannot open port %s: %w", port, err)
		}
	}
	for _, port := range opened {
		if slices.Contains(want, port) {
			continue
		}
		if err := t.run(ctx, "close-port", "--", port); err != nil {
			return fmt.Errorf("cannot close port %s: %w", port, err)
		}
	}
	return nil
}
