package reconcile

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/garm-charms/garm-charms/pkg/desired"
	"github.com/garm-charms/garm-charms/pkg/plan"
)

// TestDeletionsComeLastAndTogether keeps GARM's workers from having to end one scale set while another one is deleted.
func TestDeletionsComeLastAndTogether(t *testing.T) {
	t.Parallel()
	change := func(verb plan.Verb, name string) plan.Change {
		return plan.Change{Verb: verb, Name: name, ScaleSet: &desired.ScaleSet{}}
	}
	changes := []plan.Change{
		change(plan.Drain, "a"), change(plan.Delete, "a"), change(plan.Create, "a"),
		change(plan.Drain, "b"), change(plan.Delete, "b"),
		change(plan.Update, "c"),
		{Verb: plan.Delete, Name: "organization", Entity: &desired.Entity{}},
	}
	var got [][]string
	for part := range batches(changes) {
		var names []string
		for _, c := range part {
			names = append(names, string(c.Verb)+" "+c.Name)
		}
		got = append(got, names)
	}
	assert.Equal(t, [][]string{
		{"drain a", "drain b", "update c"},
		{"delete a", "create a", "delete b"},
		{"delete organization"},
	}, got)
}

func TestSettlingTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	changed := func(verb plan.Verb, ago time.Duration) plan.Change {
		return plan.Change{Verb: verb, ScaleSet: &desired.ScaleSet{Changed: now.Add(-ago)}}
	}
	for name, row := range map[string]struct {
		changes []plan.Change
		want    time.Duration
		hanging bool
		failed  string
	}{
		"nothing":                          {},
		"a drain":                          {changes: []plan.Change{changed(plan.Drain, time.Second)}},
		"deletion of an organisation":      {changes: []plan.Change{{Verb: plan.Delete, Entity: &desired.Entity{}}}},
		"deletion of an old scale set":     {changes: []plan.Change{changed(plan.Delete, time.Hour)}, want: settling},
		"of a new one":                     {changes: []plan.Change{changed(plan.Delete, time.Second)}, want: settlingNew - time.Second},
		"of both":                          {changes: []plan.Change{changed(plan.Delete, time.Second), changed(plan.Delete, time.Hour)}, want: settlingNew - time.Second},
		"of a new one that is not tried":   {changes: []plan.Change{changed(plan.Delete, time.Second)}, hanging: true},
		"of one that could not be drained": {changes: []plan.Change{{Verb: plan.Delete, ScaleSet: &desired.ScaleSet{}, Needs: []string{"scale set a"}}}, failed: "scale set a"},
		"of one from the future":           {changes: []plan.Change{changed(plan.Delete, -time.Hour)}, want: settlingNew},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := applier{hanging: row.hanging, failed: map[string]bool{row.failed: true}}
			assert.Equal(t, row.want, a.settlingTime(t.Context(), row.changes, now))
		})
	}
}
