package garmapi

import (
	"context"

	"github.com/cloudbase/garm/client/controller"
	"github.com/cloudbase/garm/client/controller_info"
	"github.com/cloudbase/garm/client/first_run"
	"github.com/cloudbase/garm/client/providers"
	"github.com/cloudbase/garm/params"
	"github.com/go-openapi/runtime"

	"github.com/garm-charms/garm-charms/pkg/secret"
)

// Admin is the one user of a GARM server.
type Admin struct {
	Username string // letters and digits, at most 64
	Password secret.Value
	Email    string
	FullName string
}

// URLs are the addresses under which runners and GitHub reach GARM.
type URLs struct {
	Metadata string
	Callback string
	Webhook  string
	Agent    string
}

// URLsOf are the URLs that a GARM has.
func URLsOf(info params.ControllerInfo) URLs {
	return URLs{Metadata: info.MetadataURL, Callback: info.CallbackURL, Webhook: info.WebhookURL, Agent: info.AgentURL}
}

// FirstRun creates the administrator of a new GARM. IsConflict tells that it was done before, IsInvalid that the
// password is too weak.
func (c *Client) FirstRun(ctx context.Context, admin Admin) error {
	body := params.NewUserParams{
		Username: admin.Username,
		Password: admin.Password.Reveal(),
		Email:    admin.Email,
		FullName: admin.FullName,
	}
	_, err := c.api.FirstRun.FirstRun(first_run.NewFirstRunParamsWithContext(ctx).WithBody(body), nil)
	return named(err, "make GARM's first run")
}

// Controller returns what GARM says of itself; it can be asked before the URLs are set.
func (c *Client) Controller(ctx context.Context) (params.ControllerInfo, error) {
	// The client knows only /controller-info, which GARM refuses until its URLs are set; /controller gives the same
	// answer at any time.
	current := func(op *runtime.ClientOperation) { op.PathPattern = "/controller" }
	info, err := payload(c.api.ControllerInfo.ControllerInfo(controller_info.NewControllerInfoParamsWithContext(ctx), nil, current))
	return info, named(err, "read GARM's controller")
}

// Version returns GARM's version, such as "v0.2.1".
func (c *Client) Version(ctx context.Context) (string, error) {
	info, err := c.Controller(ctx)
	return info.Version, err
}

// UpdateController sets GARM's URLs. All four are sent, since GARM invents an agent URL without a path when it has none.
func (c *Client) UpdateController(ctx context.Context, urls URLs) (params.ControllerInfo, error) {
	body := params.UpdateControllerParams{
		MetadataURL: &urls.Metadata,
		CallbackURL: &urls.Callback,
		WebhookURL:  &urls.Webhook,
		AgentURL:    &urls.Agent,
	}
	info, err := payload(c.api.Controller.UpdateController(controller.NewUpdateControllerParamsWithContext(ctx).WithBody(body), nil))
	return info, named(err, "set GARM's URLs")
}

// Providers returns the providers in GARM's configuration. GARM accepts a scale set of a provider that is not among
// them, and then never makes a runner for it.
func (c *Client) Providers(ctx context.Context) ([]params.Provider, error) {
	list, err := payload(c.api.Providers.ListProviders(providers.NewListProvidersParamsWithContext(ctx), nil))
	return list, named(err, "list providers")
}
