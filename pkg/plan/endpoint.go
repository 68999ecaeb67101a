package plan

import (
	"fmt"
	"slices"

	"github.com/garm-charms/garm-charms/pkg/desired"
)

// EndpointName is Change.Name of the endpoint called name.
func EndpointName(name string) string { return "endpoint " + name }

// wantDotCom makes GARM's own endpoint anew: an operator can delete it, and GARM seeds it only when it has no other.
func (d *differ) wantDotCom() {
	own := desired.DotCom()
	_, exists := d.have.endpoints[own.Name]
	isOn := func(c desired.Credential) bool { return c.Endpoint == own.Name }
	if !exists && slices.ContainsFunc(d.want.Credentials, isOn) {
		d.change(Change{Verb: Create, Name: EndpointName(own.Name), Why: "it was deleted, and a configurator needs it", Endpoint: &own})
	}
}

func (d *differ) wantEndpoints() {
	d.wantDotCom()
	for _, want := range d.want.Endpoints {
		have, exists := d.have.endpoints[want.Name]
		c := Change{Name: EndpointName(want.Name), Endpoint: &want}
		if !exists {
			c.Verb, c.Why = Create, "a configurator names this GitHub server"
			d.change(c)
			continue
		}
		if why := d.cannotBecome(have, want); why != "" {
			d.deferTo(Deferral{Name: c.Name, Stuck: true, Why: why})
			continue
		}
		if desired.IsMarked(have.Description) && have.Description != want.Description {
			c.Verb, c.Why = Update, "its URLs or its certificate have changed"
			d.change(c)
		}
	}
}

// cannotBecome is why GARM cannot make one endpoint of the other; empty if it can, or need not.
func (d *differ) cannotBecome(have, want desired.Endpoint) string {
	isElsewhere := have.BaseURL != want.BaseURL || have.APIURL != want.APIURL || have.UploadURL != want.UploadURL
	users, _ := d.credentialsOf(have.Name)
	switch {
	case !desired.IsMarked(have.Description) && isElsewhere:
		return fmt.Sprintf("GARM has an endpoint %s for other URLs; rename or delete it there", want.Name)
	case !desired.IsMarked(have.Description):
		return ""
	case isElsewhere && len(users) > 0:
		return "GARM cannot change the URLs of a server that it has scale sets of; set them back to " + have.BaseURL + ", " + have.APIURL + " and " + have.UploadURL
	case have.CACertificate != "" && want.CACertificate == "":
		return "GARM cannot forget the certificate of a server; set github-ca-certificate again"
	}
	return ""
}

// isOutOfReach tells whether nothing of an endpoint can be followed now: what is meant for its server must reach no other.
func (d *differ) isOutOfReach(endpoint string) bool { return d.deferred[EndpointName(endpoint)] }

func (d *differ) pruneEndpoints() {
	for _, have := range d.current.Endpoints {
		_, wanted := d.wanted.endpoints[have.Name]
		if wanted || !desired.IsMarked(have.Description) {
			continue
		}
		users, used := d.credentialsOf(have.Name)
		if used {
			continue
		}
		d.change(Change{Verb: Delete, Name: EndpointName(have.Name), Why: "no configurator names this GitHub server any more", Endpoint: &have, Needs: users})
	}
}

// credentialsOf names the credentials of the endpoint, and tells whether one of them is there after the plan.
func (d *differ) credentialsOf(endpoint string) (names []string, used bool) {
	for _, have := range d.current.Credentials {
		if have.Endpoint != endpoint {
			continue
		}
		names = append(names, CredentialName(have.Name))
		used = used || !slices.ContainsFunc(d.plan.Changes, func(c Change) bool {
			return c.Verb == Delete && c.Credential != nil && c.Credential.ID == have.ID
		})
	}
	return names, used
}
