package garmapi

import (
	"context"
	"text/template"

	common "github.com/cloudbase/garm-provider-common/params"
	"github.com/cloudbase/garm/client/templates"
	"github.com/cloudbase/garm/params"
)

// Templates returns all runner-install templates, without their data.
func (c *Client) Templates(ctx context.Context) ([]params.Template, error) {
	list, err := payload(c.api.Templates.ListTemplates(templates.NewListTemplatesParamsWithContext(ctx), nil))
	return list, named(err, "list templates")
}

// Template returns one template with its data.
func (c *Client) Template(ctx context.Context, id uint) (params.Template, error) {
	p := templates.NewGetTemplateParamsWithContext(ctx).WithTemplateID(float64(id))
	found, err := payload(c.api.Templates.GetTemplate(p, nil))
	return found, named(err, "read template %d", id)
}

// CreateTemplate creates a template.
func (c *Client) CreateTemplate(ctx context.Context, body params.CreateTemplateParams) (params.Template, error) {
	if err := parses(body.Data); err != nil {
		return params.Template{}, named(err, "create template %q", body.Name)
	}
	p := templates.NewCreateTemplateParamsWithContext(ctx).WithBody(body)
	created, err := payload(c.api.Templates.CreateTemplate(p, nil))
	return created, named(err, "create template %q", body.Name)
}

// UpdateTemplate changes the fields that are set. GARM answers a bare 500 to a name that another template has.
func (c *Client) UpdateTemplate(ctx context.Context, id uint, change params.UpdateTemplateParams) (params.Template, error) {
	if err := parses(change.Data); err != nil {
		return params.Template{}, named(err, "update template %d", id)
	}
	p := templates.NewUpdateTemplateParamsWithContext(ctx).WithTemplateID(float64(id)).WithBody(change)
	updated, err := payload(c.api.Templates.UpdateTemplate(p, nil))
	return updated, named(err, "update template %d", id)
}

// DeleteTemplate deletes a template, also one of GARM's own; it is no error when there is none. IsInvalid tells that it
// is in use.
func (c *Client) DeleteTemplate(ctx context.Context, id uint) error {
	err := c.api.Templates.DeleteTemplate(templates.NewDeleteTemplateParamsWithContext(ctx).WithTemplateID(float64(id)), nil)
	return named(err, "delete template %d", id)
}

// RestoreSystemTemplate puts GARM's own template back to what its release ships, also one that was deleted. An upgrade of GARM
// does not refresh it (GARM database/sql/sql.go, ensureTemplates).
func (c *Client) RestoreSystemTemplate(ctx context.Context, osType common.OSType, forge params.EndpointType) error {
	p := templates.NewRestoreTemplatesParamsWithContext(ctx).WithBody(params.RestoreTemplateRequest{OSType: osType, Forge: forge})
	return named(c.api.Templates.RestoreTemplates(p, nil), "restore GARM's template for %s runners of %s", osType, forge)
}

// SystemTemplate finds GARM's own template, the one that a scale set without a template of its own uses. A template of
// a user may have the same name, so that the name does not tell; and there is no id that means "none".
func SystemTemplate(list []params.Template, osType common.OSType, forge params.EndpointType) (params.Template, bool) {
	for _, t := range list {
		if t.Owner == params.SystemUser && t.OSType == osType && t.ForgeType == forge {
			return t, true
		}
	}
	return params.Template{}, false
}

// parses reads data as GARM will when a runner boots, since v0.2.1 stores anything and that runner then gets a bare 500.
func parses(data []byte) error {
	_, err := template.New("").Parse(string(data))
	return err
}
