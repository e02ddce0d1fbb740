"""What the benchmark scripts share: an mrun with a home of its own, peers, statistics, the machine's description.

Method: every round runs each contender once, in an order that rotates (machines drift, so only figures of one run are
compared); medians with minimum and maximum, and ratios of medians; raw samples are kept in the JSON.
"""

import json
import os
import pathlib
import platform
import random
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "mrun-dev"
PEERS = pathlib.Path(__file__).resolve().parent / "peers"
PEER_PYTHON = CACHE / "peers/bin/python"
EXAMPLES = CACHE / "examples"
OUT = ROOT / "build/bench"
CHUNK = 1 << 20

os.environ.setdefault("MRUN_BUILD", str(ROOT / "build/release"))
os.environ.setdefault("MRUN_SOURCE", str(ROOT))
sys.path.insert(0, str(ROOT / "tests/e2e"))
import harness  # noqa: E402


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = next(line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name"))
    flags = next(line for line in info.splitlines() if line.startswith("flags")).split()
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) // 1024
    return {"cpu": model, "cores": os.cpu_count(), "avx512_vnni": "avx512_vnni" in flags, "avx512_bf16": "avx512_bf16" in flags,
            "memory_mib": memory, "kernel": platform.release(), "python": platform.python_version(),
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def summary(samples):
    ordered = sorted(samples)
    row = {"n": len(ordered), "median": statistics.median(ordered), "min": ordered[0], "max": ordered[-1]}
    if len(ordered) >= 299:  # fewer samples can't carry a p99 (binomial bound at 95 %)
        row["p99"] = ordered[int(len(ordered) * 0.99)]
    return row


def rounds(contenders, count, progress=True):
    """{name: measure()} → {name: [seconds…]}: each round runs every contender, starting one later than the last."""
    names = list(contenders)
    samples = {name: [] for name in names}
    for turn in range(count):
        for name in names[turn % len(names):] + names[:turn % len(names)]:
            samples[name].append(contenders[name]())
        if progress:
            print(f"round {turn + 1}/{count}: " + ", ".join(f"{n} {samples[n][-1] * 1e3:.1f} ms" for n in names), file=sys.stderr)
    return samples


def write(name, result):
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{name}.json"
    path.write_text(json.dumps({"schema": "mrun.bench-script/v1", "name": name, "machine": machine(), **result}, indent=1))
    print(f"wrote {path}", file=sys.stderr)


def table(rows, unit=1e3, name="ms", base=None):
    """Markdown rows of {contender: samples}; `base` names the contender of the ratio column."""
    print(f"| contender | median {name} | min | max | p99 | ratio |\n|---|---|---|---|---|---|")
    for contender, samples in rows.items():
        row = summary(samples)
        ratio = f"{row['median'] / statistics.median(rows[base]):.2f}x" if base else ""
        p99 = f"{row['p99'] * unit:.3f}" if "p99" in row else "–"
        print(f"| {contender} | {row['median'] * unit:.3f} | {row['min'] * unit:.3f} | {row['max'] * unit:.3f} | {p99} | {ratio} |")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Peer:
    """A peer server in a process group of its own."""

    def __init__(self, arguments, environment, url, body):
        self.url, self.body = url, json.dumps(body).encode()
        env = os.environ | {"PATH": f"{PEER_PYTHON.parent}:{os.environ['PATH']}", "MRUN_BENCH_MODEL": str(EXAMPLES / "minilm")} | environment
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [str(PEER_PYTHON), "-B", *arguments], cwd=PEERS, env=env, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(self):
        request = urllib.request.Request(self.url, self.body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    def first_reply(self):
        """Seconds from the start of the process to its first good reply."""
        while self.process.poll() is None and time.perf_counter() - self.started < 120:
            try:
                reply = self.ask()
                if reply.get("output"):
                    return time.perf_counter() - self.started
            except OSError:
                pass
            time.sleep(0.01)
        raise RuntimeError(f"{self.url} never answered")

    def memory_pss(self):
        return group_pss(self.process.pid)

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def coglet(stub):
    port = free_port()
    return Peer(["-m", "cog.server.http", "--host", "127.0.0.1"], {"PORT": str(port), "COG_PREDICT_TYPE_STUB": f"{stub}:Predictor"},
                f"http://127.0.0.1:{port}/predictions", {"input": {"text": "A man is eating food."}})


def litserve():
    port = free_port()
    return Peer(["litserve_server.py", str(port)], {}, f"http://127.0.0.1:{port}/predict", {"text": "A man is eating food."})


def pss(pid):
    """Proportional set size of a process in bytes; 0 when it has gone."""
    try:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def group_pss(group):
    total = 0
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) == group or os.getsid(int(entry.name)) == group:
                    total += pss(int(entry.name))
            except ProcessLookupError:
                pass
    return total


def wait_for_zygote(home):
    """Until the process that workers are forked from has opened LibTorch."""
    harness.wait_for(lambda: (home.workers()["zygote"] or {}).get("ready"), 60, "the zygote")


def packed_home(*names):
    """A Home with the named example models packed."""
    home = harness.Home()
    # The home is empty, so LibTorch is named: the one that the development cache holds.
    home.env["MRUN_TORCH_DIR"] = str(next((CACHE / "python/lib").glob("python3*/site-packages/torch")))
    for name in names:
        home.mrun("pack", EXAMPLES / name, timeout=300)
    return home


def safetensors(path, tensors, note=None):
    """Writes one of random bytes. `tensors`: [(name, bytes, seed)]; `note`: of its metadata."""
    header = {} if note is None else {"__metadata__": {"note": note}}
    at = 0
    for name, size, _ in tensors:
        header[name] = {"dtype": "U8", "shape": [size], "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    with open(path, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for _, size, seed in tensors:
            source = random.Random(seed)
            for part in range(0, size, CHUNK):
                out.write(source.randbytes(min(CHUNK, size - part)))
