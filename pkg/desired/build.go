package desired

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/garm-charms/garm-charms/pkg/bootstrap"
	"github.com/garm-charms/garm-charms/pkg/runnerconfig"
	"github.com/garm-charms/garm-charms/pkg/secret"
)

// Declaration is a scale set that passed the contract's rules, with the application that declares it and its secrets.
type Declaration struct {
	Application string
	runnerconfig.ScaleSet
	PrivateKey secret.Value // of the GitHub App
	Token      secret.Value // instead of an App
	// Tmate is the server for debug sessions of all runners; the zero value is none.
	Tmate bootstrap.Tmate
}

// blocks are the runner options, those that no configurator declares included.
func (d Declaration) blocks() bootstrap.Options {
	o := Blocks(d.Options)
	o.Tmate = d.Tmate
	return o
}

// Conflict says why a declaration is not followed.
type Conflict struct {
	Application string
	Reason      string // for the operator, without full stop
}

// defaultRunnerPrefix is GARM's (GARM params/requests.go, DefaultRunnerPrefix); an update cannot clear a prefix, only set one.
const defaultRunnerPrefix = "garm"

// SystemTemplate is the name of the template of GARM's own from which those of the scale sets are derived.
const SystemTemplate = "github_linux"

// Build returns the state that the declarations ask for. base is the content of GARM's system template. A declaration
// that contradicts an earlier one in the list, or cannot be rendered, is left out and returned as a conflict; so the list
// should have a stable order in which a newcomer is last. So does one that contradicts what is kept.
func Build(declarations []Declaration, base []byte, kept ...Kept) (State, []Conflict) {
	b := builder{
		base:        base,
		kept:        kept,
		endpoints:   map[string]claimedEndpoint{},
		credentials: map[string]claimedCredential{},
		entities:    map[EntityRef]claim{},
		scaleSets:   map[ScaleSetKey]string{},
		providers:   map[string]string{},
		names:       map[string]int{},
		apps:        map[app]appCredential{},
		renderings:  map[bootstrap.Options]rendering{},
	}
	for _, d := range declarations {
		b.names[d.Name]++
	}
	for _, d := range declarations {
		if err := b.add(d); err != nil {
			b.conflicts = append(b.conflicts, Conflict{Application: d.Application, Reason: err.Error()})
		}
	}
	return b.state(), b.conflicts
}

// Kept is an entity in which an application has a scale set that declares nothing that can be followed at present.
type Kept struct {
	Entity
	Application string
	// Users are the applications that have scale sets there. Only they get to change the entity.
	Users map[string]bool
}

// claim is an entity with the application that asked for it first.
type claim struct {
	Entity
	application string
}

// claimedCredential likewise.
type claimedCredential struct {
	Credential
	application string
}

type builder struct {
	base        []byte
	kept        []Kept
	endpoints   map[string]claimedEndpoint
	credentials map[string]claimedCredential
	entities    map[EntityRef]claim
	scaleSets   map[ScaleSetKey]string // to the application that has it
	providers   map[string]string      // likewise
	names       map[string]int         // how many declarations have that name
	apps        map[app]appCredential
	renderings  map[bootstrap.Options]rendering
	templates   []Template
	sets        []ScaleSet
	conflicts   []Conflict
}

// add takes a declaration whole or not at all.
func (b *builder) add(d Declaration) error {
	credential, err := b.credentialOf(d)
	if err != nil {
		return err
	}
	entity := Entity{EntityRef: KeyOf(d.ScaleSet).Entity, Credential: credential.Name}
	set, template, err := b.scaleSetOf(d)
	if err != nil {
		return err
	}
	if err := b.contradiction(d, credential, entity, set.ScaleSetKey); err != nil {
		return err
	}
	if err := b.claimEndpoint(d); err != nil {
		return err
	}
	if _, known := b.credentials[credential.Name]; !known {
		b.credentials[credential.Name] = claimedCredential{Credential: credential, application: d.Application}
	}
	if _, known := b.entities[entity.EntityRef]; !known {
		b.entities[entity.EntityRef] = claim{Entity: entity, application: d.Application}
	}
	b.scaleSets[set.ScaleSetKey] = d.Application
	b.providers[d.ProviderName] = d.Application
	b.sets = append(b.sets, set)
	if template != nil {
		b.templates = append(b.templates, *template)
	}
	return nil
}

