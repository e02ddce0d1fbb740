"""Goal: a stored baseline is compared with what belongs to it, and a regression that was appended does not become the next one.

The models wait 4 ms and 40 ms: no machine is so restless that the second looks like the first.
"""

import json

from harness import run


def bench(home, model, *args, code=0):
    outcome = home.try_mrun("bench", model, "--mode", "warm", "--duration", "3s", "--max-regress", "p50=5%", *args, "--json", timeout=120)
    assert outcome.code == code, outcome
    return outcome.json()


def measure(home, model, history):
    home.mrun("bench", model, "--mode", "warm", "--duration", "600ms", "-o", history, timeout=120)


def row(result):
    return next(row for row in result["compare"]["rows"] if row["metric"] == "p50")


def main(home):
    history = home.path / "history.jsonl"
    home.model("stored/x", folder="fast", options="mode: slow:4")
    home.model("stored/other", options="mode: slow:40")
    for _ in range(5):
        measure(home, "stored/x", history)
        measure(home, "stored/other", history)
    runs = [json.loads(line) for line in history.read_text().splitlines()]
    assert len(runs) == 10 and all(one["valid"] for one in runs), [one["invalid_reasons"] for one in runs]
    fast = runs[0]

    # The same model, ten times as slow: the other model's runs are neither its baseline nor its noise.
    home.model("stored/x", folder="slow", options="mode: slow:40")
    slow = bench(home, "stored/x", "--baseline", history, "-o", history, code=3)
    assert row(slow)["verdict"] == "regressed" and slow["compare"]["digest"] == fast["bundle"]["digest"], slow["compare"]["rows"]
    assert row(slow)["ratio"] > 2 and row(slow)["tolerance"] < 4, row(slow)

    # It was appended; the next run is still compared with what passed.
    assert len(history.read_text().splitlines()) == 11
    again = bench(home, "stored/x", "--baseline", history, code=3)
    assert row(again)["verdict"] == "regressed" and again["compare"]["digest"] == fast["bundle"]["digest"], again["compare"]["rows"]

    # Who means it says so.
    pinned = bench(home, "stored/x", "--baseline", history, "--pin", slow["id"])
    assert pinned["compare"]["digest"] == slow["bundle"]["digest"] and row(pinned)["verdict"] != "regressed", pinned["compare"]["rows"]
    by_digest = bench(home, "stored/x", "--baseline", history, "--pin", fast["bundle"]["digest"][:12], code=3)
    assert by_digest["compare"]["digest"] == fast["bundle"]["digest"]

    # What does not compare at all is an error before anything runs.
    home.model("stored/new")
    assert "11 of another model" in home.fails("M1951", 2, "bench", "stored/new", "--mode", "warm", "--baseline", history).err
    assert "with other inputs" in home.fails("M1951", 2, "bench", "stored/x", "-i", "text=x", "--mode", "warm", "--baseline", history).err
    assert "other parts" in home.fails("M1951", 2, "bench", "stored/x", "--mode", "cold", "--baseline", history).err
    home.fails("M1951", 2, "bench", "stored/x", "--mode", "warm", "--baseline", history, "--pin", "nosuch")
    home.fails("M1001", 2, "bench", "stored/x", "--mode", "load", "--baseline", history)
    home.fails("M1001", 2, "bench", "stored/x", "--baseline", "stored/other", "--pin", slow["id"])

    # Numbers that no clock has measured.
    for value in (1e308, 5e-324, 0, -1, 10**30):
        junk = home.path / "junk.json"
        junk.write_text(json.dumps(fast | {"warm": fast["warm"] | {"samples_ns": [value] * 60}}))
        home.fails("M1951", 2, "bench", "stored/x", "--mode", "warm", "--baseline", junk)


run(main)
