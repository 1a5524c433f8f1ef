#!/usr/bin/env bash
# Compares the wall time of `proa kv get` with that of `etcdctl get`, each against three nodes on this machine, in one run.
# usage: bench/start_up.sh [RUNS]     needs hyperfine and etcd (Debian: hyperfine etcd-server etcd-client) and a built dist/proa
set -euo pipefail
runs=${1:-100}
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
pids=()
stop() {
  "$root/dist/proa" demo down --wipe --dir "$work/demo" >/dev/null 2>&1 || true
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$work"
}
trap stop EXIT
peers="n1=http://127.0.0.1:21801,n2=http://127.0.0.1:21802,n3=http://127.0.0.1:21803"
for i in 1 2 3; do
  etcd --name "n$i" --data-dir "$work/e$i" --listen-peer-urls "http://127.0.0.1:2180$i" --initial-advertise-peer-urls "http://127.0.0.1:2180$i" \
    --listen-client-urls "http://127.0.0.1:2179$i" --advertise-client-urls "http://127.0.0.1:2179$i" --initial-cluster "$peers" \
    --initial-cluster-state new --logger=zap --log-level=error >"$work/e$i.log" 2>&1 &
  pids+=($!)
done
"$root/dist/proa" demo up --dir "$work/demo" >/dev/null
PROA_ENDPOINTS=$("$root/dist/proa" demo env --dir "$work/demo" | sed -n 's/^export PROA_ENDPOINTS=//p' | tr -d "'\"")
export PROA_ENDPOINTS
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=127.0.0.1:21791,127.0.0.1:21792,127.0.0.1:21793
"$root/dist/proa" kv put a 1 >/dev/null
etcdctl put a 1 >/dev/null
hyperfine --shell=none --warmup 10 --runs "$runs" --export-json "$work/times.json" "$root/dist/proa kv get a" "etcdctl get a" >/dev/null 2>&1
python3 - "$work/times.json" <<'PYTHON'
import json, os, sys
ours, etcd = (result["median"] * 1000 for result in json.load(open(sys.argv[1]))["results"])
print(json.dumps({"what": "kv get", "proa_ms": round(ours, 1), "etcdctl_ms": round(etcd, 1), "ratio": round(ours / etcd, 2), "load": os.getloadavg()[0]}))
PYTHON
