package parts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Layout is where an image keeps its programs.
type Layout string

const (
	// Upstream is GARM's own image: /bin/garm, and the provider in /opt/garm/providers.d.
	Upstream Layout = "upstream"
	// Rock is the image of the Python charms: both programs in /usr/local/bin.
	Rock Layout = "rock"
)

// providerName is the file name that the provider has in both images: the one of the OpenStack provider it stands for.
const providerName = "garm-provider-openstack"

const certificates = "etc/ssl/certs/ca-certificates.crt"

// Image lays out in dir, which it makes, the file tree of the image that a unit of garm runs: GARM, the test cloud's
// provider, a trust store, and the few files and directories that a container runtime finds in any image. There is no
// shell and no other program in it. The trust store is the machine's own, if it has one, with extraCA (PEM; nil for none)
// behind it.
func Image(ctx context.Context, layout Layout, dir string, extraCA []byte) error {
	programs, err := layout.programs()
	if err != nil {
		return err
	}
	garm, err := GARM(ctx)
	if err != nil {
		return err
	}
	provider, err := Provider(ctx)
	if err != nil {
		return err
	}
	if err := place(garm, filepath.Join(dir, programs.garm)); err != nil {
		return err
	}
	if err := place(provider, filepath.Join(dir, programs.provider)); err != nil {
		return err
	}
	return skeleton(dir, extraCA)
}

// programs are the paths of an image's programs, relative to its root.
type programs struct{ garm, provider string }

func (l Layout) programs() (programs, error) {
	switch l {
	case Upstream:
		return programs{"bin/garm", "opt/garm/providers.d/" + providerName}, nil
	case Rock:
		return programs{"usr/local/bin/garm", "usr/local/bin/" + providerName}, nil
	}
	return programs{}, fmt.Errorf("cannot lay out an image: unknown layout %q", string(l))
}

func skeleton(dir string, extraCA []byte) error {
	for _, folder := range []string{"etc/ssl/certs", "var/lib", "run"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			return fmt.Errorf("cannot lay out an image: %w", err)
		}
	}
	temp := filepath.Join(dir, "tmp")
	if err := errors.Join(os.MkdirAll(temp, 0o777), os.Chmod(temp, 0o777|fs.ModeSticky)); err != nil {
		return fmt.Errorf("cannot lay out an image: %w", err)
	}
	trusted, err := os.ReadFile("/" + certificates)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot lay out an image: %w", err)
	}
	files := map[string][]byte{
		certificates: append(trusted, extraCA...),
		"etc/passwd": []byte("root:x:0:0:root:/root:/sbin/nologin\n"),
		"etc/group":  []byte("root:x:0:\n"),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return fmt.Errorf("cannot lay out an image: %w", err)
		}
	}
	return nil
}

// place links a program to its place in the image, or copies it when that is on another file system.
func place(source, target string) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return fmt.Errorf("cannot lay out an image: %w", err)
	}
	if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot lay out an image: %w", err)
	}
	err := os.Link(source, target)
	if errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EPERM) {
		err = copyProgram(source, target)
	}
	if err != nil {
		return fmt.Errorf("cannot lay out an image: %w", err)
	}
	return nil
}

func copyProgram(source, target string) error {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
