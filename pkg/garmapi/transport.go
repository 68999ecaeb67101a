package garmapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	apiserver "github.com/cloudbase/garm/apiserver/params"
	"github.com/go-openapi/runtime"
	httptransport "github.com/go-openapi/runtime/client"
)

const (
	readAttempts  = 3
	readPause     = 100 * time.Millisecond
	maxErrorBytes = 64 << 10
)

// transport stands between GARM's generated client and HTTP, so that every operation has a deadline, a token and a
// typed error in one place.
type transport struct {
	client *Client
	wire   runtime.ClientTransport
}

// Submit implements runtime.ClientTransport.
func (t *transport) Submit(op *runtime.ClientOperation) (any, error) {
	if op.Context == nil {
		op.Context = context.Background()
	}
	limit := t.client.opts.WriteLimit
	if op.Method == http.MethodGet {
		limit = t.client.opts.ReadLimit
	}
	ctx, cancel := context.WithTimeout(op.Context, limit)
	defer cancel()
	op.Context = ctx

	token, renewable := t.client.session()
	result, err := t.send(op, token)
	if !IsUnauthorized(err) || !renewable || isLogin(op) {
		return result, err
	}
	if err := t.client.login(ctx); err != nil {
		return nil, err
	}
	token, _ = t.client.session()
	return t.send(op, token)
}

// isLogin tells the one operation whose 401 must not lead to another login.
func isLogin(op *runtime.ClientOperation) bool { return op.ID == "Login" }

// send makes the request, and makes it again when it is a read that was not answered. A write that was not answered may
// have been done.
func (t *transport) send(op *runtime.ClientOperation, token string) (any, error) {
	for attempt := 1; ; attempt++ {
		result, err := t.once(op, token)
		var e *Error
		again := op.Method == http.MethodGet && attempt < readAttempts && errors.As(err, &e) && e.Status == 0
		if !again {
			return result, err
		}
		select {
		case <-op.Context.Done():
			return nil, err
		case <-time.After(readPause << (attempt - 1)):
		}
	}
}

// once makes one request. An answer that is no success becomes an *Error, and so does no answer.
func (t *transport) once(op *runtime.ClientOperation, token string) (any, error) {
	call := *op
	status := 0
	call.Reader = runtime.ClientResponseReaderFunc(func(res runtime.ClientResponse, c runtime.Consumer) (any, error) {
		status = res.Code()
		if status >= http.StatusBadRequest {
			return nil, refusal(res)
		}
		return op.Reader.ReadResponse(res, c)
	})
	if token != "" {
		call.AuthInfo = httptransport.BearerToken(token)
	}
	begin := time.Now()
	result, err := t.wire.Submit(&call)
	took := time.Since(begin)
	if t.client.opts.Trace != nil {
		t.client.opts.Trace(Call{Method: op.Method, Path: op.PathPattern, Status: status, Took: took})
	}
	if err != nil && status == 0 {
		err = noAnswer(err, took)
	}
	var e *Error
	if status >= http.StatusInternalServerError && t.client.opts.Reason != nil && errors.As(err, &e) {
		e.Details = t.client.opts.Reason(begin)
	}
	return result, err
}

// refusal reads GARM's error body; the generated client leaves it unread for the statuses that its specification does
// not list.
func refusal(res runtime.ClientResponse) *Error {
	var body apiserver.APIErrorResponse
	// A body of another form, from something that is not GARM, leaves the status alone to speak.
	_ = json.NewDecoder(io.LimitReader(res.Body(), maxErrorBytes)).Decode(&body)
	e := &Error{Status: res.Code(), Code: body.Error, Details: body.Details}
	if e.Code == codeInitRequired {
		e.cause = ErrNotInitialised
	}
	return e
}
