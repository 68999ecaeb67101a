package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/garm-charms/garm-charms/pkg/secret"
)

// SecretContent is a secret's keys and values. Juju wants keys of at least three characters, lower-case letters, digits
// and single hyphens, and values of at most 8 KiB (core/secrets/createsecret.go).
type SecretContent map[string]secret.Value

// Revision chooses which revision of a secret is read.
type Revision int

const (
	// Tracked is the revision this reader read first or refreshed to last.
	Tracked Revision = iota
	// Latest is the newest revision, which is tracked from now on, even if the hook fails.
	Latest
	// Peek is the newest revision, without tracking it.
	Peek
)

// Secret reads the secret with that URI ("secret:…"). See [ErrSecretNotFound] and [ErrPermission].
func (t *Tools) Secret(ctx context.Context, uri string, revision Revision) (SecretContent, error) {
	return t.readSecret(ctx, uri, revision, "--", uri)
}

// SecretByLabel reads a secret this application owns by its label.
func (t *Tools) SecretByLabel(ctx context.Context, label string, revision Revision) (SecretContent, error) {
	return t.readSecret(ctx, "with label "+label, revision, "--label="+label)
}

func (t *Tools) readSecret(ctx context.Context, name string, revision Revision, which ...string) (SecretContent, error) {
	args := []string{"--format=json"}
	switch revision {
	case Latest:
		args = append(args, "--refresh")
	case Peek:
		args = append(args, "--peek")
	case Tracked:
	}
	values := map[string]string{}
	if err := t.read(ctx, &values, "secret-get", append(args, which...)...); err != nil {
		return nil, fmt.Errorf("cannot read secret %s: %w", name, err)
	}
	content := make(SecretContent, len(values))
	for key, value := range values {
		content[key] = secret.New(value)
	}
	return content, nil
}

// AddSecret adds a secret owned by this application and returns its URI; only the leader may. The URI can be granted
// and published in the same hook.
//
// Juju commits secrets before databags, so that a hook which fails late leaves a secret nobody knows of: look for the
// label with [Tools.SecretInfo] before adding.
func (t *Tools) AddSecret(ctx context.Context, label string, content SecretContent) (string, error) {
	var uri string
	err := t.withSecretFile(content, func(file string) error {
		stdout, err := t.runner.Run(ctx, Call{Tool: "secret-add", Args: []string{"--label=" + label, "--file=" + file}})
		uri = strings.TrimSpace(string(stdout))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("cannot add secret with label %s: %w", label, err)
	}
	return uri, nil
}

// SetSecret gives an owned secret a new revision. Before Juju 3.6 that happens even if the content is the same, so
// compare first.
func (t *Tools) SetSecret(ctx context.Context, uri string, content SecretContent) error {
	err := t.withSecretFile(content, func(file string) error {
		return t.run(ctx, "secret-set", "--file="+file, "--", uri)
	})
	if err != nil {
		return fmt.Errorf("cannot set secret %s: %w", uri, err)
	}
	return nil
}

// secretFile is what the names of files with secrets begin with, in the charm's directory.
const secretFile = ".secret-"

// withSecretFile hands content to use as a file only this user can read. The tool's command runs inside Juju's agent,
// which opens the file by its absolute path; the charm's directory is one both see.
func (t *Tools) withSecretFile(content SecretContent, use func(file string) error) (err error) {
	encoded, err := encodeSecret(content)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(t.secretsDir, secretFile) // mode 0600
	if err != nil {
		return fmt.Errorf("cannot create secret file: %w", err)
	}
	defer func() {
		if removeErr := os.Remove(file.Name()); err == nil && removeErr != nil {
			err = fmt.Errorf("cannot remove secret file: %w", removeErr)
		}
	}()
	_, err = file.Write(encoded)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("cannot write secret file: %w", err)
	}
	return use(file.Name())
}

// RemoveSecretFiles removes what hooks left that were killed while they wrote a secret. Call it before any is written.
func (t *Tools) RemoveSecretFiles() error {
	left, err := filepath.Glob(filepath.Join(t.secretsDir, secretFile+"*"))
	for _, file := range left {
		err = errors.Join(err, os.Remove(file))
	}
	if err != nil {
		return fmt.Errorf("cannot remove a secret file: %w", err)
	}
	return nil
}

// encodeSecret writes JSON, which Juju tries first and takes strings from only (core/secrets/createsecret.go).
func encodeSecret(content SecretContent) ([]byte, error) {
	values := make(map[string]string, len(content))
	for key, value := range content {
		if !utf8.ValidString(value.Reveal()) {
			return nil, fmt.Errorf("cannot encode secret key %s: it is not UTF-8", key)
		}
		values[key] = value.Reveal()
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false) // the file counts against Juju's 64 KiB
	if err := encoder.Encode(values); err != nil {
		return nil, fmt.Errorf("cannot encode secret: %w", err)
	}
	return out.Bytes(), nil
}

