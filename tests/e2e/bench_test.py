"""Goal: `mrun bench` finds known truths of the echo engine, judges its own result, and writes every report.

Times are checked by lower bounds only: an injected wait is never shorter than it says, whatever else the machine does.
"""

import csv
import io
import json
import mmap
import os
import signal
import subprocess

from harness import MRUN, SLOWER, run, wait_for
from junit_schema import check_junit

MS = 1_000_000


def bench(home, *args, code=0, **options):
    outcome = home.try_mrun("bench", *args, "--json", timeout=120, **options)
    assert outcome.code == code, outcome
    result = outcome.json()
    assert result["schema"] == "mrun.bench/v1" and result["exit_code"] == code, result
    return result


def cold_starts(home):
    home.model("test/cold", options="mode: slow_load:60")
    result = bench(home, "test/cold", "--mode", "cold", "-n", "7", "-i", "mode=slow:20")
    assert result["valid"] and len(result["cold"]["runs"]) == 7, result
    pids = set()
    for one in result["cold"]["runs"]:
        phases = one["phases_ns"]
        assert sum(phases.values()) == one["total_ns"], one
        assert phases["build"] >= 60 * MS, one  # the load's cost is in its phase
        assert 20 * MS <= phases["predict"], one
        assert 0 <= phases["client"] and 0 < one["connect_ns"] < one["first_byte_ns"] <= one["total_ns"], one
        assert one["peak_memory_bytes"] > 0 and one["major_faults"] >= 0 and one["read_bytes"] >= 0, one
        pids.add(one["worker_pid"])
    assert len(pids) == 7, "each run had a worker of its own"
    assert result["cold"]["total"]["p50"] >= 80 * MS and result["cold"]["total"]["p90"] is None, result["cold"]["total"]
    few = bench(home, "test/cold", "--mode", "cold", "-n", "3", code=9)
    assert not few["valid"] and "the median needs 7" in few["invalid_reasons"][0], few


def warm_means_warm(home):
    """Two models that do not fit beside each other: each turn loads again what the other's turn has unloaded."""
    home.home.mkdir(parents=True, exist_ok=True)
    (home.home / "config.yaml").write_text("memory_budget: 40MiB\n")
    for name in ("test/a", "test/b"):
        home.model(name, options="mode: slow_load:100")
    result = bench(home, "test/b", "--baseline", "test/a", "--mode", "warm", "--duration", "2s", "-i", "mode=slow:5", code=9)
    assert any(reason.startswith("warm: ") and "were cold starts" in reason for reason in result["invalid_reasons"]), result["invalid_reasons"]
    assert any(reason.startswith("warm, baseline: ") for reason in result["invalid_reasons"]), result["invalid_reasons"]
    home.mrun("daemon", "stop")
    (home.home / "config.yaml").unlink()


