package guest

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Kernel is a kernel of Debian's, unpacked in the cache.
type Kernel struct {
	Arch    string // GOARCH
	Image   string // the bootable file
	release string // 6.1.0-56-amd64
	dir     string
}

// FetchKernel returns the kernel for an architecture, amd64 or arm64; at first it
// downloads it.
func FetchKernel(arch string) (Kernel, error) {
	out, err := script("board/image/fetch.sh", arch)
	if err != nil {
		return Kernel{}, err
	}
	dir := strings.TrimSpace(out)
	images, err := filepath.Glob(filepath.Join(dir, "boot", "vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return Kernel{}, fmt.Errorf("%s: kernels %q, %w", dir, images, err)
	}
	return Kernel{Arch: arch, Image: images[0], dir: dir, release: strings.TrimPrefix(filepath.Base(images[0]), "vmlinuz-")}, nil
}

// GPIOSimulator returns the path of the kernel's GPIO simulator as a module,
// which Debian does not build; at first it builds it.
func (k Kernel) GPIOSimulator() (string, error) {
	out, err := script("scripts/lab/guest/gpio-sim.sh", k.Arch)
	return strings.TrimSpace(out), err
}

// Modules returns the paths of a module and those that it depends on, in the
// order in which they are to be loaded. One that is built in has none.
func (k Kernel) Modules(name string) ([]string, error) {
	out, err := output(exec.Command("/sbin/modprobe", "-d", k.dir, "-S", k.release, "--show-depends", name))
	if err != nil {
		return nil, err
	}
	var paths []string
	for line := range strings.Lines(out) {
		if p, ok := strings.CutPrefix(strings.TrimSpace(line), "insmod "); ok {
			paths = append(paths, strings.Fields(p)[0])
		}
	}
	return paths, nil
}

// BuildTests builds the tests of a package of ours as a static program for an
// architecture.
func BuildTests(arch, pkg, out string) error {
	cmd := exec.Command("go", "test", "-c", "-o", out, pkg)
	cmd.Env = append(cmd.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	_, err := output(cmd)
	return err
}

// BuildProgram builds a package of ours as a static program for an architecture.
func BuildProgram(arch, pkg, out string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Env = append(cmd.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	_, err := output(cmd)
	return err
}

// script runs a script of this repository.
func script(name, arch string) (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		return "", errors.New("built with -trimpath: where the repository is, is not known")
	}
	return output(exec.Command(filepath.Join(filepath.Dir(file), "../../..", name), arch))
}

func output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}
