package desired

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

// GitHubCom is the endpoint that GARM has from the start (GARM database/sql, seeded at first start).
const GitHubCom = "github.com"

// DotCom is GitHubCom as GARM makes it at its first start (GARM database/sql/sql.go, ensureGithubEndpoint). It has no mark: it is
// GARM's own, also when it was deleted and is made anew.
func DotCom() Endpoint {
	return Endpoint{
		Name: GitHubCom, Description: "The github.com endpoint",
		BaseURL: "https://github.com", APIURL: "https://api.github.com/", UploadURL: "https://uploads.github.com/",
	}
}

// longestName is what GARM's database has room for in the names of endpoints and credentials (GARM database/sql/models.go).
const longestName = 64

// fitted is name, or its beginning with a digest if it is too long.
func fitted(name string) string {
	if len(name) <= longestName {
		return name
	}
	const kept = longestName - 9
	return name[:kept] + "-" + digest(name)[:8]
}

// claimedEndpoint is an endpoint with the application that asked for it first.
type claimedEndpoint struct {
	Endpoint
	application string
}

// EndpointName is that of the server's host, so that all who name the same server share its endpoint.
func EndpointName(f runnerconfig.Forge) string {
	u, err := url.Parse(f.GitHubURL)
	if err != nil || u.Host == "" {
		return GitHubCom
	}
	return fitted(strings.ToLower(strings.NewReplacer(":", "-", "[", "", "]", "").Replace(u.Host)))
}

// claimEndpoint takes up the server that d names; GARM's own endpoint is nobody's.
func (b *builder) claimEndpoint(d Declaration) error {
	name := EndpointName(d.Forge)
	if name == GitHubCom {
		return nil
	}
	want := Endpoint{Name: name, BaseURL: d.GitHubURL, APIURL: d.APIURL(), UploadURL: d.UploadURL(), CACertificate: d.GitHubCACertificate}
	want.Description = Mark(want.BaseURL, want.APIURL, want.UploadURL, want.CACertificate)
	if other, known := b.endpoints[name]; known && other.Description != want.Description {
		return fmt.Errorf("%s has other URLs or another certificate for the server %s; give both the same", other.application, d.GitHubURL)
	} else if !known {
		b.endpoints[name] = claimedEndpoint{Endpoint: want, application: d.Application}
	}
	return nil
}

// KeyOf identifies the scale set that is declared.
func KeyOf(s runnerconfig.ScaleSet) ScaleSetKey {
	endpoint := EndpointName(s.Forge)
	key := ScaleSetKey{Entity: NewEntityRef(KindOrganization, s.Org, endpoint), Name: s.Name}
	switch {
	case s.Enterprise != "":
		key.Entity = NewEntityRef(KindEnterprise, s.Enterprise, endpoint)
	case s.Repo != "":
		key.Entity = NewEntityRef(KindRepository, s.Repo, endpoint)
	}
	return key
}

// credentialOf is one for each App, whoever uses it. A token has no name of its own that would outlive its rotation, so
// there is one for each entity.
func (b *builder) credentialOf(d Declaration) (Credential, error) {
	entity := KeyOf(d.ScaleSet).Entity
	server := ""
	if entity.Endpoint != GitHubCom {
		server = "-" + entity.Endpoint
	}
	if !d.Token.Empty() {
		return Credential{
			Name:        fitted("token-" + entity.Kind + "-" + entity.Name + server),
			Endpoint:    entity.Endpoint,
			Description: Mark("token", d.Token.Reveal()),
			Token:       d.Token,
		}, nil
	}
	a := app{id: d.AppID, installation: d.InstallationID, key: d.PrivateKey, endpoint: entity.Endpoint}
	made, known := b.apps[a]
	if !known {
		made.credential, made.err = a.credential(server)
		b.apps[a] = made
	}
	return made.credential, made.err
}

// app is what a credential is made of, once for all scale sets that have the same.
type app struct {
	id, installation int64
	key              secret.Value
	endpoint         string
}

type appCredential struct {
	credential Credential
	err        error
}

func (a app) credential(server string) (Credential, error) {
	key, problem := runnerconfig.PKCS1(a.key)
	if problem != "" {
		return Credential{}, errors.New("github-app-private-key " + problem)
	}
	return Credential{
		Name:           fitted(fmt.Sprintf("app-%d-%d%s", a.id, a.installation, server)),
		Endpoint:       a.endpoint,
		Description:    Mark(strconv.FormatInt(a.id, 10), strconv.FormatInt(a.installation, 10), key.Reveal()),
		AppID:          a.id,
		InstallationID: a.installation,
		PrivateKey:     key,
	}, nil
}

// secretOption is the option that has the secret of d's credential.
func secretOption(d Declaration) string {
	if d.Token.Empty() {
		return "github-app-private-key"
	}
	return "github-token"
}
