"""Goal: time of one device is priced at rows of the like only: a GPU's at no CPU's rows, a CPU's at those of its size, and never both in one fit."""

import datetime
import json
import sqlite3

from harness import run


def row(sku, **keys):
    day = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    return {"provider": "seeded", "sku": sku, "kind": "runtime", "per": "instance_s", "usd": 0.0001, "states": {"active": 1, "idle": 0},
            "granularity_s": 1, "read_on": day, "source": "seed", "confidence": "A"} | keys


def say_device(home, device, limit):
    """The newest lines ran on that device."""
    home.mrun("daemon", "stop")
    with sqlite3.connect(home.home / "state/mrun.db") as database:
        database.execute("UPDATE ledger SET device = ? WHERE id IN (SELECT id FROM ledger WHERE kind = 'prediction' ORDER BY at_ns DESC LIMIT ?)", (device, limit))


def estimate(home):
    made = home.mrun("cost", "estimate", "test/work", "-i", "ms=5", "--keep-warm", "60s", "--json").json()
    return made, [line for line in made["offers"] if line["style"] in ("runtime", "deployment")]


def main(home):
    home.home.mkdir(parents=True, exist_ok=True)
    sizes = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256]
    (home.home / "prices.json").write_text(json.dumps([row(f"CPU x{n}", dims={"vcpu_count": n}) for n in sizes] + [row("small", dims={"vcpu_count": n, "memory_gb": 0.001}) for n in sizes]))
    home.model("test/work", inputs="ms: {type: integer, default: 5}\nmode: {type: string, default: slow}")
    for ms in (5, 200):
        home.mrun("predict", "test/work", "-i", f"ms={ms}")
    made, lines = estimate(home)
    priced = {line["dims"]["vcpu_count"] for line in lines if line["provider"] == "seeded" and line["worst"]}
    assert priced and max(map(int, priced)) < 2 * min(map(int, priced)), priced
    others = [line for line in lines if line["dims"].get("vcpu_count") not in priced and "cpu_count" not in line["dims"]]
    assert others and all(line["worst"] is None and "another size" in line["reason"] for line in others), others
    assert all(line["worst"] is None for line in lines if line["sku"] == "small"), lines
    assert made["basis"] == "2 past predictions", made

    say_device(home, "cuda:0", 1)
    made, lines = estimate(home)
    assert not lines and made["break_even"] is None, lines
    assert made["basis"] == "1 past prediction" and made["seconds"]["typical_ns"] >= 200e6, made
    say_device(home, "cuda:0", 2)
    home.mrun("predict", "test/work", "-i", "ms=5")
    made, lines = estimate(home)
    assert lines and made["basis"] == "1 past prediction" and made["seconds"]["typical_ns"] < 200e6, made


run(main)
