// Package runnerconfig is the contract of the garm-configurator relation: the value that one garm-configurator
// application declares, its rules, and how it is written to and read from a databag (interface garm_configurator_v0).
// Both charms use it, so that neither can accept what the other refuses.
//
// It reads no hook tool and knows neither Juju nor GARM.
package runnerconfig

import (
	"slices"
	"strings"
)

// ScaleSet is everything that one garm-configurator application declares: a scale set, the provider that boots its
// runners, the GitHub that they are for, what registers them there and how they behave.
//
// The json tag of a field is its key in the databag, the option tag the operator's name for it. A field without
// option tag comes from elsewhere in the configurator's model.
type ScaleSet struct {
	// Name is GitHub's and GARM's name of the scale set. GARM puts it as it is into the query of a URL (GARM
	// util/github/scalesets/scalesets.go), where some characters would make it find another scale set.
	Name string `json:"name,omitempty" option:"name" validate:"required,max=64,printascii,excludesall= /\\&;#%+"`

	Provider
	Forge
	App
	// TokenSecret is a Juju secret's URI like Provider.PasswordSecret; its content is a personal access token, which registers
	// the runners in place of an App.
	TokenSecret string `json:"github_token_secret_uri,omitempty" option:"github-token" validate:"omitempty,secreturi"`
	Machine
	Options

	// Org is the GitHub organisation the runners serve, Repo the repository as owner/name, Enterprise the enterprise's slug;
	// exactly one is set.
	Org        string `json:"org,omitempty" option:"org" validate:"omitempty,githubname"`
	Repo       string `json:"repo,omitempty" option:"repo" validate:"omitempty,ownername"`
	Enterprise string `json:"enterprise,omitempty" option:"enterprise" validate:"omitempty,enterprise"`
	// RunnerGroup is GitHub's runner group; it has no meaning for a repository.
	RunnerGroup string `json:"runner_group,omitempty" option:"runner-group" validate:"omitempty,max=64,line"`
	// Labels are what a workflow's runs-on may name beside the scale set's name; GARM's database has room for 64 characters
	// of each (GARM database/sql/models.go, Tag).
	Labels List `json:"labels,omitempty" option:"labels" validate:"maxentries=64,dive,required,max=64,printascii"`
	// MinIdleRunner is how many runners wait for a job, MaxRunner how many there may be.
	MinIdleRunner int `json:"min_idle_runner,string" option:"min-idle-runner" validate:"gte=0,ltefield=MaxRunner"`
	MaxRunner     int `json:"max_runner,string" option:"max-runner" validate:"gte=1"`
	// RunnerPrefix is what the runners' names begin with; empty means GARM's own.
	RunnerPrefix string `json:"runner_prefix,omitempty" option:"runner-prefix" validate:"omitempty,runnerprefix"`
	// BootstrapTimeoutMinutes is how long a runner may take from its creation to its registration until GARM replaces it.
	BootstrapTimeoutMinutes int `json:"runner_bootstrap_timeout,string" option:"bootstrap-timeout-minutes" validate:"gte=1,lte=1440"`
}

// Provider is the OpenStack project in which the runners boot, and GARM's name for it.
type Provider struct {
	// ProviderName is fixed for the life of the scale set: GARM cannot move one to another provider.
	ProviderName string `json:"provider_name,omitempty" validate:"required,max=128,printascii"`

	AuthURL           string `json:"openstack_auth_url,omitempty" option:"openstack-auth-url" validate:"required,max=2048,weburl"`
	Username          string `json:"openstack_username,omitempty" option:"openstack-username" validate:"required,max=255,line"`
	ProjectName       string `json:"openstack_project_name,omitempty" option:"openstack-project-name" validate:"required,max=255,line"`
	UserDomainName    string `json:"openstack_user_domain_name,omitempty" option:"openstack-user-domain-name" validate:"required,max=255,line"`
	ProjectDomainName string `json:"openstack_project_domain_name,omitempty" option:"openstack-project-domain-name" validate:"required,max=255,line"`
	RegionName        string `json:"openstack_region_name,omitempty" option:"openstack-region-name" validate:"required,max=255,line"`
	// Network is the name or the ID of the network the runners are attached to.
	Network string `json:"openstack_network,omitempty" option:"openstack-network" validate:"required,max=255,line"`
	// PasswordSecret is a Juju secret's URI: in the configuration the operator's, on the relation the application's copy.
	// Its content is under the key "value".
	PasswordSecret string `json:"openstack_password_secret_uri,omitempty" option:"openstack-password" validate:"required,secreturi"`
}

