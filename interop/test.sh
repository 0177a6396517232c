#!/usr/bin/env bash
# Checks everything: formatting, vet, staticcheck, the types of the chat's page, the Go tests with the race detector,
# and the official clients in Node and in Chromium. Installs what is missing first. Stops at the first failure, with its
# exit code.
#
# Needs Go and Node on a Debian or Ubuntu machine; the rest comes from apt-get where this may be used.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null # nothing here may wait for an answer

readonly staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2

steps=0
current=preparation
began=$SECONDS
finish() {
  local code=$?
  if [ "$code" -eq 0 ]; then
    echo "PASS: $steps steps in $((SECONDS - began)) s"
  else
    echo "FAIL: $current (exit code $code) after $steps good steps and $((SECONDS - began)) s"
  fi
}
trap finish EXIT

# step TITLE COMMAND... runs the command under a title and tells how long it took. A failure ends the script.
step() {
  current=$1
  shift
  echo
  echo "=== $current"
  local start=$SECONDS code=0
  # In a shell of its own and not as a condition, so that set -e also holds inside functions.
  set +e
  (set -e; "$@")
  code=$?
  set -e
  [ "$code" -eq 0 ] || exit "$code"
  steps=$((steps + 1))
  echo "--- $current: $((SECONDS - start)) s"
}

have() { command -v "$1" >/dev/null 2>&1; }

# apt PACKAGE... installs Debian packages, or says which ones somebody else has to install.
apt() {
  local as=()
  if ! have apt-get; then
    echo "please install: $* (there is no apt-get here)" >&2
    return 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! have sudo || ! sudo -n true 2>/dev/null; then
      echo "please install: $* (apt-get needs root, and sudo asks for a password or is not there)" >&2
      return 1
    fi
    as=(sudo -n)
  fi
  "${as[@]}" apt-get update -q
  "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# find_chromium prints the path of a Chromium or Chrome that runs. Ubuntu's package is a stub that does not.
find_chromium() {
  local name path
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
    if path=$(command -v "$name") && "$path" --version >/dev/null 2>&1; then
      echo "$path"
      return
    fi
  done
  return 1
}

check_tools() {
  local tool missing=()
  for tool in go node npm; do
    have "$tool" || missing+=("$tool")
  done
  if [ "${#missing[@]}" -gt 0 ]; then
    echo "please install: ${missing[*]}" >&2
    return 1
  fi
  echo "$(go version), node $(node --version), npm $(npm --version)"
}

install_packages() {
  local missing=()
  have redis-server || missing+=(redis-server)
  have "${CC:-gcc}" || missing+=(gcc libc6-dev) # the race detector links with it
  find_chromium >/dev/null || missing+=(chromium)
  if [ "${#missing[@]}" -gt 0 ]; then
    apt "${missing[@]}"
  fi
  if ! find_chromium >/dev/null; then
    echo "no Chromium that runs: please install Google Chrome, or name a browser in CHROMIUM" >&2
    return 1
  fi
  redis-server --version
  "$(find_chromium)" --version 2>/dev/null
}

install_node_modules() {
  local folder
  for folder in interop web; do
    if [ -f "$folder/package-lock.json" ]; then
      (cd "$folder" && npm ci)
    else
      echo "$folder has no Node packages"
    fi
  done
}

check_format() {
  local files
  files=$(find . -name node_modules -prune -o -name '*.go' -exec gofmt -l {} +)
  [ -z "$files" ] || { printf 'not formatted with gofmt:\n%s\n' "$files" >&2; return 1; }
}

step "tools" check_tools
step "packages" install_packages
step "Node packages" install_node_modules
step "gofmt" check_format
step "go vet" go vet ./...
step "staticcheck" go run "$staticcheck" ./...
step "types of the chat's page" npm --prefix web run check
step "go test -race" env CGO_ENABLED=1 go test -race ./...

CHROMIUM=$(find_chromium)
export CHROMIUM
for file in interop/test/*.test.mjs; do
  part=$(basename "$file" .test.mjs)
  step "interop: $part" node interop/test/run.mjs "$part"
done