func (b *builder) contradiction(d Declaration, credential Credential, entity Entity, key ScaleSetKey) error {
	if other, taken := b.scaleSets[key]; taken {
		return TakenScaleSetError(key, other)
	}
	if other, taken := b.providers[d.ProviderName]; taken {
		return TakenProviderError(d.ProviderName, other)
	}
	if other, known := b.entities[entity.EntityRef]; known && other.Credential != entity.Credential {
		return fmt.Errorf("%s is registered with the GitHub App or token of %s; give both the same", entity, other.application)
	}
	if keeper := b.keeper(d, entity); keeper != "" {
		return fmt.Errorf("%s is registered with the GitHub App or token of %s; correct the configuration of that first, or give both the same", entity, keeper)
	}
	if other, known := b.credentials[credential.Name]; known && other.Description != credential.Description {
		return fmt.Errorf("%s gives another %s for the same credential; give both the same", other.application, secretOption(d))
	}
	return nil
}

// keeper is the application on hold in whose entity d would be a newcomer with another credential; empty if there is none.
func (b *builder) keeper(d Declaration, entity Entity) string {
	for _, k := range b.kept {
		if k.EntityRef == entity.EntityRef && k.Credential != entity.Credential && !k.Users[d.Application] {
			return k.Application
		}
	}
	return ""
}

// TakenScaleSetError says that a scale set is another application's.
func TakenScaleSetError(key ScaleSetKey, other string) error {
	return fmt.Errorf("%s is already declared by %s; give one of them another name", key, other)
}

// TakenProviderError says that a provider's name is another application's.
func TakenProviderError(provider, other string) error {
	return fmt.Errorf("provider %s is already declared by %s; deploy one of them under another application name", provider, other)
}

func (b *builder) scaleSetOf(d Declaration) (ScaleSet, *Template, error) {
	specs, err := extraSpecs(d)
	if err != nil {
		return ScaleSet{}, nil, err
	}
	set := ScaleSet{
		ScaleSetKey: KeyOf(d.ScaleSet),
		Application: d.Application,
		Provider:    d.ProviderName,
		Labels:      JoinLabels(d.Labels),
		Settings: Settings{
			Image:       d.ImageID,
			Flavor:      d.Flavor,
			OSArch:      d.OSArch,
			RunnerGroup: d.RunnerGroup,
			MinIdle:     d.MinIdleRunner,
			Max:         d.MaxRunner,
			Enabled:     true,
			ExtraSpecs:  specs,

			RunnerPrefix:     cmp.Or(d.RunnerPrefix, defaultRunnerPrefix),
			BootstrapTimeout: d.BootstrapTimeoutMinutes,
		},
	}
	if d.Repo != "" {
		set.RunnerGroup = runnerconfig.DefaultRunnerGroup // all that a repository has
	}
	if d.blocks().IsZero() {
		return set, nil, nil
	}
	r := b.render(d.blocks())
	if r.err != nil {
		return ScaleSet{}, nil, fmt.Errorf("cannot make the runner template: %w", r.err)
	}
	set.Template = b.templateName(set.ScaleSetKey)
	return set, &Template{Name: set.Template, Description: r.description, Data: r.data}, nil
}

// rendering is a template's content with its mark, or why there is none.
type rendering struct {
	data        []byte
	description string
	err         error
}

// render makes a template once, however many scale sets have the same options.
func (b *builder) render(o bootstrap.Options) rendering {
	if done, known := b.renderings[o]; known {
		return done
	}
	var r rendering
	r.data, r.err = bootstrap.Template(b.base, o)
	var noPlace *bootstrap.AnchorError
	if errors.As(r.err, &noPlace) {
		r.err = fmt.Errorf("%w; run garm's action restore-template to have %s as GARM ships it, or reset the runner options", r.err, SystemTemplate)
	}
	r.description = Mark(string(r.data))
	b.renderings[o] = r
	return r
}

