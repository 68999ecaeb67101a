package workload

import (
	"errors"
	"fmt"
	"path"

	"github.com/canonical/pebble/client"
)

// Image is where a container image keeps GARM.
type Image struct {
	GARM      string // the server
	Providers string // directory of the external providers
}

// Provider returns the executable of one kind of provider, such as "openstack".
func (i Image) Provider(kind string) string { return path.Join(i.Providers, "garm-provider-"+kind) }

// Images returns the known images: the Python charms' rock, then upstream GARM's.
func Images() []Image {
	return []Image{
		{GARM: "/usr/local/bin/garm", Providers: "/usr/local/bin"},
		{GARM: "/bin/garm", Providers: "/opt/garm/providers.d"},
	}
}

// Lister is the part of Pebble's client that looks at files.
type Lister interface {
	ListFiles(*client.ListFilesOptions) ([]*client.FileInfo, error)
}

// FindImage returns which of the candidates the container runs.
func FindImage(pebble Lister, candidates []Image) (Image, error) {
	for _, image := range candidates {
		_, err := pebble.ListFiles(&client.ListFilesOptions{Path: image.GARM, Itself: true})
		if err == nil {
			return image, nil
		}
		if !notFound(err) {
			return Image{}, fmt.Errorf("cannot look for %s in the container: %w", image.GARM, err)
		}
	}
	return Image{}, errors.New("cannot find GARM in the container's image")
}

func notFound(err error) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Kind == client.ErrorKindNotFound
}
