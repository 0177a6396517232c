package main

import (
	"encoding/json"
	"net/http"
	"runtime/debug"
)

// deployment tells what was built (contract 4).
func deployment(w http.ResponseWriter, _ *http.Request) {
	metadata := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		metadata["GoVersion"], metadata["Module"], metadata["Version"] = info.GoVersion, info.Main.Path, info.Main.Version
		for _, setting := range info.Settings {
			metadata[setting.Key] = setting.Value
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(metadata)
}
