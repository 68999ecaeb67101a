package garm

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/integration/configurator"
	"github.com/garm-charms/garm-charms/pkg/plan"
	"github.com/garm-charms/garm-charms/pkg/secret"
	"github.com/garm-charms/garm-charms/pkg/workload"
)

// keptLabel and keptKey are the label, before the provider's name, and the key of a secret that keeps a provider.
const (
	keptLabel = "provider."
	keptKey   = "provider"
)

// providers are those of the valid declarations, of which no two have the same, and of the kept ones those that a scale set of
// the inventory still uses.
func (c charm) providers(ctx context.Context, image workload.Image, in *inputs) ([]workload.Provider, error) {
	providers := map[string]workload.Provider{}
	for _, d := range in.declared {
		if d.Valid() {
			providers[d.ScaleSet.ProviderName] = providerOf(image, d)
		}
	}
	for name := range in.peer.providers {
		if _, has := providers[name]; has || !uses(in.peer.inventory, name) {
			continue
		}
		kept, err := c.tools.SecretByLabel(ctx, keptLabel+name, hook.Peek)
		if errors.Is(err, hook.ErrSecretNotFound) {
			c.log.WarnContext(ctx, "go on without provider "+name+": what was kept of it is lost, and its runners stay", "error", err)
			continue
		}
		if err != nil {
			return nil, err
		}
		if providers[name], err = workload.Restore(kept[keptKey], image); err != nil {
			return nil, err
		}
	}
	return slices.SortedFunc(maps.Values(providers), func(a, b workload.Provider) int { return strings.Compare(a.Name, b.Name) }), nil
}

func uses(inventory plan.Inventory, provider string) bool {
	for _, owned := range inventory.ScaleSets {
		if owned.Provider == provider {
			return true
		}
	}
	return false
}

// keepProviders keeps exactly these providers as secrets. The runners of a scale set can be removed only through its
// provider, and when the configurator is gone so is its secret, and with a restart of the container the provider's file.
func (c charm) keepProviders(ctx context.Context, providers []workload.Provider, in *inputs) error {
	before := in.peer.providers
	in.peer.providers = map[string]string{}
	for _, p := range providers {
		text, err := p.Keep()
		if err != nil {
			return err
		}
		in.peer.providers[p.Name] = keyed(in.keys.jwtSecret, text)
		if before[p.Name] == in.peer.providers[p.Name] {
			continue
		}
		if err := c.keep(ctx, p.Name, hook.SecretContent{keptKey: text}); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, kept := in.peer.providers[name]; kept {
			continue
		}
		if err := c.forget(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (c charm) keep(ctx context.Context, name string, content hook.SecretContent) error {
	info, err := c.tools.SecretInfo(ctx, keptLabel+name)
	switch {
	case errors.Is(err, hook.ErrSecretNotFound):
		_, err = c.tools.AddSecret(ctx, keptLabel+name, content)
	case err == nil:
		err = c.tools.SetSecret(ctx, info.URI, content)
	}
	return err
}

func (c charm) forget(ctx context.Context, name string) error {
	info, err := c.tools.SecretInfo(ctx, keptLabel+name)
	if errors.Is(err, hook.ErrSecretNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.tools.RemoveSecret(ctx, info.URI)
}

// keyed is a digest that tells nothing of the text to those who do not have the key.
func keyed(key, text secret.Value) string {
	sum := hmac.New(sha256.New, []byte(key.Reveal()))
	sum.Write([]byte(text.Reveal()))
	return hex.EncodeToString(sum.Sum(nil))
}

// certificates are those of all valid declarations, for one that is refused because another names its server differently may
// be the one that has the server's next certificate or still its last, and of servers for which none of them has any, those
// that the inventory has: what is left there can be removed only by a GARM that trusts them.
func certificates(declared []configurator.Declared, inventory plan.Inventory) []string {
	var certificates []string
	left := maps.Clone(inventory.Certificates)
	for _, d := range declared {
		if text := d.ScaleSet.GitHubCACertificate; d.Valid() && text != "" {
			certificates = append(certificates, text)
			delete(left, desired.EndpointName(d.ScaleSet.Forge))
		}
	}
	certificates = slices.AppendSeq(certificates, maps.Values(left))
	slices.Sort(certificates)
	return slices.Compact(certificates)
}

func providerOf(image workload.Image, d configurator.Declared) workload.Provider {
	p := d.ScaleSet.Provider
	return workload.Provider{
		Name:       p.ProviderName,
		Executable: image.Provider("openstack"),
		NetworkID:  p.Network,
		Cloud: workload.Cloud{
			AuthURL:           p.AuthURL,
			Username:          p.Username,
			Password:          d.Secrets.Password,
			ProjectName:       p.ProjectName,
			UserDomainName:    p.UserDomainName,
			ProjectDomainName: p.ProjectDomainName,
			RegionName:        p.RegionName,
		},
	}
}
