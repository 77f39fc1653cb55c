package box

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// built is the binary of this process: building takes long, and it is the
// same for every test.
var built struct {
	once sync.Once
	dir  string
	path string
	err  error
}

// Binary builds heptap as it ships (CGO_ENABLED=0), once, and returns the
// path of the binary. HEPTAP names one that is built already.
func Binary() (string, error) {
	built.once.Do(func() {
		if built.path = os.Getenv("HEPTAP"); built.path != "" {
			return
		}
		built.dir, built.err = os.MkdirTemp("", "heptap-build-")
		if built.err == nil {
			built.path = filepath.Join(built.dir, "heptap")
			built.err = Build(built.path)
		}
	})
	return built.path, built.err
}

// RemoveBuilt removes what Binary built.
func RemoveBuilt() {
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
}

// Build builds heptap into a file.
func Build(path string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-o", path, "./firmware")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build heptap: %w\n%s", err, out)
	}
	return nil
}

// Root is the top of the repository that the current directory is in.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(b), "module heptap\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("not inside the heptap repository")
		}
	}
}
