package garmapi

import (
	"context"
	"strconv"

	"github.com/cloudbase/garm/client/instances"
	"github.com/cloudbase/garm/client/repositories"
	"github.com/cloudbase/garm/client/scalesets"
	"github.com/cloudbase/garm/params"
)

// ScaleSets returns all scale sets of all entities, without template name and instances. GARM leaves zeros out of its
// answers; they are zero here.
func (c *Client) ScaleSets(ctx context.Context) ([]params.ScaleSet, error) {
	list, err := payload(c.api.Scalesets.ListScalesets(scalesets.NewListScalesetsParamsWithContext(ctx), nil))
	return list, named(err, "list scale sets")
}

// ScaleSet returns one scale set whole.
func (c *Client) ScaleSet(ctx context.Context, id uint) (params.ScaleSet, error) {
	found, err := c.scaleSet(ctx, id)
	return found, named(err, "read scale set %d", id)
}

func (c *Client) scaleSet(ctx context.Context, id uint) (params.ScaleSet, error) {
	return payload(c.api.Scalesets.GetScaleSet(scalesets.NewGetScaleSetParamsWithContext(ctx).WithScalesetID(text(id)), nil))
}

// CreateScaleSet creates a scale set in GARM and on GitHub. GARM answers a bare 500 to a minimum above the maximum, a
// maximum of 0, or no image or flavor, and accepts an unknown provider and architecture. IsConflict tells that the
// entity has one of that name on GitHub.
func (c *Client) CreateScaleSet(ctx context.Context, owner EntityRef, body params.CreateScaleSetParams) (params.ScaleSet, error) {
	p := repositories.NewCreateRepoScaleSetParamsWithContext(ctx).WithRepoID(owner.ID).WithBody(body)
	created, err := payload(c.api.Repositories.CreateRepoScaleSet(p, nil, of(owner.Kind)))
	return created, named(err, "create scale set %q", body.Name)
}

// UpdateScaleSet changes the fields that are set. To return to GARM's own template set the id of SystemTemplate: 0 is
// refused.
func (c *Client) UpdateScaleSet(ctx context.Context, id uint, change params.UpdateScaleSetParams) (params.ScaleSet, error) {
	p := scalesets.NewUpdateScaleSetParamsWithContext(ctx).WithScalesetID(text(id)).WithBody(change)
	updated, err := payload(c.api.Scalesets.UpdateScaleSet(p, nil))
	return updated, named(err, "update scale set %d", id)
}

// Drain makes GARM remove a scale set's idle runners, within seconds, and make no more; busy ones go on. Only all three
// changes at once do.
func (c *Client) Drain(ctx context.Context, id uint) (params.ScaleSet, error) {
	no, none := false, uint(0)
	return c.UpdateScaleSet(ctx, id, params.UpdateScaleSetParams{Enabled: &no, MinIdleRunners: &none, MaxRunners: &none})
}

// DeleteScaleSet deletes a disabled scale set that has no runners; it is no error when there is none. Since GARM
// answers 200 whenever GitHub fails, it is read again: the error is ErrStillThere when GARM kept it.
func (c *Client) DeleteScaleSet(ctx context.Context, id uint) error {
	err := c.api.Scalesets.DeleteScaleSet(scalesets.NewDeleteScaleSetParamsWithContext(ctx).WithScalesetID(text(id)), nil)
	if err == nil {
		err = ErrStillThere
		if _, read := c.scaleSet(ctx, id); read != nil {
			err = read
		}
	}
	if IsNotFound(err) {
		return nil
	}
	return named(err, "delete scale set %d", id)
}

// Instances returns the runners of one scale set.
func (c *Client) Instances(ctx context.Context, scaleSetID uint) ([]params.Instance, error) {
	p := instances.NewListScaleSetInstancesParamsWithContext(ctx).WithScalesetID(text(scaleSetID))
	list, err := payload(c.api.Instances.ListScaleSetInstances(p, nil))
	return list, named(err, "list the runners of scale set %d", scaleSetID)
}

// AllInstances returns the runners of all scale sets, with one request.
func (c *Client) AllInstances(ctx context.Context) ([]params.Instance, error) {
	list, err := payload(c.api.Instances.ListInstances(instances.NewListInstancesParamsWithContext(ctx), nil))
	return list, named(err, "list runners")
}

// Instance returns one runner with its status messages, which lists leave out.
func (c *Client) Instance(ctx context.Context, name string) (params.Instance, error) {
	p := instances.NewGetInstanceParamsWithContext(ctx).WithInstanceName(name)
	found, err := payload(c.api.Instances.GetInstance(p, nil))
	return found, named(err, "read runner %q", name)
}

// DeleteInstance makes GARM remove a runner. GitHub refuses it for one that is busy.
func (c *Client) DeleteInstance(ctx context.Context, name string) error {
	err := c.api.Instances.DeleteInstance(instances.NewDeleteInstanceParamsWithContext(ctx).WithInstanceName(name), nil)
	return named(err, "delete runner %q", name)
}

func text(id uint) string { return strconv.FormatUint(uint64(id), 10) }