// templateName is unique, as GARM demands, also when scale sets of two entities share a name: no scale set's own name has a
// slash. It is no longer than the 128 characters that GARM's database has room for (GARM database/sql/models.go, Template).
func (b *builder) templateName(key ScaleSetKey) string {
	name := SystemTemplate + "-" + key.Name
	if b.names[key.Name] > 1 {
		name += fmt.Sprintf("/%.30s-%.16s", strings.ReplaceAll(key.Entity.Name, "/", "-"), digest(key.Entity.sortKey()))
	}
	return name
}

// Blocks are the runner options in the form in which pkg/bootstrap renders them.
func Blocks(o runnerconfig.Options) bootstrap.Options {
	return bootstrap.Options{
		DockerHubMirror:        o.DockerHubMirror,
		RunnerHTTPProxy:        o.RunnerHTTPProxy,
		AproxyExcludeAddresses: strings.Join(o.AproxyExcludeAddresses, ","),
		AproxyRedirectPorts:    strings.Join(o.AproxyRedirectPorts, ","),
		OTelCollectorEndpoint:  o.OTelCollectorEndpoint,
		PreJobScript:           o.PreJobScript,

		RefuseExternalContributor: bool(o.RefuseExternalContributor),
		UseRunnerProxyForTmate:    o.UseRunnerProxyForTmate,
	}
}

// extraSpecs are the provider's, in the bytes in which they are compared: GARM compares text: a different
// order of keys is a change to it and makes a new generation (GARM database/sql, UpdateEntityScaleSet).
func extraSpecs(d Declaration) (string, error) {
	scripts, err := bootstrap.PreInstall(d.blocks(), d.PreInstallScripts)
	if err != nil {
		return "", err
	}
	specs := struct {
		DisableUpdates    bool              `json:"disable_updates,omitempty"`
		PreInstallScripts map[string][]byte `json:"pre_install_scripts,omitempty"`
	}{
		// cloud-init upgrades packages before any script has set the proxy up, and would wait for time-outs.
		DisableUpdates:    d.RunnerHTTPProxy != "",
		PreInstallScripts: scripts,
	}
	text, err := json.Marshal(specs)
	if err != nil {
		return "", fmt.Errorf("cannot encode extra specs: %w", err)
	}
	return string(text), nil
}

// CanonicalSpecs returns extra specs in the bytes that Build would give them, so that both can be compared as text.
func CanonicalSpecs(text []byte) string {
	if len(text) == 0 {
		return "{}"
	}
	var specs map[string]any
	if json.Unmarshal(text, &specs) != nil {
		return string(text) // not an object: as it is, and unlike anything wanted
	}
	if specs == nil {
		return "{}"
	}
	canonical, err := json.Marshal(specs)
	if err != nil {
		return string(text)
	}
	return string(canonical)
}

// JoinLabels makes labels comparable: GARM keeps no order and takes labels that differ in case only for one.
func JoinLabels(labels []string) string {
	fold := func(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) }
	sorted := slices.CompactFunc(slices.SortedFunc(slices.Values(labels), fold), strings.EqualFold)
	return strings.Join(sorted, ",")
}

func (b *builder) state() State {
	s := State{Templates: b.templates, ScaleSets: b.sets}
	for _, credential := range b.credentials {
		s.Credentials = append(s.Credentials, credential.Credential)
	}
	for _, endpoint := range b.endpoints {
		s.Endpoints = append(s.Endpoints, endpoint.Endpoint)
	}
	for _, entity := range b.entities {
		s.Entities = append(s.Entities, entity.Entity)
	}
	s.Sort()
	return s
}

// Sort puts every slice into the order in which states are compared and shown.
func (s *State) Sort() {
	slices.SortFunc(s.Endpoints, func(a, b Endpoint) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Credentials, func(a, b Credential) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Entities, func(a, b Entity) int { return cmp.Compare(a.sortKey(), b.sortKey()) })
	slices.SortFunc(s.Templates, func(a, b Template) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.ScaleSets, func(a, b ScaleSet) int {
		return cmp.Or(cmp.Compare(a.Entity.sortKey(), b.Entity.sortKey()), cmp.Compare(a.Name, b.Name))
	})
}

func (r EntityRef) sortKey() string { return r.Endpoint + " " + r.Kind + " " + r.Name }
