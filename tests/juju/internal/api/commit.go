package api

import (
	"strings"

	"github.com/juju/errors"
	apiservererrors "github.com/juju/juju/apiserver/errors"
	"github.com/juju/juju/rpc/params"

	"github.com/garm-charms/garm-charms/tests/juju/internal/state"
)

// CommitHookChanges applies what a hook did, after it ended well. As in Juju, everything is checked, then secrets are
// written one by one, then the rest at once: a refused secret drops the rest, but not the secrets before it.
func (f *Uniter) CommitHookChanges(args params.CommitHookChangesArgs) (params.ErrorResults, error) {
	return changes(f.s, args.Args, func(c params.CommitHookChangesArg) error {
		u, err := f.s.own(c.Tag)
		if err != nil {
			return err
		}
		return f.commit(u, c)
	}), nil
}

func (f *Uniter) commit(u *state.Unit, c params.CommitHookChangesArg) error {
	if err := f.checkCommit(c); err != nil {
		return err
	}
	if err := f.commitSecrets(c); err != nil {
		return err
	}
	// Whether the unit leads is asked when the rest is applied (state/leadership.go), thus after the secrets.
	apply, err := f.relationChanges(u, c.RelationUnitSettings)
	if err != nil {
		return err
	}
	if c.UpdateNetworkInfo {
		apply = append(f.networkChanges(u), apply...)
	}
	for _, f := range apply {
		f()
	}
	u.SetPorts(ports(c.OpenPorts), ports(c.ClosePorts))
	if c.SetUnitState != nil {
		return setState(u, *c.SetUnitState)
	}
	return nil
}

// checkCommit refuses what no unit may do.
func (f *Uniter) checkCommit(c params.CommitHookChangesArg) error {
	if len(c.AddStorage) > 0 {
		return errors.NotSupportedf("adding storage to a unit of a Kubernetes model")
	}
	for _, spec := range []*params.PodSpec{c.SetPodSpec, c.SetRawK8sSpec} {
		// Without a spec it only says that the leader has seen the charm's upgrade.
		if spec != nil && spec.Spec != nil {
			return errors.NotSupportedf("pod specs")
		}
	}
	if c.SetUnitState != nil && c.SetUnitState.CharmState != nil {
		if err := checkState(*c.SetUnitState.CharmState); err != nil {
			return errors.Annotate(err, "persisting charm state")
		}
	}
	return f.checkOwn(c)
}

func (f *Uniter) checkOwn(c params.CommitHookChangesArg) error {
	tags := []string{}
	for _, r := range c.RelationUnitSettings {
		tags = append(tags, r.Unit)
	}
	for _, p := range append(c.OpenPorts, c.ClosePorts...) {
		tags = append(tags, p.Tag)
	}
	if c.SetUnitState != nil {
		tags = append(tags, c.SetUnitState.Tag)
	}
	for _, tag := range tags {
		if tag != c.Tag {
			return apiservererrors.ErrPerm
		}
	}
	for _, r := range c.RelationUnitSettings {
		if _, _, err := f.relationUnit(r.Relation, r.Unit); err != nil {
			return err
		}
	}
	return nil
}

func (f *Uniter) networkChanges(u *state.Unit) []func() {
	var apply []func()
	for _, r := range u.App.Relations() {
		if settings, err := r.UnitSettings(u.Name); err == nil && r.InScope(u.Name) {
			apply = append(apply, func() { settings.Update(addresses(u)) })
		}
	}
	return apply
}

func ports(ranges []params.EntityPortRange) []state.Port {
	var all []state.Port
	for _, r := range ranges {
		all = append(all, state.Port{Endpoint: r.Endpoint, Protocol: r.Protocol, From: r.FromPort, To: r.ToPort})
	}
	return all
}

func (f *Uniter) commitSecrets(c params.CommitHookChangesArg) error {
	m := &SecretsManager{s: f.s}
	for _, step := range []struct {
		doing string
		do    func() []error
	}{
		{"creating secrets", func() []error { return all(c.SecretCreates, m.create) }},
		{"updating secrets", func() []error { return all(c.SecretUpdates, m.update) }},
		{"updating secret tracked revisions", func() []error { return all(c.TrackLatest, m.track) }},
		{"granting secrets access", func() []error { return all(c.SecretGrants, m.grant) }},
		{"revoking secrets access", func() []error { return all(c.SecretRevokes, m.revoke) }},
		{"removing secrets", func() []error { return all(c.SecretDeletes, m.remove) }},
	} {
		if failed := step.do(); len(failed) > 0 {
			return joined(step.doing, failed)
		}
	}
	return nil
}

func all[A any](args []A, do func(A) error) []error {
	var failed []error
	for _, a := range args {
		if err := do(a); err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}

// joined keeps the code of a lone error, as Juju does.
func joined(doing string, failed []error) error {
	if len(failed) == 1 {
		return errors.Annotate(failed[0], doing)
	}
	var messages []string
	for _, err := range failed {
		messages = append(messages, err.Error())
	}
	return errors.Annotate(errors.New(strings.Join(messages, "\n")), doing)
}
