package github

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// answer is what a route says: a status and, unless it is nil, a JSON document.
type answer struct {
	status int
	body   any
}

// route answers one request.
type route func(*http.Request) answer

// ServeHTTP implements http.Handler.
func (f route) ServeHTTP(w http.ResponseWriter, r *http.Request) { f(r).write(w) }

func (a answer) write(w http.ResponseWriter) {
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(a.status)
	// An error here means that the client is gone.
	_ = json.NewEncoder(w).Encode(a.body)
}

// restError is an error of the REST API.
func restError(status int, message string) answer {
	return answer{status, map[string]string{
		"message":           message,
		"documentation_url": "https://docs.github.com/rest",
		"status":            strconv.Itoa(status),
	}}
}

// actionsError is an error of the Actions service, whose clients go by its exception's name.
func actionsError(status int, exception, message string) answer {
	return answer{status, map[string]any{
		"$id":            "1",
		"innerException": nil,
		"message":        message,
		"typeName":       "GitHub.Actions.Runtime.WebApi." + exception + ", GitHub.Actions.Runtime.WebApi",
		"typeKey":        exception,
		"errorCode":      0,
		"eventId":        3000,
	}}
}

func restNotFound(*http.Request) answer { return restError(http.StatusNotFound, "Not Found") }

// decode reads the request's JSON body.
func decode(r *http.Request, value any) error { return json.NewDecoder(r.Body).Decode(value) }
