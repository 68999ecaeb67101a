package garmapi

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestErrorText(t *testing.T) {
	for _, row := range []struct {
		summary string
		err     Error
		want    string
	}{
		{"details", Error{Op: "create x", Status: 400, Code: "Bad Request", Details: "missing name"}, "cannot create x: missing name (400)"},
		{"a word alone", Error{Op: "read x", Status: 404, Code: "Not Found"}, "cannot read x: Not Found (404)"},
		{"500", Error{Op: "make x", Status: 500, Code: "Server error"}, "cannot make x: GARM answered 500 and tells the reason only in its log"},
		{"not GARM", Error{Op: "read x", Status: 418}, "cannot read x: GARM answered 418"},
		{"below HTTP", Error{Op: "read x", cause: errors.New("no route to host")}, "cannot read x: no route to host"},
	} {
		assert.Equal(t, row.want, row.err.Error(), row.summary)
	}
}

func TestNoErrorStaysNone(t *testing.T) {
	assert.NoError(t, named(nil, "do anything"))
}

func TestKindsOfOtherErrors(t *testing.T) {
	err := errors.New("other")
	for _, is := range []func(error) bool{IsNotFound, IsConflict, IsInvalid, IsUnauthorized, IsURLsRequired, IsTimeout} {
		assert.False(t, is(err))
		assert.False(t, is(nil))
	}
}
