package workload

// ConfiguredIn is Configured for another directory than GARM's own.
func ConfiguredIn(pebble Filesystem, image Image, dir string, names []string) ([]Provider, error) {
	return configured(pebble, image, dir, names)
}
