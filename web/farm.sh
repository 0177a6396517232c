#!/usr/bin/env bash
# Starts one chat on two nodes, http://localhost:9090 and http://localhost:9091, which a Redis on localhost:6379 joins.
# Starts a redis-server if none answers there. Ctrl-C stops what was started here, and nothing else.
#
# REDIS_PORT and PORTS ("9090 9091") choose other ports.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
set -m # every program has a process group of its own: Ctrl-C ends this script, which ends them in order

readonly redis_port=${REDIS_PORT:-6379}
read -r -a ports <<<"${PORTS:-9090 9091}"

folder=$(mktemp -d)
started=() # process ids, in the order of their start
finish() {
  trap '' INT TERM HUP
  local i
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do
    kill -TERM "${started[i]}" 2>/dev/null || true
    wait "${started[i]}" 2>/dev/null || true
  done
  rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# redis_says prints what answers a PING on the port of Redis; it fails if nobody listens.
redis_says() {
  local answer=
  { exec 3<>/dev/tcp/localhost/$redis_port; } 2>/dev/null || return 1
  printf 'PING\r\n' >&3
  read -r -t 2 answer <&3 || true
  exec 3>&-
  echo "${answer%$'\r'}"
}

# await WHAT PROCESS COMMAND... waits until the command succeeds, for a minute while the process lives.
await() {
  local what=$1 process=$2 tries
  shift 2
  for ((tries = 0; tries < 600; tries++)); do
    if "$@" >/dev/null 2>&1; then return; fi
    kill -0 "$process" 2>/dev/null || break
    sleep 0.1
  done
  echo "$what did not start:" >&2
  cat "$folder/$what.log" >&2
  exit 1
}

if answer=$(redis_says); then
  [ "$answer" = +PONG ] || { echo "localhost:$redis_port is taken, but not by a Redis without a password" >&2; exit 1; }
  echo "using the Redis on localhost:$redis_port"
else
  command -v redis-server >/dev/null || {
    echo "please install Redis (on Debian or Ubuntu: apt-get install redis-server), or start one on localhost:$redis_port" >&2
    exit 1
  }
  redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$folder" --save "" >"$folder/redis.log" 2>&1 </dev/null &
  started+=($!)
  await redis $! redis_says
  echo "started redis-server on localhost:$redis_port"
fi

go build -o "$folder/web" ./web
for port in "${ports[@]}"; do
  "$folder/web" -addr "localhost:$port" -redis "localhost:$redis_port" >"$folder/node-$port.log" 2>&1 </dev/null &
  started+=($!)
  await "node-$port" $! grep -q '^listening on' "$folder/node-$port.log"
done
echo
echo "One chat on ${#ports[@]} nodes. Open them, and see each other:"
printf '  http://localhost:%s\n' "${ports[@]}"
echo "Ctrl-C stops them."
wait -n "${started[@]}" || true
echo "one of the programs has ended by itself:" >&2
tail -n 5 "$folder"/*.log >&2
exit 1
