package live_test

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/juju/juju/jujuclient"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/garm-charms/garm-charms/tests/bed"
	"github.com/garm-charms/garm-charms/tests/juju"
	"github.com/garm-charms/garm-charms/tests/jujucli"
	"github.com/garm-charms/garm-charms/tests/live"
	"github.com/garm-charms/garm-charms/tests/live/apiserver"
	"github.com/garm-charms/garm-charms/tests/parts"
	"github.com/garm-charms/garm-charms/tests/sandbox"
)

var _ jujucli.Driver = (*live.Model)(nil)

func TestMain(m *testing.M) {
	sandbox.Init()
	juju.Init()
	if _, err := bed.Build(parts.WithProgress(context.Background(), os.Stderr)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if code, inside := sandbox.World(); !inside {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// controllers are API servers in front of a test bed each.
type controllers struct {
	t     *testing.T
	built bed.Built
	beds  atomic.Int32
}

// start starts a controller, whose model has the name, and returns it with the images of its bed.
func (c *controllers) start(model string) (*apiserver.Server, map[string]string, error) {
	dir, err := os.MkdirTemp("", "bed") // paths of sockets must be short
	if err != nil {
		return nil, nil, err
	}
	c.t.Cleanup(func() { os.RemoveAll(dir) })
	number := c.beds.Add(1)
	b, err := bed.New(context.Background(), bed.Config{Dir: dir, Number: int(number), Model: model, Built: c.built})
	if err != nil {
		return nil, nil, err
	}
	c.t.Cleanup(func() {
		if err := b.Close(); err != nil {
			c.t.Log(err)
		}
	})
	// The gateway of the bed's network.
	server, err := apiserver.Start(b.Model, dir, netip.AddrFrom4([4]byte{10, 77, byte(number), 1}))
	if err != nil {
		return nil, nil, err
	}
	c.t.Cleanup(func() {
		assert.True(c.t, server.Destroyed())
		assert.NoError(c.t, server.Close())
	})
	images := map[string]string{}
	for _, image := range []string{"garm-image", "garm-rock"} {
		images[image] = filepath.Join(dir, image)
	}
	return server, images, nil
}

func (c *controllers) addModel(name string) (*live.Model, error) {
	server, images, err := c.start(name)
	if err != nil {
		return nil, err
	}
	store := jujuclient.NewMemStore()
	if err := server.AddTo(store); err != nil {
		return nil, err
	}
	return live.Controller{Store: store, Images: images}.AddModel(name)
}

// The scenarios of a live controller run on Juju's API here too, in front of the test bed: the calls are the same.
func TestScenarios(t *testing.T) {
	built, err := bed.Build(t.Context())
	require.NoError(t, err)
	c := &controllers{t: t, built: built}
	charms, err := bed.StandIns(t.TempDir())
	require.NoError(t, err)
	maps.Copy(charms, built.Charms)
	run := live.Run{AddModel: c.addModel, Charms: charms, Module: "..", Logs: t.TempDir(), Wait: 3 * time.Minute, Calm: 2500 * time.Millisecond}
	testscript.Run(t, run.Params(live.Scenarios("..")...))
}

func TestCallersOwnController(t *testing.T) {
	built, err := bed.Build(t.Context())
	require.NoError(t, err)
	c := &controllers{t: t, built: built}
	c.beds.Store(100) // the networks of the scenarios come before
	t.Setenv("JUJU_DATA", t.TempDir())
	_, err = live.Controller{}.AddModel("mine")
	require.ErrorContains(t, err, "cannot find the current controller: ")
	_, err = live.Controller{Name: "other"}.AddModel("mine")
	require.ErrorContains(t, err, "cannot find the user of controller other: ")

	server, _, err := c.start("mine")
	require.NoError(t, err)
	require.NoError(t, server.AddTo(jujuclient.NewFileClientStore()))
	m, err := live.Controller{}.AddModel("mine")
	require.NoError(t, err)
	status, err := m.Status(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "mine", status.Model)
	assert.False(t, server.Destroyed())
	require.NoError(t, m.Destroy())
	require.NoError(t, m.Close())
	_, err = m.Status(t.Context())
	assert.ErrorContains(t, err, "cannot read status of model mine: ")
}
