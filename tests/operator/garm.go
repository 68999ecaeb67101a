package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// GARM is GARM's API as an operator's garm-cli uses it: with the credentials that the charm's action gives.
type GARM struct {
	base  string
	token string
}

// GARM logs in to the GARM of a unit, at its pod's address.
func (o *Operator) GARM(ctx context.Context, unit string) (*GARM, error) {
	status, err := o.World.Status(ctx)
	if err != nil {
		return nil, err
	}
	application, _, _ := strings.Cut(unit, "/")
	address, err := netip.ParseAddr(status.Applications[application].Units[unit].Address)
	if err != nil {
		return nil, fmt.Errorf("cannot find the address of %s: %w", unit, err)
	}
	result, err := o.World.Run(ctx, unit, "get-credentials", nil)
	if err != nil {
		return nil, err
	}
	g := &GARM{base: "http://" + netip.AddrPortFrom(address, 8080).String() + "/api/v1"}
	body, err := json.Marshal(map[string]any{"username": result.Results["username"], "password": result.Results["password"]})
	if err != nil {
		return nil, err
	}
	answer, err := g.Do(ctx, http.MethodPost, "/auth/login", body)
	if err != nil {
		return nil, err
	}
	var login struct {
		Token string `json:"token"`
	}
	err = json.Unmarshal(answer, &login)
	g.token = login.Token
	return g, err
}

// Do makes one request and returns the answer's body; an answer other than 2xx is an error.
func (g *GARM) Do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, g.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+g.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("cannot reach GARM, which takes a machine that reaches the cluster's pods: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		return nil, fmt.Errorf("cannot %s %s: GARM answered %d %s", method, path, res.StatusCode, answer)
	}
	return answer, nil
}

// Get decodes the answer of one GET into a value.
func (g *GARM) Get(ctx context.Context, path string, into any) error {
	answer, err := g.Do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

// garm get PATH | delete PATH | post PATH FILE | put PATH FILE | template-of SCALE-SET | state | named NAME | runners
func (o *Operator) garm(ctx context.Context, args []string) (string, error) {
	api, err := o.GARM(ctx, "garm/0")
	if err != nil {
		return "", err
	}
	switch args[0] {
	case "get", "delete":
		answer, err := api.Do(ctx, strings.ToUpper(args[0]), args[1], nil)
		return string(answer), err
	case "post", "put":
		body, err := o.read(args[2])
		if err != nil {
			return "", err
		}
		answer, err := api.Do(ctx, strings.ToUpper(args[0]), args[1], body)
		return string(answer), err
	case "template-of":
		set, err := api.ScaleSet(ctx, args[1])
		return set.TemplateName + "\n", err
	case "state":
		return api.Objects(ctx, "")
	case "named":
		return api.Objects(ctx, args[1])
	case "runners":
		return api.Runners(ctx)
	}
	return "", fmt.Errorf("unknown: garm %s", args[0])
}

// ScaleSet is what scenarios ask of one.
type ScaleSet struct {
	ID           uint   `json:"id"`
	Name         string `json:"name"`
	TemplateID   uint   `json:"template_id"`
	TemplateName string `json:"template_name"`
	MaxRunners   uint   `json:"max_runners"`
}

// ScaleSet returns a scale set by name.
func (g *GARM) ScaleSet(ctx context.Context, name string) (ScaleSet, error) {
	var sets []ScaleSet
	if err := g.Get(ctx, "/scalesets", &sets); err != nil {
		return ScaleSet{}, err
	}
	for _, set := range sets {
		if set.Name == name {
			err := g.Get(ctx, fmt.Sprintf("/scalesets/%d", set.ID), &set)
			return set, err
		}
	}
	return ScaleSet{}, fmt.Errorf("GARM has no scale set %s among %d", name, len(sets))
}

// Template returns the text of a template.
func (g *GARM) Template(ctx context.Context, id uint) ([]byte, error) {
	var template struct {
		Data []byte `json:"data"`
	}
	err := g.Get(ctx, fmt.Sprintf("/templates/%d", id), &template)
	return template.Data, err
}

// Objects has a line for each object that the charm may make, without what GARM changes of it by itself: two equal answers
// mean that they are as they were. An empty name is all objects, another those of that name.
func (g *GARM) Objects(ctx context.Context, name string) (string, error) {
	var text strings.Builder
	for _, path := range []string{"/github/endpoints", "/github/credentials", "/organizations", "/repositories", "/enterprises", "/templates", "/scalesets"} {
		var objects []map[string]any
		if err := g.Get(ctx, path, &objects); err != nil {
			return "", err
		}
		for _, object := range objects {
			if name != "" && object["name"] != name {
				continue
			}
			for _, own := range []string{"updated_at", "events", "rate_limit", "pool_manager_status", "credentials", "state", "extended_state", "desired_runner_count", "last_message_id"} {
				delete(object, own)
			}
			line, err := json.Marshal(object)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&text, "%s %s\n", path, line)
		}
	}
	return text.String(), nil
}

// Runners has one line for each runner: its name, its status and what it says of itself.
func (g *GARM) Runners(ctx context.Context) (string, error) {
	var instances []struct {
		Name         string `json:"name"`
		Status       string `json:"status"`
		RunnerStatus string `json:"runner_status"`
	}
	if err := g.Get(ctx, "/instances", &instances); err != nil {
		return "", err
	}
	var text strings.Builder
	for _, i := range instances {
		fmt.Fprintln(&text, i.Name, i.Status, i.RunnerStatus)
	}
	return text.String(), nil
}
