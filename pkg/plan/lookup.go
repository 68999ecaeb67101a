package plan

import "github.com/garm-charms/garm-charms/pkg/desired"

// lookup has the objects of a state by what identifies them.
type lookup struct {
	endpoints   map[string]desired.Endpoint
	credentials map[string]desired.Credential
	entities    map[desired.EntityRef]desired.Entity
	templates   map[string]desired.Template
	scaleSets   map[desired.ScaleSetKey]desired.ScaleSet
}

func lookUp(s desired.State) lookup {
	return lookup{
		endpoints:   by(s.Endpoints, func(e desired.Endpoint) string { return e.Name }),
		credentials: by(s.Credentials, func(c desired.Credential) string { return c.Name }),
		entities:    by(s.Entities, func(e desired.Entity) desired.EntityRef { return e.EntityRef }),
		templates:   by(s.Templates, func(t desired.Template) string { return t.Name }),
		scaleSets:   by(s.ScaleSets, func(s desired.ScaleSet) desired.ScaleSetKey { return s.ScaleSetKey }),
	}
}

func by[K comparable, T any](list []T, keyOf func(T) K) map[K]T {
	index := make(map[K]T, len(list))
	for _, element := range list {
		index[keyOf(element)] = element
	}
	return index
}

// recipe is what a scale set's runners are made of as far as the state tells: GARM's own template is not in it.
func (l lookup) recipe(set desired.ScaleSet) string {
	content := set.Template
	if template, known := l.templates[set.Template]; known {
		content = template.Description
	}
	return desired.Recipe(set.Settings, content)
}
