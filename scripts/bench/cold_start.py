"""(a) Cold start of MiniLM through the CLI, page cache warm, beside Python peers that run the same file.

usage: scripts/bench/run cold_start [rounds]
"""

import json
import os
import subprocess
import sys
import time

import lib

TEXT = "A man is eating food."


class Mrun:
    """`mrun predict` from its start to its exit; the worker's pid must be a new one each time."""

    def __init__(self):
        self.home = lib.packed_home("minilm")
        self.pids = set()

    def predict(self):
        start = time.perf_counter()
        outcome = self.home.mrun("predict", "demo/minilm", "-i", f"text={TEXT}", "--json")
        seconds = time.perf_counter() - start
        prediction = json.loads(outcome.out)
        pid = prediction["metrics"]["worker_pid"]
        assert pid not in self.pids and prediction["metrics"]["cold_start"], "the worker is not new"
        assert len(prediction["output"]) == 384
        self.pids.add(pid)
        self.phases = prediction["metrics"]["phases_ns"]
        return seconds

    def daemon_down(self):
        self.home.mrun("daemon", "stop")
        return self.predict()

    def not_loaded(self):
        self.home.mrun("daemon", "stop")
        self.home.mrun("daemon", "start")
        lib.wait_for_zygote(self.home)
        return self.predict()

    def after_stop(self):
        self.home.mrun("predict", "demo/minilm", "-i", f"text={TEXT}")
        self.home.mrun("stop", "demo/minilm")
        return self.predict()


def fresh_python():
    start = time.perf_counter()
    env = os.environ | {"MRUN_BENCH_MODEL": str(lib.EXAMPLES / "minilm")}
    subprocess.run([lib.PEER_PYTHON, "-B", lib.PEERS / "minilm.py"], env=env, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def from_start(make):
    def measure():
        peer = make()
        try:
            return peer.first_reply()
        finally:
            peer.close()
    return measure


class ForkServer:
    def __init__(self):
        env = os.environ | {"MRUN_BENCH_MODEL": str(lib.EXAMPLES / "minilm")}
        self.process = subprocess.Popen([lib.PEER_PYTHON, "-B", lib.PEERS / "fork_server.py"], env=env, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == "ready\n"

    def predict(self):
        start = time.perf_counter()
        self.process.stdin.write(TEXT + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "384\n"
        return time.perf_counter() - start


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    mrun, fork_server = Mrun(), ForkServer()
    try:
        samples = lib.rounds({
            "mrun: daemon up, not loaded": mrun.not_loaded,
            "mrun: after `mrun stop`": mrun.after_stop,
            "mrun: daemon down": mrun.daemon_down,
            "Python fork server, torch imported": fork_server.predict,
            "Python process": fresh_python,
            "LitServe from start": from_start(lib.litserve),
            "coglet from start": from_start(lambda: lib.coglet("predict.py")),
        }, count)
    finally:
        mrun.home.close()
        fork_server.process.kill()
    lib.table(samples, base="mrun: daemon up, not loaded")
    print("last phases (ms):", {name: round(ns / 1e6, 1) for name, ns in mrun.phases.items()})
    lib.write("cold_start", {"samples_s": samples, "last_phases_ns": mrun.phases})


main()
