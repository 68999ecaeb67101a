package state

import (
	"cmp"
	"maps"
	"slices"
)

// Settings is a databag: strings by key, with a version that grows with each real change.
type Settings struct {
	values  map[string]string
	version int64
}

// Values is a copy of the bag.
func (s *Settings) Values() map[string]string {
	if s == nil {
		return map[string]string{}
	}
	values := maps.Clone(s.values)
	if values == nil {
		values = map[string]string{}
	}
	return values
}

// Version tells contents apart.
func (s *Settings) Version() int64 { return s.version }

// Update sets keys; an empty value removes its key.
func (s *Settings) Update(changes map[string]string) {
	values := s.Values()
	for k, v := range changes {
		if v == "" {
			delete(values, k)
		} else {
			values[k] = v
		}
	}
	s.replace(values)
}

func (s *Settings) replace(values map[string]string) {
	if maps.Equal(s.values, values) {
		return
	}
	s.values = values
	s.version++
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
