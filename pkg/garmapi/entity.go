package garmapi

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/cloudbase/garm/client/repositories"
	"github.com/cloudbase/garm/params"
	"github.com/go-openapi/runtime"
)

// EntityRef names one entity of GARM.
type EntityRef struct {
	Kind params.ForgeEntityType
	ID   string
}

// Entity is an organisation, a repository or an enterprise that GARM works for.
type Entity struct {
	EntityRef
	Name            string // "owner/name" for a repository
	Endpoint        string
	CredentialsID   uint
	CredentialsName string
	// Running tells whether GARM's manager of the entity works; it does not in the first seconds and while GitHub
	// refuses.
	Running       bool
	FailureReason string
	// Events are GARM's messages about the entity, such as why GitHub refuses; only Client.Entity returns them.
	Events []params.EntityEvent
}

// Entities returns all entities of one kind.
func (c *Client) Entities(ctx context.Context, kind params.ForgeEntityType) ([]Entity, error) {
	list, err := payload(c.api.Repositories.ListRepos(repositories.NewListReposParamsWithContext(ctx), nil, of(kind)))
	if err != nil {
		return nil, named(err, "list %s entities", kind)
	}
	entities := make([]Entity, 0, len(list))
	for _, repo := range list {
		entities = append(entities, entity(kind, repo))
	}
	return entities, nil
}

// Entity returns one entity with its events.
func (c *Client) Entity(ctx context.Context, ref EntityRef) (Entity, error) {
	p := repositories.NewGetRepoParamsWithContext(ctx).WithRepoID(ref.ID)
	repo, err := payload(c.api.Repositories.GetRepo(p, nil, of(ref.Kind)))
	return entity(ref.Kind, repo), named(err, "read %s %s", ref.Kind, ref.ID)
}

// CreateEntity registers an entity; name is "owner/name" for a repository. GARM does not ask GitHub whether it exists.
func (c *Client) CreateEntity(ctx context.Context, kind params.ForgeEntityType, name, credentialsName string) (Entity, error) {
	body := params.CreateRepoParams{
		Name:            name,
		CredentialsName: credentialsName,
		// GARM answers a bare 500 without one, though scale sets never use it.
		WebhookSecret: rand.Text(),
	}
	if kind == params.ForgeEntityTypeRepository {
		body.Owner, body.Name, _ = strings.Cut(name, "/")
	}
	p := repositories.NewCreateRepoParamsWithContext(ctx).WithBody(body)
	repo, err := payload(c.api.Repositories.CreateRepo(p, nil, of(kind)))
	return entity(kind, repo), named(err, "create %s %q", kind, name)
}

// UpdateEntity gives an entity other credentials, of the same endpoint.
func (c *Client) UpdateEntity(ctx context.Context, ref EntityRef, credentialsName string) (Entity, error) {
	body := params.UpdateEntityParams{CredentialsName: credentialsName}
	p := repositories.NewUpdateRepoParamsWithContext(ctx).WithRepoID(ref.ID).WithBody(body)
	repo, err := payload(c.api.Repositories.UpdateRepo(p, nil, of(ref.Kind)))
	return entity(ref.Kind, repo), named(err, "update %s %s", ref.Kind, ref.ID)
}

// DeleteEntity removes an entity from GARM. IsInvalid tells that it still has scale sets.
func (c *Client) DeleteEntity(ctx context.Context, ref EntityRef) error {
	err := c.api.Repositories.DeleteRepo(repositories.NewDeleteRepoParamsWithContext(ctx).WithRepoID(ref.ID), nil, of(ref.Kind))
	return named(err, "delete %s %s", ref.Kind, ref.ID)
}

// of sends an operation on repositories to another kind of entity. GARM's routes and bodies for the three kinds differ
// in nothing but the first word of the path and a repository's owner (GARM apiserver/routers/routers.go,
// params/params.go).
func of(kind params.ForgeEntityType) repositories.ClientOption {
	route := "/repositories"
	switch kind {
	case params.ForgeEntityTypeOrganization:
		route = "/organizations"
	case params.ForgeEntityTypeEnterprise:
		route = "/enterprises"
	case params.ForgeEntityTypeRepository:
	}
	return func(op *runtime.ClientOperation) {
		op.PathPattern = route + strings.TrimPrefix(op.PathPattern, "/repositories")
	}
}

func entity(kind params.ForgeEntityType, repo params.Repository) Entity {
	if repo.ID == "" { // the call failed
		return Entity{}
	}
	name := repo.Name
	if kind == params.ForgeEntityTypeRepository {
		name = repo.String()
	}
	return Entity{
		EntityRef:       EntityRef{Kind: kind, ID: repo.ID},
		Name:            name,
		Endpoint:        repo.Endpoint.Name,
		CredentialsID:   repo.CredentialsID,
		CredentialsName: repo.GetCredentialsName(),
		Running:         repo.PoolManagerStatus.IsRunning,
		FailureReason:   repo.PoolManagerStatus.FailureReason,
		Events:          repo.Events,
	}
}
