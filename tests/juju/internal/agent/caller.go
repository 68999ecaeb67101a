package agent

import (
	"context"
	"net/http"
	"net/url"
	"sync"

	"github.com/juju/errors"
	"github.com/juju/juju/api/base"
	"github.com/juju/juju/rpc"
	"github.com/juju/names/v5"
	"gopkg.in/httprequest.v1"

	"github.com/garm-charms/garm-charms/tests/juju/internal/wire"
)

const errDisconnected = errors.ConstError("disconnected from the model")

// caller makes API calls over one connection (base.APICaller), and counts those that are under way.
type caller struct {
	conn  *rpc.Conn
	model names.ModelTag

	mu      sync.Mutex
	calls   int // not counting those that wait for a change
	polls   int
	queue   []told
	telling bool
	told    *sync.Cond
}

type told struct {
	action string
	args   any
}

func newCaller(conn *rpc.Conn, model string) *caller {
	c := &caller{conn: conn, model: names.NewModelTag(model)}
	c.told = sync.NewCond(&c.mu)
	return c
}

var _ base.APICaller = (*caller)(nil)

// APICall implements base.APICaller.
func (c *caller) APICall(facade string, version int, id, action string, args, result any) error {
	count := &c.calls
	if action == "Next" || action == "BlockUntilLeadershipReleased" {
		count = &c.polls
	}
	c.count(count, 1)
	defer c.count(count, -1)
	return c.conn.Call(rpc.Request{Type: facade, Version: version, Id: id, Action: action}, args, result)
}

func (c *caller) count(n *int, by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n += by
}

// busy is the number of calls under way, and of those that wait for a change.
func (c *caller) busy() (calls, polls int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.telling {
		return c.calls + 1, c.polls
	}
	return c.calls, c.polls
}

// tell reports to the bench, in order and without waiting.
func (c *caller) tell(action string, args any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, told{action: action, args: args})
	if !c.telling {
		c.telling = true
		go c.tellAll()
	}
}

func (c *caller) tellAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) > 0 {
		next := c.queue[0]
		c.queue = c.queue[1:]
		c.mu.Unlock()
		// Nobody is left to hear of a failure when the connection is gone.
		_ = c.conn.Call(rpc.Request{Type: wire.Bench, Action: next.action}, next.args, nil)
		c.mu.Lock()
	}
	c.telling = false
	c.told.Broadcast()
}

// drain waits until everything is told.
func (c *caller) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.telling {
		c.told.Wait()
	}
}

// BestFacadeVersion implements base.APICaller with the versions of api/facadeversions.go that the model serves.
func (c *caller) BestFacadeVersion(facade string) int {
	switch facade {
	case "Uniter":
		return 19
	case "SecretsManager", "LeadershipService":
		return 2
	}
	return 1
}

// ModelTag implements base.APICaller.
func (c *caller) ModelTag() (names.ModelTag, bool) { return c.model, true }

// HTTPClient implements base.APICaller. There is no HTTP: resource-get, the only user, cannot connect.
func (c *caller) HTTPClient() (*httprequest.Client, error) {
	return &httprequest.Client{BaseURL: "http://controller.invalid"}, nil
}

// RootHTTPClient implements base.APICaller.
func (c *caller) RootHTTPClient() (*httprequest.Client, error) { return c.HTTPClient() }

// BakeryClient implements base.APICaller.
func (c *caller) BakeryClient() base.MacaroonDischarger { return nil }

// Context implements base.APICaller.
func (c *caller) Context() context.Context { return context.Background() }

// ConnectStream implements base.APICaller.
func (c *caller) ConnectStream(string, url.Values) (base.Stream, error) {
	return nil, errors.NotSupportedf("streams from the controller")
}

// ConnectControllerStream implements base.APICaller.
func (c *caller) ConnectControllerStream(string, url.Values, http.Header) (base.Stream, error) {
	return c.ConnectStream("", nil)
}
