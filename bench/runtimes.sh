#!/usr/bin/env bash
# Compares nodes on Deno with nodes in the executable, and the two as programs, in turn in one run; a line of JSON for each.
# usage: bench/runtimes.sh [ROUNDS] [SECONDS]     needs what `npm run build` makes, and deno of node_modules
set -euo pipefail
rounds=${1:-2}
seconds=${2:-5}
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
stop() {
  "$root/dist/proa" demo down --wipe --dir "$work/demo" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap stop EXIT

proa_on() { # runtime, arguments
  if [ "$1" = bun ]; then "$root/dist/proa" "${@:2}"; else "$root/node_modules/.bin/deno" run --allow-all "$root/dist/proa.mjs" "${@:2}"; fi
}

# The client is the executable in all of them: only the nodes differ.
measure() { # runtime, name, options of bench
  "$root/dist/proa" bench --json --duration "${seconds}s" "${@:3}" 2>/dev/null |
    sed "s/^{/{\"nodes\":\"$1\",\"what\":\"$2\",\"load\":$(cut -d' ' -f1 /proc/loadavg),/"
}

TIMEFORMAT=%U,%S
processor_seconds() { # command, whose output is nobody's business
  { time "$@" >/dev/null 2>&1; } 2>&1 | awk -F, '{ print $1 + $2 }'
}

for _ in $(seq "$rounds"); do
  for runtime in bun deno; do
    proa_on "$runtime" demo up --dir "$work/demo" >/dev/null
    PROA_ENDPOINTS=$("$root/dist/proa" demo env --dir "$work/demo" | sed -n 's/^export PROA_ENDPOINTS=//p' | tr -d "'\"")
    export PROA_ENDPOINTS
    measure "$runtime" "puts, 2,000 in flight" --in-flight 2000
    measure "$runtime" "one put at a time" --in-flight 1
    measure "$runtime" "gets, 2,000 in flight" --op get --in-flight 2000
    echo "{\"program\":\"$runtime\",\"what\":\"kv get\",\"processor_s\":$(processor_seconds proa_on "$runtime" kv get bench/1)}"
    "$root/dist/proa" demo down --wipe --dir "$work/demo" >/dev/null
    unset PROA_ENDPOINTS
    echo "{\"program\":\"$runtime\",\"what\":\"sim, 20 seeds\",\"processor_s\":$(processor_seconds proa_on "$runtime" sim --seeds 1..20 --json)}"
  done
done
