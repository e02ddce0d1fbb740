#!/usr/bin/env bash
# Smoke: the model starts, answers, and the result is valid. A minute; no baseline needed.
# usage: smoke.sh MODEL_DIR [INPUT…]     e.g. smoke.sh ./my-model text=hello
# Reports: bench.xml (JUnit), bench.html, bench.json. Exit codes: docs/bench.md.
set -euo pipefail

model=$1
shift
inputs=()
for input in "$@"; do inputs+=(-i "$input"); done
github=()
if [ -n "${GITHUB_ACTIONS:-}" ]; then github=(--github); fi

if ! mrun daemon status >/dev/null 2>&1; then # one that was there before stays
  trap 'mrun daemon stop >/dev/null 2>&1 || true' EXIT
fi
version=$(mrun pack "$model")
mrun bench "${version}" "${inputs[@]}" --runs "${BENCH_RUNS:-7}" --duration "${BENCH_DURATION:-5s}" \
  -f -o bench.json -o junit=bench.xml -o bench.html "${github[@]}"
