package metrics

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/garm-charms/garm-charms/pkg/integration/topology"
)

// placeholder stands in expressions where the matchers of the application's own series go, as in the rule files of other
// charms.
const placeholder = "%%juju_topology%%"

// Rules are a file of Prometheus alerting rules.
type Rules struct {
	Groups []group `json:"groups" yaml:"groups"`
}

type group struct {
	Name  string `json:"name" yaml:"name"`
	Rules []rule `json:"rules" yaml:"rules"`
}

type rule struct {
	Alert       string            `json:"alert" yaml:"alert"`
	Expr        string            `json:"expr" yaml:"expr"`
	For         string            `json:"for,omitempty" yaml:"for"`
	Labels      map[string]string `json:"labels" yaml:"labels"`
	Annotations map[string]string `json:"annotations" yaml:"annotations"`
}

// RulesOf reads a rule file, which is YAML.
func RulesOf(text []byte) (Rules, error) {
	var rules Rules
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&rules); err != nil {
		return Rules{}, fmt.Errorf("cannot read alert rules: %w", err)
	}
	return rules, nil
}

// of makes the rules those of one application: several that are deployed of the same charm must not alert on each other.
func (r Rules) of(place topology.Topology) Rules {
	matchers := fmt.Sprintf("juju_model=%s, juju_model_uuid=%s, juju_application=%s",
		quote(place.Model), quote(place.ModelUUID), quote(place.Application))
	mine := Rules{Groups: []group{}}
	for _, g := range r.Groups {
		named := group{Name: fmt.Sprintf("%s_%.8s_%s_%s_alerts", place.Model, place.ModelUUID, place.Application, g.Name)}
		for _, rule := range g.Rules {
			rule.Expr = strings.ReplaceAll(rule.Expr, placeholder, matchers)
			labels := place.Labels()
			maps.Copy(labels, rule.Labels)
			rule.Labels = labels
			named.Rules = append(named.Rules, rule)
		}
		mine.Groups = append(mine.Groups, named)
	}
	return mine
}

// quote writes a PromQL string, whose escapes are those of JSON as far as names go.
func quote(text string) string {
	quoted, _ := json.Marshal(text) // a string can be encoded
	return string(quoted)
}
