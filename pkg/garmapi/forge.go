package garmapi

import (
	"context"
	"math"

	"github.com/cloudbase/garm/client/credentials"
	"github.com/cloudbase/garm/client/endpoints"
	"github.com/cloudbase/garm/params"

	"github.com/garm-charms/garm-charms/pkg/secret"
)

// Credential is what GARM uses to act on GitHub: a GitHub App or a personal access token. GARM never returns either,
// nor a hash of it, so a caller that wants to see a change later puts a fingerprint into the description.
type Credential struct {
	Name        string
	Description string
	Endpoint    string // name of the endpoint; cannot change
	App         *App
	Token       secret.Value // personal access token, when App is nil
}

// App is an installation of a GitHub App.
type App struct {
	ID             int64
	InstallationID int64
	PrivateKey     secret.Value // PEM, PKCS#1; GARM answers a bare 500 to PKCS#8
}

// Endpoints returns the GitHub endpoints.
func (c *Client) Endpoints(ctx context.Context) ([]params.ForgeEndpoint, error) {
	list, err := payload(c.api.Endpoints.ListGithubEndpoints(endpoints.NewListGithubEndpointsParamsWithContext(ctx), nil))
	return list, named(err, "list endpoints")
}

// CreateEndpoint creates a GitHub endpoint. Names are unique whatever their case.
func (c *Client) CreateEndpoint(ctx context.Context, endpoint params.CreateGithubEndpointParams) (params.ForgeEndpoint, error) {
	p := endpoints.NewCreateGithubEndpointParamsWithContext(ctx).WithBody(endpoint)
	created, err := payload(c.api.Endpoints.CreateGithubEndpoint(p, nil))
	return created, named(err, "create endpoint %q", endpoint.Name)
}

// UpdateEndpoint changes the fields that are set. A certificate can be replaced but not taken away.
func (c *Client) UpdateEndpoint(ctx context.Context, name string, change params.UpdateGithubEndpointParams) (params.ForgeEndpoint, error) {
	p := endpoints.NewUpdateGithubEndpointParamsWithContext(ctx).WithName(name).WithBody(change)
	updated, err := payload(c.api.Endpoints.UpdateGithubEndpoint(p, nil))
	return updated, named(err, "update endpoint %q", name)
}

// DeleteEndpoint deletes an endpoint; it is no error when there is none. IsInvalid tells that it is in use.
func (c *Client) DeleteEndpoint(ctx context.Context, name string) error {
	err := c.api.Endpoints.DeleteGithubEndpoint(endpoints.NewDeleteGithubEndpointParamsWithContext(ctx).WithName(name), nil)
	return named(err, "delete endpoint %q", name)
}

// Credentials returns the GitHub credentials, without their secrets.
func (c *Client) Credentials(ctx context.Context) ([]params.ForgeCredentials, error) {
	list, err := payload(c.api.Credentials.ListCredentials(credentials.NewListCredentialsParamsWithContext(ctx), nil))
	return list, named(err, "list credentials")
}

// CreateCredential creates a credential. GARM does not try it on GitHub.
func (c *Client) CreateCredential(ctx context.Context, credential Credential) (params.ForgeCredentials, error) {
	body := params.CreateGithubCredentialsParams{
		Name:        credential.Name,
		Description: credential.Description,
		Endpoint:    credential.Endpoint,
		AuthType:    params.ForgeAuthTypePAT,
	}
	if credential.App != nil {
		body.AuthType = params.ForgeAuthTypeApp
		body.App = credential.App.params()
	} else {
		body.PAT.OAuth2Token = credential.Token.Reveal()
	}
	p := credentials.NewCreateCredentialsParamsWithContext(ctx).WithBody(body)
	created, err := payload(c.api.Credentials.CreateCredentials(p, nil))
	return created, named(err, "create credential %q", credential.Name)
}

// UpdateCredential replaces name, description and secret of the credential with that id; GARM uses them at once. Its
// kind and endpoint cannot change.
func (c *Client) UpdateCredential(ctx context.Context, id uint, credential Credential) (params.ForgeCredentials, error) {
	body := params.UpdateGithubCredentialsParams{Name: &credential.Name, Description: &credential.Description}
	if credential.App != nil {
		app := credential.App.params()
		body.App = &app
	} else {
		body.PAT = &params.GithubPAT{OAuth2Token: credential.Token.Reveal()}
	}
	p := credentials.NewUpdateCredentialsParamsWithContext(ctx).WithID(signed(id)).WithBody(body)
	updated, err := payload(c.api.Credentials.UpdateCredentials(p, nil))
	return updated, named(err, "update credential %q", credential.Name)
}

// Credential returns one of the GitHub credentials, without its secrets.
func (c *Client) Credential(ctx context.Context, id uint) (params.ForgeCredentials, error) {
	p := credentials.NewGetCredentialsParamsWithContext(ctx).WithID(signed(id))
	found, err := payload(c.api.Credentials.GetCredentials(p, nil))
	return found, named(err, "read credential %d", id)
}

// DeleteCredential deletes a credential; it is no error when there is none. IsInvalid tells that it is in use.
func (c *Client) DeleteCredential(ctx context.Context, id uint) error {
	err := c.api.Credentials.DeleteCredentials(credentials.NewDeleteCredentialsParamsWithContext(ctx).WithID(signed(id)), nil)
	return named(err, "delete credential %d", id)
}

func (a *App) params() params.GithubApp {
	return params.GithubApp{AppID: a.ID, InstallationID: a.InstallationID, PrivateKeyBytes: []byte(a.PrivateKey.Reveal())}
}

// signed turns a database id into the type that the client's routes take.
func signed(id uint) int64 {
	if id > math.MaxInt64 {
		return 0
	}
	return int64(id)
}
