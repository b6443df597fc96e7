package harness

import (
	"context"
	"path/filepath"
)

// Python returns a python3 that has what requirements.txt in a folder of the repository pins. It is installed once, into a virtual
// environment below name in the folder of tools, which takes some seconds. The error is a *MissingToolError if there is no Python to install
// it with.
func Python(ctx context.Context, name, folder string) (string, error) {
	i := installation{
		name: name + "/python", program: "python3", source: folder, inputs: []string{"requirements.txt"},
		probes:  [][]string{{"python3", "-c", "import venv, ensurepip"}},
		missing: MissingToolError{What: "python3 with venv", Remedy: "apt-get install python3-venv"},
	}
	dir, err := i.run(ctx, func(dir string) [][]string {
		return [][]string{
			{"python3", "-m", "venv", dir},
			{
				filepath.Join(dir, "bin", "python3"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
				"-r", filepath.Join(dir, "requirements.txt"),
			},
		}
	})
	return filepath.Join(dir, "bin", "python3"), err
}
