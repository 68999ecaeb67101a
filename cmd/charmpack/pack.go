package main

import (
	"debug/elf"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/juju/charm/v12"
)

// request is what the command line asks for.
type request struct {
	charmDir string // has charmcraft.yaml
	root     string // the project's directory: part sources are relative to it
	binary   string // becomes dispatch
	arch     string
	version  string
	output   string
}

func run(args []string, usage io.Writer) error {
	var req request
	flags := flag.NewFlagSet("charmpack", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.StringVar(&req.charmDir, "charm", "", "`directory` of charmcraft.yaml")
	flags.StringVar(&req.root, "root", ".", "project `directory`, which the parts' sources are relative to")
	flags.StringVar(&req.binary, "bin", "", "`file` that becomes dispatch")
	flags.StringVar(&req.arch, "arch", "", "`platform` of charmcraft.yaml to pack for, such as amd64")
	flags.StringVar(&req.version, "version", "", "`text` of the file version; without it there is none")
	flags.StringVar(&req.output, "o", "", "`file` to write")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("cannot read arguments: %w", err)
	}
	for _, name := range []string{"charm", "bin", "arch", "o"} {
		if flags.Lookup(name).Value.String() == "" {
			return fmt.Errorf("cannot pack: -%s is not given", name)
		}
	}
	return pack(req)
}

func pack(req request) error {
	source := filepath.Join(req.charmDir, "charmcraft.yaml")
	project, err := readProject(source)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", source, err)
	}
	files, err := collect(project, req)
	if err != nil {
		return fmt.Errorf("cannot pack %s: %w", project.Name, err)
	}
	if err := writeArchive(req.output, files, checkArchive); err != nil {
		return fmt.Errorf("cannot write %s: %w", req.output, err)
	}
	return nil
}

// collect gathers everything the archive holds, by its path in there.
func collect(project *project, req request) (map[string]file, error) {
	files, err := project.generated(req.arch)
	if err != nil {
		return nil, err
	}
	copied, err := project.partFiles(req.root)
	if err != nil {
		return nil, err
	}
	maps.Copy(files, copied)
	if err := checkBinary(req.binary, req.arch); err != nil {
		return nil, err
	}
	files["dispatch"] = file{path: req.binary, executable: true}
	if req.version != "" {
		files["version"] = file{content: []byte(req.version + "\n")}
	}
	for _, name := range []string{"LICENSE", "README.md", "icon.svg"} {
		if _, ok := files[name]; !ok {
			return nil, fmt.Errorf("no part of charmcraft.yaml names %s", name)
		}
	}
	return files, nil
}

// checkBinary refuses a dispatch that the unit could not execute.
func checkBinary(name, arch string) error {
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	want, known := machines[arch]
	if !known {
		return fmt.Errorf("cannot pack for architecture %q: know %v", arch, slices.Sorted(maps.Keys(machines)))
	}
	binary, err := elf.Open(name)
	if err != nil {
		return fmt.Errorf("cannot read dispatch binary %s: %w", name, err)
	}
	defer func() { _ = binary.Close() }()
	if binary.Machine != want {
		return fmt.Errorf("cannot use dispatch binary %s for %s: it is for %s", name, arch, binary.Machine)
	}
	return nil
}

// checkArchive reads the archive as Juju does when it is deployed.
func checkArchive(name string) error {
	archive, err := charm.ReadCharmArchive(name)
	if err != nil {
		return fmt.Errorf("cannot read it back as a charm: %w", err)
	}
	if err := charm.CheckMeta(archive); err != nil {
		return fmt.Errorf("cannot accept its metadata: %w", err)
	}
	if archive.Manifest() == nil || len(archive.Manifest().Bases) == 0 {
		return errors.New("cannot accept its manifest: no base")
	}
	return nil
}

// stat describes a file to pack; links are followed, as a checkout may have them.
func stat(name string) (os.FileInfo, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is neither a file nor a directory", name)
	}
	return info, nil
}
