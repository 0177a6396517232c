package main

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFindFolder(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "web"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "other"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "web", "package.json"), []byte("{}"), 0o644))

	t.Chdir(root)
	dir, err := findFolder("")
	require.NoError(t, err)
	require.Equal(t, "web", dir)

	t.Chdir("web")
	dir, err = findFolder("")
	require.NoError(t, err)
	require.Equal(t, ".", dir)

	t.Chdir(filepath.Join(root, "other"))
	_, err = findFolder("")
	require.ErrorContains(t, err, "go run ./web")
	dir, err = findFolder(filepath.Join(root, "web"))
	require.NoError(t, err)
	require.Equal(t, filepath.Join(root, "web"), dir)
	_, err = findFolder(root)
	require.ErrorContains(t, err, "-dir")
}

func TestClientFiles(t *testing.T) {
	t.Run("that are there are taken", func(t *testing.T) {
		dir := t.TempDir()
		install(t, dir)
		t.Setenv("PATH", "")
		var stdout bytes.Buffer
		files, err := clientFiles(bounded(t), dir, &stdout)
		require.NoError(t, err)
		for _, file := range clientScripts {
			data, err := fs.ReadFile(files, file)
			require.NoError(t, err)
			require.Equal(t, file, string(data))
		}
		require.Empty(t, stdout.String())
	})

	t.Run("that are not there need npm", func(t *testing.T) {
		t.Setenv("PATH", "")
		_, err := clientFiles(bounded(t), t.TempDir(), io.Discard)
		require.ErrorContains(t, err, "npm is not installed")
	})

	// Also in a folder from the time when there was no page for classic clients.
	t.Run("that are not there are installed", func(t *testing.T) {
		dir := t.TempDir()
		install(t, dir)
		require.NoError(t, os.RemoveAll(filepath.Join(dir, "node_modules", "signalr")))
		fakeNPM(t, `[ "$1 $2" = "ci --omit=dev" ] && mkdir -p node_modules/signalr && `+
			`echo new >node_modules/signalr/jquery.signalR.min.js && echo added 1 package`)
		var stdout bytes.Buffer
		files, err := clientFiles(bounded(t), dir, &stdout)
		require.NoError(t, err)
		data, err := fs.ReadFile(files, "signalr/jquery.signalR.min.js")
		require.NoError(t, err)
		require.Equal(t, "new\n", string(data))
		require.Contains(t, stdout.String(), "fetching the SignalR clients")
		require.Contains(t, stdout.String(), "added 1 package")
	})

	t.Run("npm's failure is told", func(t *testing.T) {
		fakeNPM(t, "echo no network >&2; exit 3")
		var stdout bytes.Buffer
		_, err := clientFiles(bounded(t), t.TempDir(), &stdout)
		require.ErrorContains(t, err, "exit status 3")
		require.Contains(t, stdout.String(), "no network")
	})
}

// install puts the clients into the folder's node_modules.
func install(t *testing.T, dir string) {
	t.Helper()
	for _, file := range clientScripts {
		path := filepath.Join(dir, "node_modules", filepath.FromSlash(file))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(file), 0o644))
	}
}

// fakeNPM makes a shell script the npm that is found.
func fakeNPM(t *testing.T, script string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	bin := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(bin, "npm"), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
}
