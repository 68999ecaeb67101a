package workload

// mainTOML is GARM's config.toml (GARM config/config.go), as far as it is used here.
type mainTOML struct {
	APIServer struct {
		Bind  string `toml:"bind"`
		Port  int    `toml:"port"`
		WebUI struct {
			Enable bool `toml:"enable"`
		} `toml:"webui"`
	} `toml:"apiserver"`
	Database databaseTOML `toml:"database"`
	JWT      struct {
		Secret     string `toml:"secret"`
		TimeToLive string `toml:"time_to_live"`
	} `toml:"jwt_auth"`
	Logging struct {
		Level  string `toml:"log_level"`
		Format string `toml:"log_format"`
	} `toml:"logging"`
	Metrics struct {
		Enable      bool `toml:"enable"`
		DisableAuth bool `toml:"disable_auth"`
	} `toml:"metrics"`
	Providers []providerTOML `toml:"provider,omitempty"`
}

type databaseTOML struct {
	Backend    string          `toml:"backend"`
	Passphrase string          `toml:"passphrase"`
	SQLite     *sqliteTOML     `toml:"sqlite3,omitempty"`
	PostgreSQL *postgresqlTOML `toml:"postgresql,omitempty"`
}

type sqliteTOML struct {
	File        string `toml:"db_file"`
	BusyTimeout int    `toml:"busy_timeout_seconds"`
}

type postgresqlTOML struct {
	Username string `toml:"username"`
	Password string `toml:"password"`
	Hostname string `toml:"hostname"`
	Port     int    `toml:"port,omitempty"`
	Database string `toml:"database"`
	SSLMode  string `toml:"sslmode,omitempty"`
}

type providerTOML struct {
	Name        string       `toml:"name"`
	Type        string       `toml:"provider_type"`
	Description string       `toml:"description"`
	External    externalTOML `toml:"external"`
}

type externalTOML struct {
	ConfigFile  string   `toml:"config_file"`
	Executable  string   `toml:"provider_executable"`
	Environment []string `toml:"environment_variables"`
}

// openstackTOML is the configuration of garm-provider-openstack.
type openstackTOML struct {
	Cloud       string `toml:"cloud"`
	NetworkID   string `toml:"network_id"`
	Credentials struct {
		Clouds string `toml:"clouds"`
	} `toml:"credentials"`
	// UseConfigDrive keeps user data off the metadata service (CVE-2024-6174).
	UseConfigDrive bool `toml:"use_config_drive"`
}

// cloudsYAML is OpenStack's clouds.yaml.
type cloudsYAML struct {
	Clouds map[string]cloudYAML `yaml:"clouds"`
}

type cloudYAML struct {
	Auth       authYAML `yaml:"auth"`
	RegionName string   `yaml:"region_name"`
}

type authYAML struct {
	AuthURL           string `yaml:"auth_url"`
	Username          string `yaml:"username"`
	Password          string `yaml:"password"`
	ProjectName       string `yaml:"project_name"`
	UserDomainName    string `yaml:"user_domain_name"`
	ProjectDomainName string `yaml:"project_domain_name"`
}

func cloud(c Cloud) cloudYAML {
	return cloudYAML{
		RegionName: c.RegionName,
		Auth: authYAML{
			AuthURL:           c.AuthURL,
			Username:          c.Username,
			Password:          c.Password.Reveal(),
			ProjectName:       c.ProjectName,
			UserDomainName:    c.UserDomainName,
			ProjectDomainName: c.ProjectDomainName,
		},
	}
}