def page_cache(home):
    # Where the files can't leave the page cache (tmpfs), the result must say so itself.
    home.model("test/disk", files={"weights.bin": os.urandom(8 << 20)})
    outcome = home.try_mrun("bench", "test/disk", "--mode", "cold", "--cold", "disk", "-n", "7", "--json")
    shares = [one["residency_before"] for one in outcome.json()["cold"]["runs"]]
    assert (outcome.code == 0) == (max(shares) <= 0.01), (outcome.code, shares)
    # What loads have prepared of the files (here as if a package had been unpacked) belongs to them.
    unpacked = home.home / "cache/prepared" / outcome.json()["bundle"]["digest"] / "unpacked/weights.so"
    unpacked.parent.mkdir(parents=True)
    unpacked.write_bytes(os.urandom(8 << 20))
    again = home.try_mrun("bench", "test/disk", "--mode", "cold", "--cold", "disk", "-n", "7", "--json")
    assert again.code == outcome.code, (again.code, again.json()["invalid_reasons"])
    if outcome.code == 0:
        with open(unpacked, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
            sum(memory[::4096])
            held = bench(home, "test/disk", "--mode", "cold", "--cold", "disk", "-n", "7", code=9)
        assert "page cache" in held["invalid_reasons"][0], held["invalid_reasons"]
        # Somebody who has the file mapped keeps it in memory: the runs were not cold, and that is found.
        blob = max((home.home / "data/blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
        with open(blob, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
            sum(memory[::4096])
            held = bench(home, "test/disk", "--mode", "cold", "--cold", "disk", "-n", "7", code=9)
        assert "not cold" in held["invalid_reasons"][0] and "page cache" in held["invalid_reasons"][0], held["invalid_reasons"]
    warm = bench(home, "test/disk", "--mode", "cold", "-n", "7")
    assert all(one["not_cold"] is None for one in warm["cold"]["runs"]), warm
    home.fails("M1001", 2, "bench", "test/disk", "--cold", "host")
    # A user who is not root, also where the tests are run by root.
    words = ["bench", "test/disk", "--mode", "cold", "--cold", "host", "--drop-caches"]
    done = subprocess.run(["unshare", "--map-user=1000", MRUN, *words], env=home.env, capture_output=True, text=True, timeout=60 * SLOWER)
    assert done.returncode == 4 and "error[M1952]" in done.stderr, done


def in_use(home):
    """A model that somebody else uses is not unloaded under him."""
    home.model("test/used", extra="concurrency: 2\n")
    user = home.start("predict", "test/used", "-i", "mode=slow:60000")
    wait_for(lambda: "test/used" in home.mrun("ps").out, what="the worker")
    home.fails("M1953", 75, "bench", "test/used", "--mode", "cold")
    user.terminate()
    user.communicate(timeout=30 * SLOWER)


def warm(home):
    home.model("test/warm")
    result = bench(home, "test/warm", "--mode", "warm", "--duration", "1s", "-i", "mode=slow:20")
    samples = result["warm"]["samples_ns"]
    assert len(samples) >= 10 and min(samples) >= 20 * MS, samples
    assert len(result["warm"]["overhead_ns"]) == len(samples) and min(result["warm"]["overhead_ns"]) >= 0, result["warm"]
    assert result["warm"]["warmup_requests"] >= 3
    assert result["cold"] is None and result["load"] == []
    assert result["cost"]["per_1000"] is None and "no rate" in result["cost"]["reason"], result["cost"]
    missed = bench(home, "test/warm", "--mode", "warm", "--duration", "2s", "-i", "mode=slow:20", "--slo", "p90=10ms", code=3)
    assert [row["ok"] for row in missed["slo"]] == [False], missed["slo"]

    # A rate makes the cost known: 20 ms and more of 3.6 EUR/h is 0.02 EUR and more per 1,000.
    home.mrun("daemon", "stop")
    (home.home / "config.yaml").write_text('cost: {rate: "3.6", per: instance_h, currency: EUR}\n')
    priced = bench(home, "test/warm", "--mode", "warm", "--duration", "500ms", "-i", "mode=slow:20")
    assert priced["cost"]["currency"] == "EUR" and float(priced["cost"]["per_1000"]) >= 0.02, priced["cost"]

    # Streams: the first output is timed.
    home.model("test/stream", output="type: string\niterator: true\nconcatenate: true")
    streamed = bench(home, "test/stream", "--mode", "warm", "--duration", "1s", "-i", "mode=stream:3:20")
    firsts = streamed["warm"]["first_output_ns"]
    assert len(firsts) == len(streamed["warm"]["samples_ns"]) and all(f < t for f, t in zip(firsts, streamed["warm"]["samples_ns"]))

    # Many inputs, in turn; a wrong one is named before anything runs.
    cases = home.path / "cases.jsonl"
    cases.write_text('{"text": "a"}\n\n{"text": "b", "mode": "slow:5"}\n')
    bench(home, "test/warm", "--mode", "warm", "--duration", "300ms", "--inputs", cases)
    cases.write_text('{"text": "a"}\n{"text": 3}\n')
    assert "case 2 of" in home.fails("M1303", 2, "bench", "test/warm", "--inputs", cases).err
    cases.write_text('{"text": "a"}\n{"text": \n')
    assert "cases.jsonl:2" in home.fails("M1950", 2, "bench", "test/warm", "--inputs", cases).err


def load(home):
    # Every 100th prediction stands still for a second: with 100 due each second, the hundred behind it wait too.
    home.model("test/stall", options="mode: stall:100:1000")
    result = home.try_mrun("bench", "test/stall", "--mode", "load", "--rate", "100", "--arrival", "constant", "--duration", "3s",
                           "--warmup", "1", "--json").json()  # a busy machine may make the generator late: exit code 9
    step = result["load"][0]
    assert step["kind"] == "constant" and step["rate"] == 100 and step["ok"] + step["refused"] >= 290, step
    waited = sum(ns >= 100 * MS for ns in step["samples_ns"])
    assert waited >= 80, f"a stall of 1 s at 100/s must be seen by all who wait in it, {waited} did"
    assert step["latency"]["p95"] >= 500 * MS, step["latency"]

    # Failures are counted, and told from refusals.
    home.model("test/flaky", options="mode: fail_every:5")
    flaky = bench(home, "test/flaky", "--mode", "load", "--concurrency", "1,2", "--duration", "500ms", code=1)
    assert all(0.15 < step["error_rate"] < 0.25 for step in flaky["load"]), flaky["load"]
    assert any("now and then" in failure["problem"] for failure in flaky["failures"]), flaky["failures"]
    home.mrun("stop", "test/flaky")  # the first prediction of a worker does not fail
    allowed = home.try_mrun("bench", "test/flaky", "--mode", "load", "--concurrency", "1", "--duration", "500ms", "--slo", "error_rate=30%", "--json")
    assert allowed.code == 0 and allowed.json()["slo"][0]["ok"], allowed

    # More than the model can do: the queue grows, the step is stopped and says so.
    home.model("test/slow", options="mode: slow:50")
    over = home.try_mrun("bench", "test/slow", "--mode", "load", "--rate", "60", "--duration", "20s", "--json", timeout=120).json()
    assert over["load"][0]["saturated"] and over["knee_per_s"] is None, over["load"][0]["latency"]
    assert over["load"][0]["achieved_per_s"] <= 20, over["load"][0]["achieved_per_s"]


def failures(home):
    home.model("test/broken", options="mode: fail:boom")
    broken = home.try_mrun("bench", "test/broken", "-o", "github.md", "--github", env={"GITHUB_STEP_SUMMARY": str(home.path / "summary")})
    assert broken.code == 1 and "failed" in broken.out, broken
    for line in broken.err.splitlines():
        assert not line.startswith("::error::"), line
    assert "| part |" in (home.path / "summary").read_text()
    home.fails("M1202", 5, "bench", "test/nothing")
    home.fails("M1301", 2, "bench", "test/warm", "-i", "nosuch=1")
    home.fails("M1001", 2, "bench", "test/warm", "--rate", "5")
    home.fails("M1001", 2, "bench", "test/warm", "--cold", "pull")
    home.fails("M1004", 2, "bench", "test/warm", "-o", "report.pdf")


def reports(home):
    files = {kind: home.path / f"out.{kind}" for kind in ("json", "csv", "md", "xml", "html")}
    outputs = [word for path in files.values() for word in ("-o", path)]
    outcome = home.mrun("bench", "test/warm", "-i", "mode=slow:2", "-n", "7", "--duration", "1s", *outputs)
    assert "VALID" in outcome.out and "cold, process" in outcome.out and "p50" in outcome.out, outcome
    result = json.loads(files["json"].read_text())
    assert result["valid"] and len(result["cold"]["runs"]) == 7
    rows = list(csv.DictReader(io.StringIO(files["csv"].read_text())))
    p50 = next(row for row in rows if row["part"] == "warm" and row["metric"] == "p50")
    assert abs(int(p50["value"]) - result["warm"]["latency"]["p50"]) <= 1, (p50, result["warm"]["latency"])
    cases = check_junit(files["xml"].read_text())
    assert cases == {"result is valid": None, "predictions succeed": None, "cold process": None, "warm": None}, cases
    assert files["html"].read_text().startswith("<!DOCTYPE html>") and "<script" not in files["html"].read_text()
    assert files["md"].read_text().startswith("### mrun bench test/warm: VALID")
    home.fails("M1006", 2, "bench", "test/warm", *outputs)  # nothing is replaced unasked


def baselines(home):
    # A stored baseline never decides before it is known how much runs differ.
    result = home.path / "out.json"
    compared = bench(home, "test/warm", "-i", "mode=slow:2", "--mode", "warm", "--duration", "500ms", "--baseline", result)
    assert {row["metric"]: row["verdict"] for row in compared["compare"]["rows"]} == {"p50": "inconclusive", "p95": "inconclusive"}, compared["compare"]
    assert "5 stored runs" in compared["compare"]["rows"][0]["reason"], compared["compare"]["rows"]
    junk = home.path / "junk.json"
    junk.write_text('{"schema": "mrun.bench/v1"}')
    home.fails("M1951", 2, "bench", "test/warm", "--baseline", junk)
    junk.write_text("{")
    home.fails("M1951", 2, "bench", "test/warm", "--baseline", junk)

    # 20 ms against 60 ms: slower whatever the machine does, and faster the other way round. JUnit says so.
    home.model("test/fast", options="mode: slow:20")
    home.model("test/slower", options="mode: slow:60")
    report = home.path / "gate.xml"
    slower = bench(home, "test/slower", "--mode", "warm", "--duration", "6s", "--blocks", "5", "--baseline", "test/fast", "-o", report, code=3)
    verdicts = {row["metric"]: row["verdict"] for row in slower["compare"]["rows"]}
    assert verdicts["p50"] == "regressed" and slower["compare"]["interleaved"], slower["compare"]["rows"]
    assert check_junit(report.read_text())["p50 vs test/fast"] == "failure"
    faster = bench(home, "test/fast", "--mode", "warm", "--duration", "6s", "--blocks", "5", "--baseline", "test/slower")
    assert {row["metric"]: row["verdict"] for row in faster["compare"]["rows"]}["p50"] == "improved", faster["compare"]["rows"]


def interrupted(home):
    report = home.path / "partial.json"
    process = home.start("bench", "test/warm", "--mode", "warm", "--duration", "50s", "-i", "mode=slow:5", "-o", report)
    wait_for(lambda: process.poll() is not None or "measuring: warm" in process.stderr.readline(), 30, "the warm part")
    wait_for(lambda: any(model["predictions"] > 30 for model in home.workers()["models"] if model["model"] == "test/warm"), 30, "predictions")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130 and "PARTIAL" in out, (process.returncode, out)
    result = json.loads(report.read_text())
    assert result["partial"] and not result["valid"], result["invalid_reasons"]


def main(home):
    warm_means_warm(home)
    cold_starts(home)
    page_cache(home)
    in_use(home)
    warm(home)
    load(home)
    failures(home)
    reports(home)
    baselines(home)
    interrupted(home)


run(main)
