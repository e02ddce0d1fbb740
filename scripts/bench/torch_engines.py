"""(i) The torch engine beside Python eager, torch.compile and AOTInductor: warm latency of real networks on one thread.

usage: scripts/bench/run torch_engines [rounds] [network …]

Every contender is a process of its own that runs the same network on the same inputs when it is told to; each round asks
each of them once, in a rotating order, for a few runs. Ratios are to Python eager, with a bootstrapped interval of 95 %.
Also: the time from the start of a process to the first result, page cache warm, for a network each.

Builds nothing: wants `cmake --build --preset release --target engine_torch torch_engine_loop torch_cold_start`, and
$MRUN_BUILD for another build. torch.compile and AOTInductor need g++ and take a minute a network.
"""

import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

import lib

BUILD = pathlib.Path(os.environ["MRUN_BUILD"])
PYTHON = lib.CACHE / "python/bin/python"
PEER = lib.PEERS / "torch_network.py"
DEFAULTS = ["gpt_block", "transformer", "lstm_stack", "unet_deep", "recogniser"]
BATCHES = {"gpt_block": (1, 8), "unet_deep": (1, 8), "recogniser": (1, 8)}
CONTENDERS = ["eager", "compile", "aoti"]
RUNS = 5  # of one turn; its median counts
RESAMPLES = 2000


def torch_dir():
    return os.environ.get("MRUN_TORCH_DIR") or str(next((lib.CACHE / "python/lib").glob("python3*/site-packages/torch")))


def environment():
    return os.environ | {"MRUN_TORCH_DIR": torch_dir(), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1",
                         "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64", "LRU_CACHE_CAPACITY": "64"}


class Contender:
    """Takes a number of runs on a line, answers with the seconds of each."""

    def __init__(self, words):
        self.started = time.perf_counter()
        self.process = subprocess.Popen(list(map(str, words)), env=environment(), text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def ask(self, runs):
        self.process.stdin.write(f"{runs}\n")
        self.process.stdin.flush()
        seconds = [float(word) for word in self.process.stdout.readline().split()]
        if len(seconds) != runs:
            raise RuntimeError(f"{self.process.args}: gave {len(seconds)} times")
        return seconds

    def close(self):
        self.process.kill()
        self.process.wait()


def mrun(case):
    return [BUILD / "tests/torch/torch_engine_loop", BUILD / "lib/mrun/engines/torch.so", case, 1]


def contenders(case):
    return {"mrun": mrun(case)} | {kind: [PYTHON, PEER, kind, case] for kind in CONTENDERS}


def interval(samples, base):
    """95 % of the ratio of medians, rounds drawn anew: they are pairs."""
    source = random.Random(1)
    pairs = list(zip(samples, base))
    ratios = []
    for _ in range(RESAMPLES):
        drawn = source.choices(pairs, k=len(pairs))
        ratios.append(statistics.median(a for a, _ in drawn) / statistics.median(b for _, b in drawn))
    ratios.sort()
    return ratios[int(RESAMPLES * 0.025)], ratios[int(RESAMPLES * 0.975)]


def measure_warm(case, rounds):
    running = {}
    try:
        for name, words in contenders(case).items():
            running[name] = Contender(words)
        first = {name: contender.ask(1)[0] for name, contender in running.items()}
        for contender in running.values():
            contender.ask(10)
        samples = lib.rounds({name: (lambda c=c: statistics.median(c.ask(RUNS))) for name, c in running.items()}, rounds, progress=False)
    finally:
        for contender in running.values():
            contender.close()
    return first, samples


def show_warm(name, batch, first, samples):
    for contender, values in samples.items():
        low, high = interval(values, samples["eager"])
        ratio = statistics.median(values) / statistics.median(samples["eager"])
        print(f"| {name} | {batch} | {contender} | {statistics.median(values) * 1e3:.3f} | {min(values) * 1e3:.3f} | {ratio:.2f} ({low:.2f}–{high:.2f}) | "
              f"{first[contender] * 1e3:.1f} |", flush=True)


def cold_seconds(words):
    """From the start of the process to its first result."""
    contender = Contender(words)
    try:
        contender.ask(1)
        return time.perf_counter() - contender.started
    finally:
        contender.close()


def forked_seconds(case):
    """From the fork of a process that has LibTorch open, as the daemon's zygote does, to the first result."""
    words = [BUILD / "tests/torch/torch_cold_start", BUILD / "lib/mrun/engines/torch.so", case, 1]
    done = subprocess.run(list(map(str, words)), env=environment() | {"CUT": "0", "THREADS": "1"}, capture_output=True, text=True, check=True)
    return float(done.stdout.split("fork to first result ")[1].split()[0]) / 1e3


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    names = sys.argv[2:] or DEFAULTS
    folder = lib.OUT / "torch-networks"
    subprocess.run([PYTHON, PEER, "make", folder, *names], env=environment(), check=True)
    results = {}
    print("| network | batch | contender | median ms | min | ratio (95 %) | first call ms |\n|---|---|---|---|---|---|---|")
    for name in names:
        for batch in BATCHES.get(name, (0,)):
            case = folder / f"{name}-{batch}"
            first, samples = measure_warm(case, rounds)
            show_warm(name, batch or "–", first, samples)
            results[case.name] = {"first_s": first, "samples_s": samples}
    print("\n| network | start to first result | median ms | min |\n|---|---|---|---|")
    for name in names:
        case = folder / f"{name}-{BATCHES.get(name, (0,))[0]}"
        cold = {"mrun, forked": lambda: forked_seconds(case), "mrun, a new process": lambda: cold_seconds(mrun(case)),
                "Python, torch.export.load": lambda: cold_seconds([PYTHON, PEER, "program", case]),
                "Python, AOTInductor's loader": lambda: cold_seconds([PYTHON, PEER, "aoti", case])}
        samples = lib.rounds(cold, max(rounds // 6, 3), progress=False)
        for contender, values in samples.items():
            print(f"| {name} | {contender} | {statistics.median(values) * 1e3:.1f} | {min(values) * 1e3:.1f} |", flush=True)
        results[f"{name}-cold"] = samples
    lib.write("torch_engines", {"rounds": rounds, "runs_a_turn": RUNS, "results": results})


if __name__ == "__main__":
    main()
