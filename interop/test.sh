#!/usr/bin/env bash
# Checks everything: formatting, vet, staticcheck, waits in tests, the types of the chat's page, the Go tests with the race
# detector, and the official clients in Node and in Chromium. Installs what is missing first. Runs as many checks side by
# side as there are cores, stops at the first failure with its exit code, and lists the ten slowest tests.
#
#   interop/test.sh                               everything, once
#   interop/test.sh -stress N [-minutes M] [PART...]
#                                                 the tests again and again beside N busy processes, until one fails or
#                                                 M minutes (30) have passed. PART is "go" or a file interop/test/PART.test.mjs;
#                                                 without any, all run. A failure shows the seeds that repeat it.
#
# Needs Go and Node on a Debian or Ubuntu machine; the rest comes from apt-get where this may be used.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null # nothing here may wait for an answer
export CGO_ENABLED=1 # for the race detector

readonly staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2
readonly gotestsum=gotest.tools/gotestsum@v1.13.0
# The last resort against a test that hangs; go test then shows where every goroutine is. All packages take a minute.
readonly go_timeout=10m

logs=$(mktemp -d)
steps=0
current=preparation
began=$SECONDS
finish() {
  local code=$? job
  for job in $(jobs -p); do # a job is the leader of its process group
    kill -- "-$job" 2>/dev/null || true
  done
  rm -rf "$logs"
  if [ "$code" -eq 0 ]; then
    echo "PASS: $steps steps in $((SECONDS - began)) s"
  else
    echo "FAIL: $current (exit code $code) after $steps good steps and $((SECONDS - began)) s"
  fi
}
trap finish EXIT
trap 'exit 130' INT TERM

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

# together runs the commands that job has queued side by side, one per core, in order. The output of each is shown when it
# ends. The first failure ends the script.
titles=() commands=()
job() {
  titles+=("$1")
  shift
  commands+=("$(printf '%q ' "$@")")
}
together() {
  local -A running=() since=()
  local next=0 pid code
  set -m # each job is a process group of its own, so that it can be ended as a whole
  while [ "$next" -lt "${#titles[@]}" ] || [ "${#running[@]}" -gt 0 ]; do
    if [ "$next" -lt "${#titles[@]}" ] && [ "${#running[@]}" -lt "$(nproc)" ]; then
      echo "... ${titles[next]}"
      (set -e; eval "${commands[next]}") >"$logs/$next" 2>&1 &
      running[$!]=$next since[$!]=$SECONDS
      next=$((next + 1))
      continue
    fi
    code=0
    wait -n -p pid || code=$?
    local done=${running[$pid]}
    unset "running[$pid]"
    current=${titles[done]}
    echo
    echo "=== $current"
    cat "$logs/$done"
    [ "$code" -eq 0 ] || exit "$code"
    steps=$((steps + 1))
    echo "--- $current: $((SECONDS - since[$pid])) s"
  done
  set +m
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

# testlint finds waits without a bound and calls of FailNow on goroutines that are not the test's.
check_tests() {
  (cd interop/testlint && go vet ./... && go test ./...)
  go -C interop/testlint build -o "$logs/testlint" .
  go vet -vettool="$logs/testlint" ./...
}

go_tests() {
  go run "$gotestsum" --format pkgname --jsonfile "$logs/go.json" -- -race -timeout "$go_timeout" ./...
}

# list_slowest prints the ten slowest tests of all, in Go, Node and the browser.
list_slowest() {
  {
    go run "$gotestsum" tool slowest --num 10 --jsonfile "$logs/go.json" | awk '{ print $NF, "go:", $1, $2 }'
    cat "$logs"/[0-9]* | sed -n 's/^SLOW //p'
  } | sort -rn | sed '11,$d' # not head: with pipefail its early end would kill sort, and the step with it
}

# stress N MINUTES PART... runs parts again and again beside N busy processes.
stress() {
  local busy=$1 end=$((SECONDS + 60 * $2)) round=0 part i
  shift 2
  set -m
  for ((i = 0; i < busy; i++)); do
    (while :; do :; done) &
  done
  while [ "$SECONDS" -lt "$end" ]; do
    round=$((round + 1))
    for part in "$@"; do
      current="$part, round $round beside $busy busy processes"
      local start=$SECONDS code=0
      if [ "$part" = go ]; then
        # -shuffle prints the seed of each package that fails.
        go test -race -count=1 -shuffle=on -timeout "$go_timeout" ./... >"$logs/stress" 2>&1 || code=$?
      else
        node interop/test/run.mjs "$part" >"$logs/stress" 2>&1 || code=$?
      fi
      if [ "$code" -ne 0 ]; then
        cat "$logs/stress"
        exit "$code"
      fi
      steps=$((steps + 1))
      echo "--- $current: $((SECONDS - start)) s"
    done
  done
}

parts() {
  local file
  for file in interop/test/*.test.mjs; do
    basename "$file" .test.mjs
  done
}

busy=
minutes=30
selected=()
while [ $# -gt 0 ]; do
  case $1 in
    -stress) busy=${2:?-stress needs the number of busy processes}; shift 2 ;;
    -minutes) minutes=${2:?-minutes needs a number}; shift 2 ;;
    -*) echo "unknown option $1" >&2; exit 2 ;;
    *) selected+=("$1"); shift ;;
  esac
done
if [ -z "$busy" ] && [ ${#selected[@]} -gt 0 ]; then
  echo "parts go with -stress; without it everything runs" >&2
  exit 2
fi

step "tools" check_tools
step "packages" install_packages
step "Node packages" install_node_modules
CHROMIUM=$(find_chromium)
export CHROMIUM

if [ -n "$busy" ]; then
  [ ${#selected[@]} -gt 0 ] || mapfile -t selected < <(echo go; parts)
  stress "$busy" "$minutes" "${selected[@]}"
  exit
fi

job "gofmt" check_format
job "go vet" go vet ./...
job "staticcheck" go run "$staticcheck" ./...
job "waits in tests" check_tests
job "types of the chat's page" npm --prefix web run check
job "go test -race" go_tests
if have valkey-server; then
  job "go test of the Redis bus, on Valkey" env REDIS_SERVER=valkey-server go test ./scaleout/redis
else
  echo "not run: the tests of the Redis bus on Valkey, as there is no valkey-server"
fi
for part in $(parts); do
  job "interop: $part" node interop/test/run.mjs "$part"
done
together
step "slowest tests" list_slowest
