package bed

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"

	"github.com/garm-charms/garm-charms/tests/juju"
	"github.com/garm-charms/garm-charms/tests/operator"
)

// query is an expression that Prometheus is to evaluate for somebody.
type query struct{ origin, expr string }

// checkQueries fails unless Prometheus has series for every selector in every alert and every panel, with all the labels
// that they name. It prints what it checked.
func (s *Script) checkQueries(ctx context.Context, unit string) (string, error) {
	info, err := s.Model.ShowUnit(ctx, unit)
	if err != nil {
		return "", err
	}
	panels, err := panelQueries(ctx, info)
	if err != nil {
		return "", err
	}
	alerts, err := s.prom.alertQueries(ctx)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	var problems []string
	for _, q := range append(alerts, panels...) {
		fmt.Fprintf(&text, "%s\n", q.origin)
		found, err := s.prom.check(ctx, q.expr)
		if err != nil {
			return "", fmt.Errorf("%s: %w", q.origin, err)
		}
		for _, problem := range found {
			problems = append(problems, q.origin+": "+problem)
		}
	}
	if len(problems) > 0 {
		return text.String(), fmt.Errorf("cannot answer some queries:\n%s", strings.Join(problems, "\n"))
	}
	return text.String(), nil
}

// alertQueries returns the expressions of the loaded rules. One that cannot be evaluated is an error.
func (p *Prometheus) alertQueries(ctx context.Context) ([]query, error) {
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Query, Health, LastError string }
		}
	}
	err := operator.Until(ctx, func() error {
		if err := p.get(ctx, http.MethodGet, "/api/v1/rules", &data); err != nil {
			return err
		}
		for _, group := range data.Groups {
			for _, rule := range group.Rules {
				if rule.Health != "ok" {
					return fmt.Errorf("alert %s: %s %s", rule.Name, rule.Health, rule.LastError)
				}
			}
		}
		return nil
	})
	var queries []query
	for _, group := range data.Groups {
		for _, rule := range group.Rules {
			queries = append(queries, query{"alert " + rule.Name, rule.Query})
		}
	}
	return queries, err
}

// panelQueries unpacks the dashboards, with the program that Grafana's charm has the library of, and does what Grafana does
// before it asks Prometheus.
func panelQueries(ctx context.Context, info juju.UnitInfo) ([]query, error) {
	i := slices.IndexFunc(info.Relations, func(r juju.RelationInfo) bool { return r.Endpoint == "grafana-dashboard" })
	if i < 0 {
		return nil, fmt.Errorf("cannot find a relation grafana-dashboard of %s", info.Unit)
	}
	var bag struct {
		Templates map[string]struct {
			Content  string            `json:"content"`
			Topology map[string]string `json:"juju_topology"`
		} `json:"templates"`
	}
	if err := json.Unmarshal([]byte(info.Relations[i].Application["dashboards"]), &bag); err != nil {
		return nil, fmt.Errorf("cannot read dashboards: %w", err)
	}
	var queries []query
	for _, name := range slices.Sorted(maps.Keys(bag.Templates)) {
		template := bag.Templates[name]
		dashboard, err := unpack(ctx, template.Content)
		if err != nil {
			return nil, fmt.Errorf("cannot unpack dashboard %s: %w", name, err)
		}
		fill := strings.NewReplacer("$juju_model_uuid", template.Topology["model_uuid"], "$juju_model", template.Topology["model"],
			"$juju_application", template.Topology["application"], "$__rate_interval", "1m")
		for _, panel := range dashboard.Panels {
			for _, target := range panel.Targets {
				if panel.Datasource.Type == "prometheus" {
					queries = append(queries, query{"panel " + panel.Title, fill.Replace(target.Expr)})
				}
			}
		}
	}
	return queries, nil
}

type dashboard struct {
	Panels []struct {
		Title      string
		Datasource struct{ Type string }
		Targets    []struct{ Expr string }
	}
}

