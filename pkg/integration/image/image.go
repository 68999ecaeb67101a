// Package image is the github_runner_image_v0 relation as garm-configurator uses it: it gives an image builder the
// OpenStack project to build in and gets the image's ID. Both sides use their unit databags.
package image

import (
	"context"
	"errors"

	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

// Endpoint is the relation's name.
const Endpoint = "image"

// Builder is the related image builder.
type Builder struct {
	Application string // empty when none is related
	ImageID     string // empty until the builder has one
	relationID  string
	own         map[string]string
}

// Read returns the builder and the image it offers. Of several units the first by name that has an image counts, so that
// the answer does not depend on the order in which they appeared.
func Read(ctx context.Context, tools *hook.Tools, env hook.Env) (Builder, error) {
	relations, err := tools.Relations(ctx, Endpoint)
	if err != nil {
		return Builder{}, err
	}
	for _, relation := range relations {
		if env.Event.Breaks(relation.ID) {
			continue
		}
		own, err := tools.Databag(ctx, relation.ID, env.UnitName)
		if err != nil {
			return Builder{}, err
		}
		id, err := offered(ctx, tools, relation)
		return Builder{Application: relation.App, ImageID: id, relationID: relation.ID, own: own}, err
	}
	return Builder{}, nil
}

func offered(ctx context.Context, tools *hook.Tools, relation hook.Relation) (string, error) {
	for _, unit := range relation.Units {
		bag, err := tools.Databag(ctx, relation.ID, unit)
		if errors.Is(err, hook.ErrRelationGone) {
			continue
		}
		if err != nil || bag["id"] != "" {
			return bag["id"], err
		}
	}
	return "", nil
}

// Request gives the builder the project's credentials. The password stands in the databag in the clear: that is this
// relation's contract.
func (b Builder) Request(ctx context.Context, tools *hook.Tools, p runnerconfig.Provider, password secret.Value) error {
	if b.relationID == "" {
		return nil
	}
	return tools.SetUnitDatabag(ctx, b.relationID, hook.Changes(b.own, map[string]string{
		"auth_url":            p.AuthURL,
		"password":            password.Reveal(),
		"project_domain_name": p.ProjectDomainName,
		"project_name":        p.ProjectName,
		"user_domain_name":    p.UserDomainName,
		"username":            p.Username,
	}))
}
