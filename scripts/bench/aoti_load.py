"""(j) Loading an AOTInductor package that was unpacked before, beside PyTorch's own loader.

usage: scripts/bench/run aoti_load [rounds] [network …]

Each load happens in a fork of a process that has LibTorch open and never had the package: `mrun` is the engine's load,
`stock` is torch._C._aoti.AOTIModelPackageLoader, the class behind torch._inductor.aoti_load_package, which unpacks each
time. Files are in the page cache. The ratio is of medians, with a bootstrapped interval of 95 %.

Builds nothing: wants `cmake --build --preset release --target engine_torch torch_aoti_load`. Compiling a package needs g++
and takes a minute a network.
"""

import statistics
import subprocess
import sys
import tempfile

import lib
from torch_engines import BUILD, PEER, PYTHON, Contender, environment, interval

NETWORKS = {"gpt_block": 1, "unet_deep": 1, "lstm_stack": 0, "transformer": 0}
RUNS = 5  # of one turn; their median counts


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    names = sys.argv[2:] or list(NETWORKS)
    folder = lib.OUT / "torch-networks"
    subprocess.run([PYTHON, PEER, "make", folder, *names], env=environment(), check=True)
    print("| network | package MB | stock ms | mrun ms | stock / mrun (95 %) |\n|---|---|---|---|---|")
    results = {}
    for name in names:
        case = folder / f"{name}-{NETWORKS.get(name, 0)}"
        with tempfile.TemporaryDirectory() as cache:
            words = [BUILD / "tests/torch/torch_aoti_load", BUILD / "lib/mrun/engines/torch.so", case / "aoti.pt2", case / "model.pt2", cache]
            running = {"mrun": Contender(words), "stock": Contender([PYTHON, PEER, "aoti-load", case])}
            try:
                for contender in running.values():
                    contender.ask(1)  # mrun unpacks
                samples = lib.rounds({kind: (lambda c=c: statistics.median(c.ask(RUNS))) for kind, c in running.items()}, rounds, progress=False)
            finally:
                for contender in running.values():
                    contender.close()
        mrun, stock = statistics.median(samples["mrun"]), statistics.median(samples["stock"])
        low, high = interval(samples["stock"], samples["mrun"])
        size = (case / "aoti.pt2").stat().st_size / 1e6
        print(f"| {name} | {size:.1f} | {stock * 1e3:.2f} | {mrun * 1e3:.2f} | {stock / mrun:.1f} ({low:.1f}–{high:.1f}) |", flush=True)
        results[name] = samples
    lib.write("aoti_load", {"rounds": rounds, "loads_a_turn": RUNS, "results": results})


main()
