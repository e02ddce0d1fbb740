#!/usr/bin/env bash
# Gate: is this commit's model slower than the one on the main branch? Both are measured here, interleaved, so
# that the machine's speed does not matter. Exit code 3: slower; 9: the measurement is not valid.
# usage: gate.sh NEW_DIR BASELINE [INPUT…]     BASELINE: a model directory, or HOST/OWNER/NAME[:TAG]
# Reports: bench.xml (JUnit), bench.html, bench.md, bench.json.
set -euo pipefail

new=$1
baseline=$2
shift 2
inputs=()
for input in "$@"; do inputs+=(-i "$input"); done
github=()
if [ -n "${GITHUB_ACTIONS:-}" ]; then github=(--github); fi

if ! mrun daemon status >/dev/null 2>&1; then # one that was there before stays
  trap 'mrun daemon stop >/dev/null 2>&1 || true' EXIT
fi
if [ -d "$baseline" ]; then
  baseline=$(mrun pack "$baseline")
else
  mrun pull "$baseline" >/dev/null
fi
version=$(mrun pack "$new")
mrun bench "$version" "${inputs[@]}" --baseline "$baseline" \
  --runs "${BENCH_RUNS:-20}" --duration "${BENCH_DURATION:-30s}" --blocks "${BENCH_BLOCKS:-10}" \
  --max-regress "${BENCH_MAX_REGRESS:-p50=5%,p95=10%,cold=10%}" \
  -f -o bench.json -o junit=bench.xml -o bench.html -o bench.md "${github[@]}"
