package main

import (
	"io/fs"
	"net/http"
	"os"
	"strings"
)

// staticFiles serves the files below folder, if it is not empty, and hands on every request that names none (rule 1 of
// contract 2).
func staticFiles(folder string) middleware {
	return func(next http.Handler) http.Handler {
		if folder == "" {
			return next
		}
		files := os.DirFS(folder)
		server := http.FileServerFS(files)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			info, err := fs.Stat(files, strings.TrimPrefix(r.URL.Path, "/"))
			if err != nil || info.IsDir() || r.Method != http.MethodGet {
				next.ServeHTTP(w, r)
				return
			}
			server.ServeHTTP(w, r)
		})
	}
}
