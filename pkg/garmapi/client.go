// Package garmapi is a session with one GARM server, on GARM's own Go client: it logs in, sets deadlines, types the
// errors, and knows where GARM's answers cannot be taken at their word. It must not decide what GARM should hold: it
// lists, creates, updates and deletes what it is told to, and keeps no state but the token.
package garmapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	garm "github.com/cloudbase/garm/client"
	"github.com/cloudbase/garm/client/login"
	"github.com/cloudbase/garm/params"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-openapi/runtime"
	httptransport "github.com/go-openapi/runtime/client"

	"github.com/garm-charms/garm-charms/pkg/secret"
)

const (
	defaultReadLimit  = 10 * time.Second
	defaultWriteLimit = 25 * time.Second

	readyInterval = 100 * time.Millisecond
	readyProbe    = 2 * time.Second
)

// Options change how a Client behaves; the zero value is right for a charm's hook.
type Options struct {
	// ReadLimit is the longest that one read may take, its retries included; 0 means 10 s.
	ReadLimit time.Duration
	// WriteLimit is the longest that one create, update or delete may take; 0 means 25 s. A create that is given up
	// leaves a scale set on GitHub that GARM does not know, so keep it long.
	WriteLimit time.Duration
	// Trace, when set, is called after every request.
	Trace func(Call)
	// Reason, when set, tells why GARM answered 500 or more to a request that began at that time: its answer does not.
	Reason func(began time.Time) string
}

// Call is one request that was sent to GARM. It carries no body, no query and no id.
type Call struct {
	Method string        // HTTP method
	Path   string        // route below /api/v1, such as "/scalesets/{scalesetID}"
	Status int           // HTTP status, 0 when there was no answer
	Took   time.Duration // from sending to the end of the answer
}

// Client is a session with one GARM server. It is safe for concurrent use.
type Client struct {
	api  *garm.GarmAPI
	http *http.Client
	base string
	opts Options

	mu       sync.Mutex
	username string
	password secret.Value
	token    string
}

// New returns a session with the GARM server at baseURL, such as http://127.0.0.1:8080. It makes no request.
func New(baseURL string, opts Options) *Client {
	if opts.ReadLimit == 0 {
		opts.ReadLimit = defaultReadLimit
	}
	if opts.WriteLimit == 0 {
		opts.WriteLimit = defaultWriteLimit
	}
	u, err := url.Parse(baseURL)
	if err != nil {
		u = &url.URL{} // every call then says that it has no host
	}
	c := &Client{
		base: u.String(),
		opts: opts,
		// GARM is in the same pod, never behind a proxy. A connection for each request costs microseconds there, and
		// none can be stale after GARM was restarted.
		http: &http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}},
	}
	wire := httptransport.NewWithClient(u.Host, u.JoinPath(garm.DefaultBasePath).Path, []string{u.Scheme}, c.http)
	wire.Consumers[runtime.JSONMime] = runtime.ConsumerFunc(decode)
	wire.Debug = false // the environment variable DEBUG would print request bodies, secrets included
	c.api = garm.New(&transport{client: c, wire: wire}, nil)
	return c
}

// decode reads one JSON value, and returns io.EOF when there is none. GARM's list of many scale sets is megabytes, which the
// decoder of the runtime takes twice as long for.
func decode(body io.Reader, into any) error {
	return json.UnmarshalDecode(jsontext.NewDecoder(body), into)
}

// Ready waits until GARM answers HTTP at all, whatever it answers: it opens its port last and has no health route. When
// ctx ends first the error is ErrStarting if GARM refused connections.
func (c *Client) Ready(ctx context.Context) error {
	var last error
	for {
		err := c.probe(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil { // that ctx ended says nothing about GARM
			last = err
		}
		select {
		case <-ctx.Done():
			return named(last, "reach GARM at %s", c.base)
		case <-time.After(readyInterval):
		}
	}
}

func (c *Client) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyProbe)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+garm.DefaultBasePath+"/controller-info", nil)
	if err != nil {
		return err
	}
	begin := time.Now()
	res, err := c.http.Do(req)
	if err != nil {
		return noAnswer(err, time.Since(begin))
	}
	return res.Body.Close()
}

// Login opens the session; it is kept and renewed when GARM no longer takes the token. The error is ErrNotInitialised
// when GARM awaits its first run, and ErrBadCredentials when it knows no such user and password.
func (c *Client) Login(ctx context.Context, username string, password secret.Value) error {
	c.mu.Lock()
	c.username, c.password = username, password
	c.mu.Unlock()
	return c.login(ctx)
}

func (c *Client) login(ctx context.Context) error {
	c.mu.Lock()
	body := params.PasswordLoginParams{Username: c.username, Password: c.password.Reveal()}
	c.mu.Unlock()
	answer, err := payload(c.api.Login.Login(login.NewLoginParamsWithContext(ctx).WithBody(body), nil))
	if IsUnauthorized(err) {
		err = &Error{Status: http.StatusUnauthorized, cause: ErrBadCredentials}
	}
	if err == nil && answer.Token == "" {
		err = errors.New("its answer has no token")
	}
	if err != nil {
		return named(err, "log in to GARM as %q", body.Username)
	}
	c.mu.Lock()
	c.token = answer.Token
	c.mu.Unlock()
	return nil
}

// session returns the token to send, and whether a user is known to log in again with.
func (c *Client) session() (token string, renewable bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.token, c.username != ""
}

// payload unwraps what GARM's client answers.
func payload[T any](answer interface{ GetPayload() T }, err error) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return answer.GetPayload(), nil
}

// named says which operation failed. Every exported method returns its error through it, so that all are *Error.
func named(err error, op string, args ...any) error {
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{cause: err}
	}
	out := *e
	out.Op = fmt.Sprintf(op, args...)
	return &out
}