// App is the GitHub App that registers the runners. All of it is set or nothing.
type App struct {
	AppID          int64 `json:"github_app_id,string,omitempty" option:"github-app-id" validate:"omitempty,gte=1"`
	InstallationID int64 `json:"github_installation_id,string,omitempty" option:"github-app-installation-id" validate:"omitempty,gte=1"`
	// PrivateKeySecret is a Juju secret's URI like Provider.PasswordSecret; its content is the App's key in PEM.
	PrivateKeySecret string `json:"github_private_key_secret_uri,omitempty" option:"github-app-private-key" validate:"omitempty,secreturi"`
}

// Machine is what a runner is booted from.
type Machine struct {
	// ImageID is the OpenStack image that the image builder made.
	ImageID string `json:"image_id,omitempty" validate:"required,max=256,printascii"`
	Flavor  string `json:"flavor,omitempty" option:"flavor" validate:"required,max=255,line"`
	// OSArch is one of GARM's architectures: amd64, arm64, arm.
	OSArch string `json:"os_arch,omitempty" option:"os-arch" validate:"required,oneof=amd64 arm64 arm"`
	// PreInstallScripts run as root at a runner's first boot, in the order of their names. They reach it in its user data, of
	// which OpenStack takes 65535 bytes (Nova, MAX_USERDATA_SIZE) after base64 was applied twice; GARM's own part and the
	// script for the proxy must fit in with them.
	PreInstallScripts Scripts `json:"pre_install_scripts,omitempty" option:"pre-install-scripts" validate:"scriptnames,scripttexts,scriptbytes=24576"`
}

// Options are the runner options: how a runner behaves once it has booted. The zero value asks for nothing.
type Options struct {
	DockerHubMirror        string `json:"dockerhub_mirror,omitempty" option:"dockerhub-mirror" validate:"omitempty,max=2048,weburl"`
	RunnerHTTPProxy        string `json:"runner_http_proxy,omitempty" option:"runner-http-proxy" validate:"omitempty,max=2048,weburl"`
	AproxyExcludeAddresses List   `json:"aproxy_exclude_addresses,omitempty" option:"aproxy-exclude-addresses" validate:"needsproxy,maxentries=256,dive,ipv4net"`
	AproxyRedirectPorts    List   `json:"aproxy_redirect_ports,omitempty" option:"aproxy-redirect-ports" validate:"needsproxy,maxentries=256,dive,ports"`
	OTelCollectorEndpoint  string `json:"otel_collector_endpoint,omitempty" option:"otel-collector-endpoint" validate:"omitempty,max=2048,weburl"`
	PreJobScript           string `json:"pre_job_script,omitempty" option:"pre-job-script" validate:"maxbytes=65536"`
	// RefuseExternalContributor fails the jobs of pull requests by strangers.
	RefuseExternalContributor Refusal `json:"allow_external_contributor,omitempty" option:"allow-external-contributor"`
	// UseRunnerProxyForTmate sends debug sessions through RunnerHTTPProxy.
	UseRunnerProxyForTmate bool `json:"use_runner_proxy_for_tmate,string,omitempty" option:"use-runner-proxy-for-tmate" validate:"needsproxy"`
}

// normalise turns accepted spellings into the one that is compared and published.
func (s *ScaleSet) normalise() {
	s.Labels = slices.DeleteFunc(s.Labels, func(label string) bool { return label == "" })
	if arch, known := map[string]string{"x64": "amd64", "x86_64": "amd64", "aarch64": "arm64"}[strings.ToLower(s.OSArch)]; known {
		s.OSArch = arch
	}
	if s.RunnerGroup == "" || s.RunnerGroup == "default" {
		s.RunnerGroup = DefaultRunnerGroup
	}
	s.Forge.normalise()
}

// unset is a scale set of which nothing is said: a key that is absent leaves its value as it is here.
func unset() ScaleSet { return ScaleSet{BootstrapTimeoutMinutes: DefaultBootstrapTimeout} }

// DefaultRunnerGroup is GitHub's name of the group that every organisation has.
const DefaultRunnerGroup = "Default"

// DefaultBootstrapTimeout is GARM's, in minutes (GARM util/appdefaults/appdefaults.go, DefaultRunnerBootstrapTimeout).
const DefaultBootstrapTimeout = 20
