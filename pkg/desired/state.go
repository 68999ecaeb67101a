// Package desired turns what the configurators declare into the state that GARM should have, and names the
// declarations that contradict each other. Its State is also the form in which GARM's present state is compared.
//
// It is pure: no request, no hook tool, no clock.
package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/garm-charms/garm-charms/pkg/secret"
)

// State is what GARM contains, or should contain, as far as this charm cares. Slices are sorted by name. IDs are GARM's
// and are zero in a state that is only wanted.
type State struct {
	Endpoints   []Endpoint
	Credentials []Credential
	Entities    []Entity
	Templates   []Template
	ScaleSets   []ScaleSet
}

// Endpoint is a GitHub Enterprise Server, or GARM's own endpoint for github.com. Its name is its identity.
type Endpoint struct {
	Name        string
	Description string // like Credential.Description, with the digest of what follows
	BaseURL     string
	APIURL      string
	UploadURL   string
	// CACertificate is in PEM; GARM can replace it, and never forget it.
	CACertificate string
}

// Credential is how GARM authenticates at a forge endpoint: with a GitHub App or, if there is a Token, with that.
type Credential struct {
	ID       uint
	Name     string
	Endpoint string
	// Description carries the mark by which the charm knows its own and sees that a key was rotated: GARM returns
	// neither key nor App (GARM params/params.go, ForgeCredentials).
	Description    string
	AppID          int64
	InstallationID int64
	PrivateKey     secret.Value // PEM, PKCS#1
	Token          secret.Value
	// Unanswered says that GitHub has not let GARM in with it since it was last changed; false in a wanted state.
	Unanswered bool
}

// EntityRef identifies an organisation, a repository or an enterprise. Make it with NewEntityRef.
type EntityRef struct {
	Kind     string // one of the Kind constants
	Name     string // owner/name for a repository
	Endpoint string
}

// Kinds of entity, as GARM spells them (GARM params/params.go, ForgeEntityType).
const (
	KindOrganization = "organization"
	KindRepository   = "repository"
	KindEnterprise   = "enterprise"
)

// NewEntityRef folds the name's case, which neither GARM nor GitHub tells apart.
func NewEntityRef(kind, name, endpoint string) EntityRef {
	return EntityRef{Kind: kind, Name: strings.ToLower(name), Endpoint: endpoint}
}

// String names the server too unless it is github.com: two servers may each have an entity of the same name.
func (r EntityRef) String() string {
	if r.Endpoint == GitHubCom {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Name + " at " + r.Endpoint
}

// Entity is an organisation, a repository or an enterprise that GARM serves.
type Entity struct {
	EntityRef

	ID         string
	Credential string // by name
	// Failure is why GARM does not work for the entity at present; empty in a wanted state.
	Failure string
}

// Template is a runner-install template.
type Template struct {
	ID          uint
	Name        string
	Description string // like Credential.Description, with the digest of Data
	Data        []byte // absent in a current state: GARM's list leaves it out
}

// ScaleSetKey identifies a scale set. The name alone does not: two entities may each have one of the same name.
type ScaleSetKey struct {
	Entity EntityRef
	Name   string
}

func (k ScaleSetKey) String() string { return "scale set " + k.Name + " of " + k.Entity.String() }

// ScaleSet is a runner scale set.
type ScaleSet struct {
	ScaleSetKey
	Settings

	ID uint
	// Application is the Juju application that declares it; empty in a current state.
	Application string
	// Provider and Labels cannot be changed once the scale set exists.
	Provider string
	Labels   string // sorted, joined with commas
	// Runners, Recipe and Changed are empty in a wanted state. Changed is no earlier than the last change of the recipe.
	Runners []Runner
	Recipe  string
	Changed time.Time
	// Overlooked is how many runners GARM should have begun to make a while ago, for jobs or as idle ones; 0 in a wanted state.
	Overlooked int
}

// Find returns the scale sets of that name; those of the entity with that name or EntityRef.String, if entity is not empty.
func (s State) Find(name, entity string) (found []ScaleSet) {
	for _, set := range s.ScaleSets {
		isMeant := entity == "" || strings.EqualFold(set.Entity.Name, entity) || strings.EqualFold(set.Entity.String(), entity)
		if set.Name == name && isMeant {
			found = append(found, set)
		}
	}
	return found
}

// LabelList returns Labels one by one.
func (s ScaleSet) LabelList() []string {
	if s.Labels == "" {
		return nil
	}
	return strings.Split(s.Labels, ",")
}

// Settings are what can be changed in place. Two Settings are the same if they are ==.
type Settings struct {
	Image        string
	Flavor       string
	OSArch       string
	RunnerGroup  string
	MinIdle, Max int
	Enabled      bool
	ExtraSpecs   string // JSON with sorted keys, "{}" when there are none
	// RunnerPrefix is what the runners' names begin with, BootstrapTimeout how many minutes one may take to register.
	RunnerPrefix     string
	BootstrapTimeout int
	Template         string // name of a template of the charm's own; empty for GARM's system template
}

const mark = "Managed by the garm charm"

// Mark is a description that says whose an object is and what it was made from.
func Mark(parts ...string) string { return mark + ", digest " + digest(parts...) }

// digest differs also for parts that only join to the same text.
func digest(parts ...string) string {
	sum := sha256.New()
	for _, part := range parts {
		sum.Write(fmt.Appendf(nil, "%d:%s", len(part), part))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// IsMarked tells whether an object with that description is the charm's own.
func IsMarked(description string) bool { return strings.HasPrefix(description, mark+",") }

// IsPythons tells whether a credential with that description was made by the Python charm, which this one replaces.
func IsPythons(description string) bool { return description == "Managed by garm" }
