package garmapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"
)

// The words that tell one 409 of GARM from another (GARM apiserver/params/params.go).
const (
	codeInitRequired = "init_required"
	codeURLsRequired = "urls_required"
)

var (
	// ErrStarting says that nothing listens at GARM's address: it is starting, or not running.
	ErrStarting = errors.New("GARM does not listen yet")
	// ErrNotInitialised says that GARM awaits its first run; until then it answers nothing else.
	ErrNotInitialised = errors.New("GARM awaits its first run")
	// ErrBadCredentials says that GARM knows no such user and password.
	ErrBadCredentials = errors.New("GARM does not accept this user name and password")
	// ErrStillThere says that GARM reported a delete as done and did not do it.
	ErrStillThere = errors.New("GARM said yes but kept it; GitHub refused the delete or no longer knows the scale set")
)

// Error is what every failed operation returns. It quotes GARM, and never what was sent to it.
type Error struct {
	Op      string // what was attempted, such as `create endpoint "ghes"`
	Status  int    // HTTP status; 0 when GARM gave no answer
	Code    string // GARM's "error" word, such as "urls_required"
	Details string // GARM's "details"; with status 500, which has none, what Options.Reason tells
	cause   error
}

// Error implements error.
func (e *Error) Error() string { return "cannot " + e.Op + ": " + e.reason() }

func (e *Error) reason() string {
	switch {
	case e.cause != nil:
		return e.cause.Error()
	case e.Details != "":
		return fmt.Sprintf("%s (%d)", e.Details, e.Status)
	case e.Status >= http.StatusInternalServerError:
		return fmt.Sprintf("GARM answered %d and tells the reason only in its log", e.Status)
	case e.Code != "":
		return fmt.Sprintf("%s (%d)", e.Code, e.Status)
	}
	return fmt.Sprintf("GARM answered %d", e.Status)
}

// Unwrap returns the package's sentinel error or what went wrong below HTTP, if any.
func (e *Error) Unwrap() error { return e.cause }

// IsNotFound tells whether GARM does not have what was named.
func IsNotFound(err error) bool { return hasStatus(err, http.StatusNotFound) }

// IsConflict tells whether GARM, or GitHub through it, already has such an object. The other two meanings of GARM's
// 409, an outstanding first run and outstanding URLs, are not conflicts.
func IsConflict(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusConflict && e.Code != codeInitRequired && e.Code != codeURLsRequired
}

// IsURLsRequired tells whether GARM answers nothing before UpdateController has set its URLs.
func IsURLsRequired(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == codeURLsRequired
}

// IsUnauthorized tells whether GARM took neither the token nor, if one was made, the new login.
func IsUnauthorized(err error) bool { return hasStatus(err, http.StatusUnauthorized) }

// IsInvalid tells whether GARM refused the request for what it asks.
func IsInvalid(err error) bool { return hasStatus(err, http.StatusBadRequest) }

// IsTimeout tells whether GARM accepted the connection and gave no answer in time, as when GitHub hangs. GARM may still
// do what was asked.
func IsTimeout(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

func hasStatus(err error, status int) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == status
}

// noAnswer types a failure below HTTP.
func noAnswer(err error, took time.Duration) *Error {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		err = ErrStarting
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		err = fmt.Errorf("no answer from GARM within %s: %w", took.Round(100*time.Millisecond), context.DeadlineExceeded)
	}
	return &Error{Op: "reach GARM", cause: err}
}