// SecretInfo is what an owner may know about its secret without reading it.
type SecretInfo struct {
	URI      string // as AddSecret returned it
	Label    string
	Revision int // the latest
}

// SecretInfo looks up an owned secret by label, with what this dispatch has added. See [ErrSecretNotFound].
func (t *Tools) SecretInfo(ctx context.Context, label string) (SecretInfo, error) {
	return t.readSecretInfo(ctx, "with label "+label, "--label="+label)
}

// SecretInfoByURI looks up an owned secret by URI. See [ErrSecretNotFound].
func (t *Tools) SecretInfoByURI(ctx context.Context, uri string) (SecretInfo, error) {
	return t.readSecretInfo(ctx, uri, "--", uri)
}

func (t *Tools) readSecretInfo(ctx context.Context, name string, which ...string) (SecretInfo, error) {
	found := map[string]struct {
		Label    string `json:"label"`
		Revision int    `json:"revision"`
	}{}
	if err := t.read(ctx, &found, "secret-info-get", append([]string{"--format=json"}, which...)...); err != nil {
		return SecretInfo{}, fmt.Errorf("cannot look up secret %s: %w", name, err)
	}
	for id, info := range found {
		return SecretInfo{URI: secretURI(t.modelUUID, id), Label: info.Label, Revision: info.Revision}, nil
	}
	return SecretInfo{}, fmt.Errorf("cannot look up secret %s: %w", name, ErrSecretNotFound)
}

// Secrets lists the URIs of the secrets this application owns, sorted.
func (t *Tools) Secrets(ctx context.Context) ([]string, error) {
	var ids []string
	if err := t.read(ctx, &ids, "secret-ids", "--format=json"); err != nil {
		return nil, fmt.Errorf("cannot list secrets: %w", err)
	}
	for i, id := range ids {
		ids[i] = secretURI(t.modelUUID, id)
	}
	slices.Sort(ids)
	return ids, nil
}

// secretURI writes a secret's URI as secret-add prints it, with the model. Other tools and the environment give bare ids
// or "secret:<id>"; with one spelling a databag stays as it is, and with the model other models can read the secret.
func secretURI(modelUUID, id string) string {
	id = strings.TrimPrefix(id, "secret:")
	switch {
	case id == "":
		return ""
	case modelUUID == "", strings.HasPrefix(id, "//"):
		return "secret:" + id
	}
	return "secret://" + modelUUID + "/" + id
}

// GrantSecret lets the remote application of a relation read an owned secret for as long as the relation lives.
// One secret can be granted to one application over one relation only.
func (t *Tools) GrantSecret(ctx context.Context, uri, relationID string) error {
	if err := t.run(ctx, "secret-grant", "-r", relationID, "--", uri); err != nil {
		return fmt.Errorf("cannot grant secret %s to relation %s: %w", uri, relationID, err)
	}
	return nil
}

// RevokeSecret takes back [Tools.GrantSecret].
func (t *Tools) RevokeSecret(ctx context.Context, uri, relationID string) error {
	if err := t.run(ctx, "secret-revoke", "-r", relationID, "--", uri); err != nil {
		return fmt.Errorf("cannot revoke secret %s from relation %s: %w", uri, relationID, err)
	}
	return nil
}

// RemoveSecret removes an owned secret with all its revisions.
func (t *Tools) RemoveSecret(ctx context.Context, uri string) error {
	if err := t.run(ctx, "secret-remove", "--", uri); err != nil {
		return fmt.Errorf("cannot remove secret %s: %w", uri, err)
	}
	return nil
}

// RemoveSecretRevision removes one revision of an owned secret.
func (t *Tools) RemoveSecretRevision(ctx context.Context, uri string, revision int) error {
	if err := t.run(ctx, "secret-remove", "--revision="+strconv.Itoa(revision), "--", uri); err != nil {
		return fmt.Errorf("cannot remove revision %d of secret %s: %w", revision, uri, err)
	}
	return nil
}

// RemoveObsolete removes the revision that a secret-remove event says nobody tracks any more; other events are none of its
// business. It looks first: Juju raises secret-remove for secrets that are gone already, and says only when the hook has
// ended, and then fails it, that there was nothing to remove.
func (t *Tools) RemoveObsolete(ctx context.Context, event Event) error {
	if event.Kind != KindSecretRemove {
		return nil
	}
	info, err := t.SecretInfoByURI(ctx, event.SecretURI)
	if err == nil && event.SecretRevision < info.Revision {
		err = t.RemoveSecretRevision(ctx, event.SecretURI, event.SecretRevision)
	}
	if errors.Is(err, ErrSecretNotFound) {
		return nil
	}
	return err
}
