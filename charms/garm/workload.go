package garm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/garm-charms/garm-charms/pkg/garmapi"
	"github.com/garm-charms/garm-charms/pkg/hook"
	"github.com/garm-charms/garm-charms/pkg/status"
	"github.com/garm-charms/garm-charms/pkg/workload"
)

const (
	// storageName and databaseFile are charmcraft.yaml's: the storage is mounted in the container at the file's directory.
	storageName  = "data"
	databaseFile = "/var/lib/garm/garm.db"
)

// runWorkload makes the container run GARM with the providers that are declared, and with those that still have runners.
func (c charm) runWorkload(ctx context.Context, in *inputs) (hook.Status, error) {
	config, obstacle, err := c.workloadConfig(ctx, in)
	if err != nil || obstacle.Level != "" {
		return obstacle, err
	}
	if err := c.keepProviders(ctx, config.Providers, in); err != nil {
		return hook.Status{}, err
	}
	if obstacle, err := c.takeOver(ctx, in.peer); err != nil || obstacle.Level != "" {
		return obstacle, err
	}
	begin := time.Now()
	done, obstacle, err := c.applyWorkload(ctx, c.pebble, config, in)
	in.waited = time.Since(begin)
	if err != nil || obstacle.Level != "" {
		return obstacle, err
	}
	if done.Replanned {
		c.log.InfoContext(ctx, "start GARM: it was not running with its present configuration")
	}
	return hook.Status{}, nil
}

// serve opens a session and, meanwhile, the way in for those whom GARM is for.
func (c charm) serve(ctx context.Context, in *inputs) (hook.Status, error) {
	var exposed errgroup.Group
	exposed.Go(func() error { return c.expose(ctx, in) })
	said, err := c.openSession(ctx, in)
	return said, errors.Join(err, exposed.Wait())
}

func (c charm) expose(ctx context.Context, in *inputs) error {
	if err := c.tools.SetPorts(ctx, fmt.Sprintf("%d/tcp", workload.Port)); err != nil {
		return err
	}
	return in.ingress.Publish(ctx, c.tools, c.env, workload.Port)
}

// workloadConfig is how GARM is to run.
func (c charm) workloadConfig(ctx context.Context, in *inputs) (config workload.Config, obstacle hook.Status, err error) {
	database, obstacle := c.database(in)
	if obstacle.Level != "" {
		return config, obstacle, nil
	}
	image, err := workload.FindImage(c.pebble, workload.Images())
	if err != nil {
		return config, status.NoWorkload(err), nil
	}
	providers, err := c.providers(ctx, image, in)
	if err != nil {
		return config, obstacle, err
	}
	return workload.Config{
		Image:        image,
		Database:     database,
		DBPassphrase: in.keys.dbPassphrase,
		JWTSecret:    in.keys.jwtSecret,
		Providers:    providers,
		TrustedCAs:   certificates(in.declared, in.peer.inventory),
		Proxy:        workload.Proxy{HTTP: c.env.Proxy.HTTP, HTTPS: c.env.Proxy.HTTPS, NoProxy: c.env.Proxy.No},
		LogLevel:     in.options.LogLevel,
		WebUI:        in.options.WebUI,
	}, obstacle, nil
}

func (c charm) applyWorkload(ctx context.Context, pebble workload.Pebble, config workload.Config, in *inputs) (workload.Change, hook.Status, error) {
	files, err := workload.Render(config)
	if err != nil {
		return workload.Change{}, hook.Status{}, err
	}
	done, err := workload.Apply(ctx, pebble, files, workload.NewLayer(config, files))
	if errors.Is(err, workload.ErrNoPostgreSQL) {
		return done, status.NoPostgreSQL(c.env.AppName, in.postgresql.Application), nil
	}
	if err != nil {
		return done, status.Unreachable(err), nil
	}
	return done, hook.Status{}, nil
}

// openSession logs in to GARM, after its first run if it never had one, and tells it under which URLs it is reached.
func (c charm) openSession(ctx context.Context, in *inputs) (hook.Status, error) {
	admin := in.keys.admin
	starting, cancel := context.WithTimeout(ctx, max(startLimit-in.waited, time.Second))
	defer cancel()
	if err := c.garm.Ready(starting); err != nil {
		return status.Starting(), nil
	}
	err := c.garm.Login(ctx, admin.Username, admin.Password)
	if errors.Is(err, garmapi.ErrNotInitialised) {
		if err = c.garm.FirstRun(ctx, admin); err == nil {
			c.log.InfoContext(ctx, "make GARM's first run: its database is new")
			err = c.garm.Login(ctx, admin.Username, admin.Password)
		}
	}
	if errors.Is(err, garmapi.ErrBadCredentials) {
		return status.LoginRefused(), nil
	}
	if err != nil {
		return status.Unreachable(err), nil
	}
	return c.setURLs(ctx, in)
}

func (c charm) setURLs(ctx context.Context, in *inputs) (hook.Status, error) {
	want := c.urls(in)
	have, err := c.garm.Controller(ctx)
	if err != nil {
		return status.Unreachable(err), nil
	}
	in.peer.of(have.ControllerID.String(), in.database)
	in.version = have.Version
	if want == garmapi.URLsOf(have) {
		return hook.Status{}, nil
	}
	if _, err := c.garm.UpdateController(ctx, want); err != nil {
		return status.Unreachable(err), nil
	}
	c.log.InfoContext(ctx, status.NewURLs(have.MetadataURL, want.Metadata))
	return hook.Status{}, nil
}

// urls are those under which GARM is to be reached: through the ingress, else as the operator says, else through the
// Kubernetes service.
func (c charm) urls(in *inputs) garmapi.URLs {
	service := fmt.Sprintf("http://%s.%s.svc.cluster.local:%d", c.env.AppName, c.env.ModelName, workload.Port)
	base := cmp.Or(in.ingress.URL, in.options.ExternalURL, service)
	return garmapi.URLs{
		Metadata: base + "/api/v1/metadata",
		Callback: base + "/api/v1/callbacks",
		Webhook:  base + "/webhooks",
		Agent:    base + "/agent",
	}
}
