package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// findFolder returns the folder with this program's package.json: the one given,
// or web in the working directory, or the working directory itself.
func findFolder(given string) (string, error) {
	candidates := []string{"web", "."}
	if given != "" {
		candidates = []string{given}
	}
	for _, dir := range candidates {
		if _, err := os.Stat(filepath.Join(dir, "package.json")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("there is no package.json in %q: run `go run ./web` in the repository, or name its web folder with -dir", candidates)
}

// clientFiles returns the folder's node_modules with the scripts that the pages
// load, which it installs when one is not there.
func clientFiles(ctx context.Context, dir string, stdout io.Writer) (fs.FS, error) {
	modules := os.DirFS(filepath.Join(dir, "node_modules"))
	for _, file := range clientScripts {
		_, err := fs.Stat(modules, file)
		if errors.Is(err, fs.ErrNotExist) {
			return modules, installPackages(ctx, dir, stdout)
		}
		if err != nil {
			return nil, err
		}
	}
	return modules, nil
}

func installPackages(ctx context.Context, dir string, stdout io.Writer) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("the pages need the SignalR clients from npm, and npm is not installed: " +
			"install Node.js 20 or later (https://nodejs.org) and start again")
	}
	fmt.Fprintf(stdout, "fetching the SignalR clients: npm ci --omit=dev in %s\n", dir)
	cmd := exec.CommandContext(ctx, npm, "ci", "--omit=dev", "--no-progress")
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = stdout, stdout
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("npm ci --omit=dev in %s failed (%w): its output above says why; start again when it is solved", dir, err)
	}
	return nil
}
