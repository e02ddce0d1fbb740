"""(k) What the graph executor adds to the operators' own time, a node.

usage: scripts/bench/run graph_overhead [rounds]

Builds nothing: wants `cmake --build --preset release --target torch_graph_overhead` and the example models.
"""

import json
import os
import pathlib
import subprocess
import sys

import lib

PROGRAM = pathlib.Path(os.environ["MRUN_BUILD"]) / "tests/torch/torch_graph_overhead"


def main():
    rounds = sys.argv[1] if len(sys.argv) > 1 else "200"
    torch = os.environ.get("MRUN_TORCH_DIR") or str(next((lib.CACHE / "python/lib").glob("python3*/site-packages/torch")))
    env = os.environ | {"LD_LIBRARY_PATH": f"{torch}/lib", "OMP_NUM_THREADS": "1"}
    models = {path.parent.name: path for path in [*sorted((lib.ROOT / "tests/torch/corpus").glob("*/*/model.pt2"))[-40:],
                                                  *sorted(lib.EXAMPLES.glob("*/model.pt2"))]}
    print("| model | nodes | graph | bare loop | over, a node |\n|---|---:|---:|---:|---:|")
    for name, path in models.items():
        done = subprocess.run([PROGRAM, path, rounds], env=env, capture_output=True, text=True)
        if done.returncode != 0:
            print(f"| {name} | – | {done.stderr.strip()} | | |")
            continue
        row = json.loads(done.stdout)
        print(f"| {name} | {row['nodes']} | {row['graph_us']:.0f} µs | {row['bare_us']:.0f} µs | {row['overhead_us_per_node']:.2f} µs |")


main()
