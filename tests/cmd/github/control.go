package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/garm-charms/garm-charms/tests/github"
)

// maxBody is the size of the largest request, in bytes: a runner's archive.
const maxBody = 256 << 20

// control is the methods of a github.Server as HTTP with JSON. The answer is 200 with a JSON document, an empty
// one when there is nothing to say, or 400 with what was wrong with the request as text.
//
//	POST   /entities    {"entity": "orgs/acme", "runner_groups": ["big"]}
//	POST   /apps        {"app_id": 42, "installation_id": 7, "key": "PEM, public or private"}
//	POST   /tokens      {"token": "personal access token"}
//	POST   /runner?version=2.330.0   the runner's archive (tar, gzip)
//	POST   /faults      {"method": "POST", "host": "", "path": "/runnerscalesets$", "status": 503, "delay_ms": 0,
//	                     "hang": false, "reset": false, "lost_answer": false, "times": 1}
//	DELETE /faults
//	GET    /scalesets?entity=orgs/acme     DELETE /scalesets/ID
//	GET    /runners?entity=orgs/acme       POST   /runners {"entity": "orgs/acme", "name": "r", "online": true}
//	GET    /sessions                       DELETE /sessions (those that nobody polls)
//	GET    /jobs                           POST   /jobs {"repository": "repos/acme/widgets", "name": "build", "labels": ["x64"]}
//	POST   /jobs/take   {"entity": "orgs/acme", "name": "r"}: a list with the job it got, or with none
//	POST   /jobs/ID     {"result": "succeeded"}
//	GET    /requests?mutating=true
//	GET    /ca          the certificate (PEM) to trust
type control struct{ server *github.Server }

func newControl(server *github.Server) http.Handler {
	c := control{server}
	mux := http.NewServeMux()
	for pattern, ask := range map[string]func(*http.Request) (any, error){
		"GET /scalesets":  func(r *http.Request) (any, error) { return server.ScaleSets(entityIn(r)), nil },
		"GET /runners":    func(r *http.Request) (any, error) { return server.Runners(entityIn(r)), nil },
		"GET /sessions":   func(*http.Request) (any, error) { return server.Sessions(), nil },
		"GET /jobs":       func(*http.Request) (any, error) { return server.Jobs(), nil },
		"GET /requests":   c.requests,
		"POST /jobs":      c.queueJob,
		"POST /jobs/take": c.takeJob,
	} {
		mux.HandleFunc(pattern, asJSON(ask))
	}
	for pattern, do := range map[string]func(*http.Request) error{
		"POST /entities":         c.addEntity,
		"POST /apps":             c.addApp,
		"POST /tokens":           c.addToken,
		"POST /runner":           c.setRunner,
		"POST /faults":           c.addFault,
		"DELETE /faults":         func(*http.Request) error { server.Heal(); return nil },
		"DELETE /scalesets/{id}": c.deleteScaleSet,
		"POST /runners":          c.connectRunner,
		"DELETE /sessions":       func(*http.Request) error { server.ExpireSessions(); return nil },
		"POST /jobs/{id}":        c.finishJob,
	} {
		mux.HandleFunc(pattern, asJSON(func(r *http.Request) (any, error) { return struct{}{}, do(r) }))
	}
	mux.HandleFunc("GET /ca", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(server.CA()) })
	return mux
}

func asJSON(ask func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		answer, err := ask(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer) // an error here means that the client is gone
	}
}

func entityIn(r *http.Request) github.Entity { return github.Entity(r.URL.Query().Get("entity")) }

func decode(r *http.Request, value any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	return decoder.Decode(value)
}

func (c control) addEntity(r *http.Request) error {
	var request struct {
		Entity string   `json:"entity"`
		Groups []string `json:"runner_groups"`
	}
	if err := decode(r, &request); err != nil {
		return err
	}
	entity, err := github.ParseEntity(request.Entity)
	if err != nil {
		return err
	}
	return c.server.AddEntity(entity, request.Groups...)
}

func (c control) addApp(r *http.Request) error {
	var request struct {
		App          int64  `json:"app_id"`
		Installation int64  `json:"installation_id"`
		Key          string `json:"key"`
	}
	if err := decode(r, &request); err != nil {
		return err
	}
	key, err := github.PublicKey([]byte(request.Key))
	if err != nil {
		return err
	}
	c.server.AddApp(request.App, request.Installation, key)
	return nil
}

func (c control) addToken(r *http.Request) error {
	var request struct {
		Token string `json:"token"`
	}
	if err := decode(r, &request); err != nil {
		return err
	}
	if request.Token == "" {
		return errors.New("cannot add a token: it is empty")
	}
	c.server.AddToken(request.Token)
	return nil
}

func (c control) setRunner(r *http.Request) error {
	archive, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	version := r.URL.Query().Get("version")
	if version == "" || len(archive) == 0 {
		return errors.New("cannot set the runner: want ?version= and an archive")
	}
	c.server.SetRunner(version, archive)
	return nil
}

func (c control) addFault(r *http.Request) error {
	var request struct {
		github.Match

		Status     int   `json:"status"`
		DelayMS    int64 `json:"delay_ms"`
		Hang       bool  `json:"hang"`
		Reset      bool  `json:"reset"`
		LostAnswer bool  `json:"lost_answer"`
		Times      int   `json:"times"`
	}
	if err := decode(r, &request); err != nil {
		return err
	}
	return c.server.Fail(request.Match, github.Fault{
		Status: request.Status, Delay: time.Duration(request.DelayMS) * time.Millisecond,
		Hang: request.Hang, Reset: request.Reset, LostAnswer: request.LostAnswer, Times: request.Times,
	})
}

func (c control) deleteScaleSet(r *http.Request) error {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || !c.server.DeleteScaleSet(id) {
		return errors.New("cannot delete scale set " + r.PathValue("id") + ": there is none")
	}
	return nil
}

func (c control) connectRunner(r *http.Request) error {
	var request struct {
		Entity github.Entity `json:"entity"`
		Name   string        `json:"name"`
		Online bool          `json:"online"`
	}
	if err := decode(r, &request); err != nil {
		return err
	}
	if request.Online {
		return c.server.ConnectRunner(request.Entity, request.Name)
	}
	return c.server.DisconnectRunner(request.Entity, request.Name)
}

func (c control) queueJob(r *http.Request) (any, error) {
	var request struct {
		Repository github.Entity `json:"repository"`
		Name       string        `json:"name"`
		Labels     []string      `json:"labels"`
	}
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	return c.server.QueueJob(request.Repository, request.Name, request.Labels...)
}

func (c control) takeJob(r *http.Request) (any, error) {
	var request struct {
		Entity github.Entity `json:"entity"`
		Name   string        `json:"name"`
	}
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	job, ok, err := c.server.TakeJob(request.Entity, request.Name)
	if !ok {
		return []github.Job{}, err
	}
	return []github.Job{job}, err
}

func (c control) finishJob(r *http.Request) error {
	var request struct {
		Result string `json:"result"`
	}
	if err := decode(r, &request); err != nil {
		return err
	}
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return err
	}
	return c.server.FinishJob(id, request.Result)
}

func (c control) requests(r *http.Request) (any, error) {
	if r.URL.Query().Get("mutating") == "true" {
		return c.server.Mutating(), nil
	}
	return c.server.Requests(), nil
}