func unpack(ctx context.Context, content string) (d dashboard, err error) {
	packed, err := base64.StdEncoding.DecodeString(content)
	if err != nil {
		return d, err
	}
	cmd := exec.CommandContext(ctx, "xz", "--decompress", "--format=xz", "--stdout")
	cmd.Stdin = bytes.NewReader(packed)
	text, err := cmd.Output()
	if err != nil {
		return d, err
	}
	err = json.Unmarshal(text, &d)
	return d, err
}

// node is a part of an expression, as Prometheus parses it.
type node struct {
	Type     string
	Name     string
	Matchers []struct{ Name, Type, Value string }
	Grouping []string
	Matching *struct{ Labels, Include []string }
	Func     struct{ Name string }
	Val      string
	Expr     *node
	LHS, RHS *node
	Args     []node
}

// check returns what is wrong with an expression: it cannot be evaluated, no series has a selector's name, or none of that
// name has a label that is named. Values are not looked at: there may be nothing to alert on.
func (p *Prometheus) check(ctx context.Context, expr string) ([]string, error) {
	if _, err := p.Query(ctx, expr); err != nil {
		return nil, err
	}
	var root node
	if err := p.get(ctx, http.MethodGet, "/api/v1/parse_query?query="+url.QueryEscape(expr), &root); err != nil {
		return nil, err
	}
	labels, problems, err := p.labelsOf(ctx, &root)
	if err != nil || len(problems) > 0 {
		return problems, err
	}
	for _, label := range root.named(nil) {
		if !labels[label] {
			problems = append(problems, "no series has the label "+label)
		}
	}
	return problems, nil
}

// children are the expressions that this one is made of.
func (n *node) children() []*node {
	var all []*node
	for _, child := range []*node{n.Expr, n.LHS, n.RHS} {
		if child != nil && child.Type != "" {
			all = append(all, child)
		}
	}
	for i := range n.Args {
		all = append(all, &n.Args[i])
	}
	return all
}

// named adds the labels that groupings and matchings name.
func (n *node) named(labels []string) []string {
	labels = append(labels, n.Grouping...)
	if n.Matching != nil {
		labels = append(append(labels, n.Matching.Labels...), n.Matching.Include...)
	}
	for _, child := range n.children() {
		labels = child.named(labels)
	}
	return labels
}

// labelsOf returns the labels that the series of all selectors have, and those that label_replace makes.
func (p *Prometheus) labelsOf(ctx context.Context, n *node) (map[string]bool, []string, error) {
	labels := map[string]bool{}
	var problems []string
	switch {
	case n.Type == "vectorSelector" || n.Type == "matrixSelector":
		return p.seriesLabels(ctx, n)
	case n.Type == "call" && n.Func.Name == "label_replace":
		labels[n.Args[1].Val] = true
	}
	for _, child := range n.children() {
		more, found, err := p.labelsOf(ctx, child)
		if err != nil {
			return nil, nil, err
		}
		maps.Copy(labels, more)
		problems = append(problems, found...)
	}
	return labels, problems, nil
}

// selector is the selector without what it selects by beside names.
func (n *node) selector() string {
	for _, matcher := range n.Matchers {
		if matcher.Name == "__name__" {
			return fmt.Sprintf("{__name__%s%q}", matcher.Type, matcher.Value)
		}
	}
	return n.Name
}

// seriesLabels returns the labels of the series that a selector may select, and which of those that it names they lack.
func (p *Prometheus) seriesLabels(ctx context.Context, n *node) (map[string]bool, []string, error) {
	var series []map[string]string
	if err := p.get(ctx, http.MethodGet, "/api/v1/series?match[]="+url.QueryEscape(n.selector()), &series); err != nil {
		return nil, nil, err
	}
	labels := map[string]bool{}
	for _, one := range series {
		for name := range one {
			labels[name] = true
		}
	}
	if len(labels) == 0 {
		return labels, []string{"no series is called " + n.selector()}, nil
	}
	var problems []string
	for _, matcher := range n.Matchers {
		if !labels[matcher.Name] {
			problems = append(problems, "no "+n.selector()+" has the label "+matcher.Name)
		}
	}
	return labels, problems, nil
}
