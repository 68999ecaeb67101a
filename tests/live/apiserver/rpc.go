package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"

	"github.com/gorilla/websocket"
	"github.com/juju/juju/api"
	apiservererrors "github.com/juju/juju/apiserver/errors"
	"github.com/juju/juju/rpc"
	"github.com/juju/juju/rpc/jsoncodec"
	"github.com/juju/juju/rpc/params"
	"github.com/juju/names/v5"
	"github.com/juju/rpcreflect"

	"github.com/garm-charms/garm-charms/tests/juju"
)

func (s *Server) serveRPC(w http.ResponseWriter, r *http.Request) {
	socket, err := (&websocket.Upgrader{CheckOrigin: anyOrigin}).Upgrade(w, r, nil)
	if err != nil {
		return // it has been answered
	}
	session := &session{server: s, model: r.PathValue("model")}
	conn := rpc.NewConn(jsoncodec.NewWebsocket(socket), nil)
	conn.ServeRoot(session, nil, func(err error) error { return apiservererrors.ServerError(err) })
	conn.Start(context.WithoutCancel(r.Context()))
	<-conn.Dead()
	_ = conn.Close() // the client has gone
}

// session is one client's connection; nothing but a login is answered before it has logged in.
type session struct {
	server   *Server
	model    string // UUID; empty for the controller
	loggedIn bool
}

// facades are the objects that answer calls, by the names that Juju has for them.
func (s *session) facades() map[string]any {
	if !s.loggedIn {
		return map[string]any{"Admin": &Admin{s}}
	}
	facades := map[string]any{"Pinger": &Pinger{}, "ModelManager": &ModelManager{s.server}}
	if s.model != "" {
		facades["Action"] = &Action{s.server}
		facades["Application"] = &Application{s.server}
		facades["Charms"] = &Charms{}
		facades["Client"] = &Client{s.server}
		facades["ModelConfig"] = &ModelConfig{s.server}
		facades["Resources"] = &Resources{s.server}
		facades["Secrets"] = &Secrets{s.server}
	}
	return facades
}

// FindMethod implements rpc.Root.
func (s *session) FindMethod(name string, version int, method string) (rpcreflect.MethodCaller, error) {
	facade := s.facades()[name]
	if facade == nil {
		return nil, &rpcreflect.CallNotImplementedError{RootMethod: name, Version: version}
	}
	found, err := rpcreflect.ObjTypeOf(reflect.TypeOf(facade)).Method(method)
	if err != nil {
		return nil, &rpcreflect.CallNotImplementedError{RootMethod: name, Version: version, Method: method}
	}
	return &caller{facade: facade, method: found}, nil
}

// Kill implements rpc.Root.
func (s *session) Kill() {}

type caller struct {
	facade any
	method rpcreflect.ObjMethod
}

// ParamsType implements rpcreflect.MethodCaller.
func (c *caller) ParamsType() reflect.Type { return c.method.Params }

// ResultType implements rpcreflect.MethodCaller.
func (c *caller) ResultType() reflect.Type { return c.method.Result }

// Call implements rpcreflect.MethodCaller.
func (c *caller) Call(ctx context.Context, _ string, arg reflect.Value) (reflect.Value, error) {
	return c.method.Call(ctx, reflect.ValueOf(c.facade), arg)
}

// Admin is the facade of those who have not logged in.
type Admin struct{ s *session }

// Login answers what a client needs to go on.
func (a *Admin) Login(req params.LoginRequest) (params.LoginResult, error) {
	if req.AuthTag != "user-"+user || req.Credentials != password {
		return params.LoginResult{}, apiservererrors.ErrBadCreds
	}
	if a.s.model != "" && a.s.model != a.s.server.model.UUID() {
		return params.LoginResult{}, fmt.Errorf("%w: %s", apiservererrors.UnknownModelError, a.s.model)
	}
	a.s.loggedIn = true
	result := params.LoginResult{
		ControllerTag: names.NewControllerTag(a.s.server.controller).String(),
		ServerVersion: juju.Version,
		UserInfo:      &params.AuthUserInfo{DisplayName: user, Identity: req.AuthTag, ControllerAccess: "superuser", ModelAccess: "admin"},
	}
	if a.s.model != "" {
		result.ModelTag = names.NewModelTag(a.s.model).String()
	}
	supported := api.SupportedFacadeVersions()
	for name := range a.s.facades() {
		result.Facades = append(result.Facades, params.FacadeVersions{Name: name, Versions: supported[name]})
	}
	return result, nil
}

// Pinger is the facade by which a client sees that it is still connected.
type Pinger struct{}

// Ping does nothing.
func (p *Pinger) Ping() {}

// Charms is the facade by which a client knows how to upload.
type Charms struct{}

// ModelManager is the facade that adds and destroys models.
type ModelManager struct{ s *Server }

// CreateModel answers with the one model there is, once its options are checked.
func (m *ModelManager) CreateModel(ctx context.Context, args params.ModelCreateArgs) (params.ModelInfo, error) {
	if err := m.s.configure(ctx, args.Config); err != nil {
		return params.ModelInfo{}, err
	}
	return params.ModelInfo{
		Name: args.Name, UUID: m.s.model.UUID(), Type: "caas", ControllerUUID: m.s.controller, ProviderType: "kubernetes",
		CloudTag: names.NewCloudTag("kubernetes").String(), OwnerTag: args.OwnerTag, Life: "alive",
	}, nil
}

// DestroyModels ends the model, and does not wait for it.
func (m *ModelManager) DestroyModels(args params.DestroyModelsParams) (params.ErrorResults, error) {
	return errorResults(args.Models, func(d params.DestroyModelParams) error {
		if d.ModelTag != names.NewModelTag(m.s.model.UUID()).String() {
			return errors.New("model not found")
		}
		m.s.mu.Lock()
		defer m.s.mu.Unlock()
		m.s.destroyed = true
		go func() { _ = m.s.model.Close() }() // who made the model is told how it ended
		return nil
	}), nil
}

// errorResults answers the arguments of a bulk call one after the other.
func errorResults[A any](args []A, do func(A) error) params.ErrorResults {
	var results params.ErrorResults
	for _, arg := range args {
		results.Results = append(results.Results, params.ErrorResult{Error: apiservererrors.ServerError(do(arg))})
	}
	return results
}
