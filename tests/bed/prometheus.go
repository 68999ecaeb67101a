package bed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/garm-charms/garm-charms/tests/juju"
	"github.com/garm-charms/garm-charms/tests/operator"
	"github.com/garm-charms/garm-charms/tests/parts"
)

// Prometheus is the real one, which does what garm told it over its relation.
type Prometheus struct {
	base string
	dir  string
}

// StartPrometheus runs Prometheus until the bed is closed, on the jobs and rules that stand in the databags of the
// relation metrics-endpoint as the unit sees them.
func (b *Bed) StartPrometheus(ctx context.Context, unit string) (*Prometheus, error) {
	program, err := parts.Prometheus(ctx)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	p := &Prometheus{base: "http://" + address, dir: filepath.Join(b.config.Dir, "prometheus")}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return nil, err
	}
	if err := p.configure(ctx, b.Model, unit); err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "--config.file", filepath.Join(p.dir, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(p.dir, "data"),
		"--web.listen-address", address, "--web.enable-lifecycle", "--log.level", "error")
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start Prometheus: %w", err)
	}
	b.closers = append(b.closers, func() error {
		err := cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		return err
	})
	return p, operator.Until(ctx, func() error { return p.get(ctx, http.MethodGet, "/-/ready", nil) })
}

// configure writes Prometheus's configuration as its charm makes it (lib prometheus_scrape, MetricsEndpointConsumer).
func (p *Prometheus) configure(ctx context.Context, model *juju.Model, unit string) error {
	info, err := model.ShowUnit(ctx, unit)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(info.Relations, func(r juju.RelationInfo) bool { return r.Endpoint == "metrics-endpoint" })
	if i < 0 {
		return fmt.Errorf("cannot find a relation metrics-endpoint of %s", unit)
	}
	relation := info.Relations[i]
	jobs, err := scrapeConfigs(relation)
	if err != nil {
		return err
	}
	config, err := yaml.Marshal(map[string]any{
		"global":         map[string]string{"scrape_interval": "300ms", "scrape_timeout": "300ms", "evaluation_interval": "300ms"},
		"rule_files":     []string{filepath.Join(p.dir, "garm.rules")},
		"scrape_configs": jobs,
	})
	if err != nil {
		return err
	}
	return errors.Join(
		// JSON is YAML.
		os.WriteFile(filepath.Join(p.dir, "garm.rules"), []byte(relation.Application["alert_rules"]), 0o644),
		os.WriteFile(filepath.Join(p.dir, "prometheus.yml"), config, 0o644),
	)
}

// scrapeConfigs expands "*:PORT" to the units that named themselves, and labels them with their topology.
func scrapeConfigs(relation juju.RelationInfo) ([]map[string]any, error) {
	var jobs []map[string]any
	var place map[string]string
	err := errors.Join(
		json.Unmarshal([]byte(relation.Application["scrape_jobs"]), &jobs),
		json.Unmarshal([]byte(relation.Application["scrape_metadata"]), &place),
	)
	if err != nil {
		return nil, fmt.Errorf("cannot read what is to be scraped: %w", err)
	}
	for _, job := range jobs {
		port := regexp.MustCompile(`\*:(\d+)`).FindStringSubmatch(fmt.Sprint(job["static_configs"]))
		if port == nil {
			return nil, fmt.Errorf("cannot read the targets of %v", job)
		}
		var targets []map[string]any
		for _, unit := range slices.Sorted(maps.Keys(relation.Units)) {
			bag := relation.Units[unit]
			if bag["prometheus_scrape_unit_name"] == "" {
				continue
			}
			targets = append(targets, map[string]any{
				"targets": []string{bag["prometheus_scrape_unit_address"] + ":" + port[1]},
				"labels": map[string]string{
					"juju_model": place["model"], "juju_model_uuid": place["model_uuid"], "juju_application": place["application"],
					"juju_charm": place["charm_name"], "juju_unit": bag["prometheus_scrape_unit_name"],
				},
			})
		}
		job["static_configs"] = targets
	}
	return jobs, nil
}

// get decodes the data of an answer of Prometheus's API.
func (p *Prometheus) get(ctx context.Context, method, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("cannot %s %s: Prometheus answered %d %s", method, path, res.StatusCode, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, &struct {
		Data any `json:"data"`
	}{Data: into})
}

// Sample is one result of a query.
type Sample struct {
	Labels map[string]string `json:"metric"`
	Value  []any             `json:"value"` // a time and a number as text
}

// Query evaluates an expression now.
func (p *Prometheus) Query(ctx context.Context, expr string) ([]Sample, error) {
	var data struct {
		Result []Sample `json:"result"`
	}
	err := p.get(ctx, http.MethodGet, "/api/v1/query?query="+url.QueryEscape(expr), &data)
	return data.Result, err
}

// Alert is one that is pending or firing.
type Alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	State       string            `json:"state"`
}

// Alerts returns all alerts whose condition holds.
func (p *Prometheus) Alerts(ctx context.Context) ([]Alert, error) {
	var data struct {
		Alerts []Alert `json:"alerts"`
	}
	err := p.get(ctx, http.MethodGet, "/api/v1/alerts", &data)
	return data.Alerts, err
}

// prometheus start UNIT | reload UNIT | wait EXPRESSION: until it has a result, which is printed | alert NAME: until its
// condition holds, printed with what an operator reads | alerts: the names of all whose condition holds | check UNIT
func (s *Script) prometheus(args []string) (_ string, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, waitLimit)
	defer cancel()
	if args[0] == "start" {
		s.prom, err = s.StartPrometheus(ctx, args[1])
		return "", err
	}
	switch args[0] {
	case "reload":
		if err := s.prom.configure(ctx, s.Model, args[1]); err != nil {
			return "", err
		}
		return "", s.prom.get(ctx, http.MethodPost, "/-/reload", nil)
	case "wait":
		return s.prom.wait(ctx, strings.Join(args[1:], " "))
	case "alert":
		return s.prom.waitAlert(ctx, args[1])
	case "alerts":
		alerts, err := s.prom.Alerts(ctx)
		var names strings.Builder
		for _, alert := range alerts {
			fmt.Fprintln(&names, alert.Labels["alertname"])
		}
		return names.String(), err
	case "check":
		return s.checkQueries(ctx, args[1])
	}
	return "", fmt.Errorf("unknown: prometheus %s", args[0])
}

func (p *Prometheus) wait(ctx context.Context, expr string) (string, error) {
	var text strings.Builder
	err := operator.Until(ctx, func() error {
		samples, err := p.Query(ctx, expr)
		if err == nil && len(samples) == 0 {
			err = fmt.Errorf("nothing is %s", expr)
		}
		for _, sample := range samples {
			fmt.Fprintln(&text, sample.Labels, sample.Value[1])
		}
		return err
	})
	return text.String(), err
}

func (p *Prometheus) waitAlert(ctx context.Context, name string) (string, error) {
	var text strings.Builder
	err := operator.Until(ctx, func() error {
		alerts, err := p.Alerts(ctx)
		if err != nil {
			return err
		}
		for _, alert := range alerts {
			if alert.Labels["alertname"] == name {
				fmt.Fprintf(&text, "%s\n%s%v\n", alert.Annotations["summary"], alert.Annotations["description"], alert.Labels)
			}
		}
		if text.Len() == 0 {
			return fmt.Errorf("alert %s is not among the %d whose condition holds", name, len(alerts))
		}
		return nil
	})
	return text.String(), err
}
