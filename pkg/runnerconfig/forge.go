package runnerconfig

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/url"
	"strings"
)

// Forge is the GitHub that the runners are for. The zero value is github.com.
type Forge struct {
	// GitHubURL is a GitHub Enterprise Server's; its other URLs follow from it unless they are set.
	GitHubURL       string `json:"github_url,omitempty" option:"github-url" validate:"omitempty,max=2048,weburl,serverurl"`
	GitHubAPIURL    string `json:"github_api_url,omitempty" option:"github-api-url" validate:"omitempty,max=2048,weburl,apiurl,needsserver"`
	GitHubUploadURL string `json:"github_upload_url,omitempty" option:"github-upload-url" validate:"omitempty,max=2048,weburl,apiurl,needsserver"`
	// GitHubCACertificate has, in PEM, the certificates of the authorities that vouch for the server.
	GitHubCACertificate string `json:"github_ca_certificate,omitempty" option:"github-ca-certificate" validate:"omitempty,maxbytes=65536,pem,needsserver"`
}

// APIURL is where the server's REST API is (GitHub Docs, GitHub Enterprise Server, "Getting started with the REST API").
func (f Forge) APIURL() string {
	if f.GitHubAPIURL == "" {
		return f.GitHubURL + "/api/v3"
	}
	return f.GitHubAPIURL
}

// UploadURL is where the server takes uploads.
func (f Forge) UploadURL() string {
	if f.GitHubUploadURL == "" {
		return f.GitHubURL + "/api/uploads"
	}
	return f.GitHubUploadURL
}

// normalise takes the differences away that make none: a slash at the end, the case of a host, and github.com by its name.
func (f *Forge) normalise() {
	for _, text := range []*string{&f.GitHubURL, &f.GitHubAPIURL, &f.GitHubUploadURL} {
		if u, err := url.Parse(*text); err == nil && isWebURL(*text) {
			u.Host = strings.ToLower(u.Host)
			*text = strings.TrimRight(u.String(), "/")
		}
	}
	if u, err := url.Parse(f.GitHubURL); err == nil && (u.Host == "github.com" || u.Host == "www.github.com") {
		f.GitHubURL = ""
	}
}

func isServerURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && isAPIURL(text) && u.Path == ""
}

func isAPIURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}

// isCertificates accepts one certificate after the other, with nothing but blanks and remarks between them.
func isCertificates(text string) bool {
	rest := []byte(text)
	for count := 0; ; count++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return count > 0 && !bytes.Contains(rest, []byte("-----BEGIN"))
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil || block.Type != "CERTIFICATE" {
			return false
		}
	}
}

func (s ScaleSet) entityProblems() []Problem {
	var set []string
	for _, entity := range []struct{ option, value string }{{"org", s.Org}, {"repo", s.Repo}, {"enterprise", s.Enterprise}} {
		if entity.value != "" {
			set = append(set, entity.option)
		}
	}
	switch {
	case len(set) == 0:
		return []Problem{{Option: "org or repo or enterprise", Key: "org", Missing: true}}
	case len(set) > 1:
		return []Problem{{Option: set[0], Key: set[0], Text: fmt.Sprintf("and %s are set; reset all but one", strings.Join(set[1:], " and "))}}
	}
	return nil
}

// credentialProblems: the App, whole, or the token.
func (s ScaleSet) credentialProblems() []Problem {
	parts := []struct {
		option, key string
		set         bool
	}{
		{"github-app-id", "github_app_id", s.AppID != 0},
		{"github-app-installation-id", "github_installation_id", s.InstallationID != 0},
		{"github-app-private-key", "github_private_key_secret_uri", s.PrivateKeySecret != ""},
	}
	var set []string
	var missing []Problem
	for _, part := range parts {
		if part.set {
			set = append(set, part.option)
		} else {
			missing = append(missing, Problem{Option: part.option, Key: part.key, Missing: true})
		}
	}
	switch {
	case s.TokenSecret != "" && len(set) > 0:
		return []Problem{{Option: "github-token", Key: "github_token_secret_uri", Text: "and " + strings.Join(set, ", ") + " are both set; reset one or the other"}}
	case s.TokenSecret != "":
		return nil
	case s.Enterprise != "":
		return []Problem{{Option: "enterprise", Key: "enterprise", Text: "needs github-token: a GitHub App cannot register an enterprise's runners"}}
	case len(set) == 0:
		missing[len(missing)-1].Option += " (or github-token in place of the three)"
	}
	return missing
}
