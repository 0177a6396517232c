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

// clientFiles returns the browser build of the SignalR client, which it installs
// into the folder's node_modules when it is not there.
func clientFiles(ctx context.Context, dir string, stdout io.Writer) (fs.FS, error) {
	build := filepath.Join(dir, "node_modules", "@microsoft", "signalr", "dist", "browser")
	_, err := os.Stat(filepath.Join(build, clientScript))
	if errors.Is(err, fs.ErrNotExist) {
		err = installPackages(ctx, dir, stdout)
	}
	if err != nil {
		return nil, err
	}
	return os.DirFS(build), nil
}

func installPackages(ctx context.Context, dir string, stdout io.Writer) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("the page needs the SignalR client from npm, and npm is not installed: " +
			"install Node.js 20 or later (https://nodejs.org) and start again")
	}
	fmt.Fprintf(stdout, "fetching the SignalR client: npm ci --omit=dev in %s\n", dir)
	cmd := exec.CommandContext(ctx, npm, "ci", "--omit=dev", "--no-progress")
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = stdout, stdout
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("npm ci --omit=dev in %s failed (%w): its output above says why; start again when it is solved", dir, err)
	}
	return nil
}
