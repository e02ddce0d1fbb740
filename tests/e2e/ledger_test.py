"""Goal: the ledger says of every prediction, load and idle stretch what it cost, by model, tag and time; unknown is never 0.

MRUN_ACCEPT=1 writes the golden beside this file: the shape of both JSON schemas.
"""

import csv
import io
import json
import os
import pathlib
import re
from decimal import Decimal

from harness import run

GOLDEN = pathlib.Path(__file__).with_suffix(".golden")


def shape(value, key=""):
    """A value with what differs from run to run replaced by what it is."""
    if isinstance(value, dict):
        return {name: shape(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return "integer" if key.endswith("_ns") or key in ("p50", "spawn", "import", "map", "build", "other", "queue") else value
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", value):
        return "time"
    if re.fullmatch(r"[0-9a-hjkmnp-tv-z]{26}", value):
        return "id"
    if re.fullmatch(r"[0-9a-f]{64}", value):
        return "version"
    return "decimal" if key in ("amount", "USD") and value != "0" else value


def rows(home, *args):
    return home.mrun("ledger", "--json", *args).json()["rows"]


def lines_of_a_worker(home):
    home.mrun("predict", "test/echo", "--tag", "user=alice", "--tag", "feature=avatar, v2")
    home.mrun("predict", "test/echo", "--tag", "user=bob")
    reply = home.api("POST", "/v1/predictions", {"version": "test/echo", "input": {}}, {"Prefer": "wait", "Mrun-Tags": "user=carol%20%C3%A9"})
    assert reply.status == 201 and "mrun" not in reply.json(), "Replicate's object has no tags"
    own = home.api("GET", f"/mrun/v1/predictions/{reply.json()['id']}").json()
    assert own["mrun"] == {"tags": {"user": "carol é"}}, own
    ledger = home.mrun("ledger", "--json").json()
    kinds = [row["kind"] for row in ledger["rows"]]
    assert kinds.count("prediction") == 3 and kinds.count("setup") == 1 and kinds.count("idle") == 2, kinds
    setup = next(row for row in ledger["rows"] if row["kind"] == "setup")
    first = ledger["rows"][[row["kind"] for row in ledger["rows"]].index("prediction")]
    assert sum(setup["phases_ns"].values()) == setup["duration_ns"] > 0, setup
    for row in ledger["rows"]:
        assert row["worker"] == setup["id"] and row["model"] == "test/echo", row
        cost = row["cost"]
        assert cost["reason"] is None and cost["billed_ns"] <= row["duration_ns"], row
        hourly = Decimal("0.36") if row["kind"] != "idle" else Decimal("0.05")
        assert Decimal(cost["rate"]) == hourly
        assert abs(Decimal(cost["amount"]) - hourly * cost["billed_ns"] / 3600 / 10**9) <= Decimal("0.0000000000005"), row
    assert first["tags"] == {"user": "carol é"} and first["units"] == {}, first
    # The totals are the sum of the lines.
    total = sum(Decimal(row["cost"]["amount"]) for row in ledger["rows"])
    assert Decimal(ledger["totals"]["cost"]["total"]["amounts"]["USD"]) == total and ledger["totals"]["cost"]["total"]["unknown"] == 0
    # A prediction tells the same.
    told = home.api("GET", f"/v1/predictions/{first['id']}").json()["metrics"]["cost"]["amount"]
    assert told == first["cost"]["amount"]
    return ledger


def filters(home):
    assert [row["tags"]["user"] for row in rows(home, "--tag", "user=alice")] == ["alice"]
    assert len(rows(home, "--tag", "user=alice", "--tag", "feature=avatar, v2")) == 1
    assert rows(home, "--tag", "user=' OR 1=1 --") == []
    assert {row["kind"] for row in rows(home, "--kind", "idle")} == {"idle"}
    assert len(rows(home, "--since", "1h")) == 6 and rows(home, "--until", "1h") == []
    assert rows(home, "--model", "no/body") == [] and len(rows(home, "--model", "test/echo")) == 6
    assert len(rows(home, "--limit", "2")) == 2
    home.fails("M1004", 2, "ledger", "--since", "yesterday")
    home.fails("M1004", 2, "ledger", "--kind", "setpu")
    home.fails("M1901", 2, "ledger", "--status", "fine")
    home.fails("M1901", 2, "ledger", "--version", "xyz")
    home.fails("M1900", 2, "ledger", "--tag", "user")
    home.fails("M1900", 2, "predict", "test/echo", "--tag", "user=a\nb")
    home.fails("M1001", 2, "ledger", "--csv", "--jsonl")
    for path, status, code in [
            ("ledger?modle=x", 400, "M1901"), ("ledger?limit=0", 400, "M1901"), ("ledger?cursor=%27%3B--", 400, "M1901"),
            ("ledger?tag=a%22b%3Dx", 422, "M1900"), ("stats?by=tag%3Aa%22", 400, "M1901"), ("stats?by=lunch", 400, "M1901"),
            ("ledger?since=2026-13-01", 400, "M1901"), ("ledger?kind=idle&kind=setup", 400, "M1901")]:
        reply = home.api("GET", f"/mrun/v1/{path}")
        assert (reply.status, reply.json()["code"]) == (status, code), (path, reply)
    for header in ("user", "user=%0a", "user=a,user=b", ",".join(f"k{n}=x" for n in range(17))):
        reply = home.api("POST", "/v1/predictions", {"version": "test/echo", "input": {}}, {"Mrun-Tags": header})
        assert (reply.status, reply.json()["code"]) == (422, "M1900"), (header, reply)


def exports(home):
    lines = home.mrun("ledger", "--jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == rows(home)
    text = home.mrun("ledger", "--csv").out
    table = list(csv.DictReader(io.StringIO(text)))
    assert [row["id"] for row in table] == [json.loads(line)["id"] for line in lines]
    assert {"amount", "reason", "reference_amount", "source", "read_on", "tags"} <= set(table[0])
    # A tag that a spreadsheet would run, or that would break the columns, does neither.
    home.mrun("predict", "test/echo", "--tag", "note=a\"b,c", "--tag", "user==HYPERLINK(1)")
    newest = next(row for row in csv.DictReader(io.StringIO(home.mrun("ledger", "--csv").out)) if row["kind"] == "prediction")
    assert json.loads(newest["tags"]) == {"note": 'a"b,c', "user": "=HYPERLINK(1)"}, newest
    assert not any(cell[:1] in "=+-@\t\r" for cell in newest.values() if cell), newest
    stats = home.mrun("stats", "--by", "tag:user", "--csv").out
    assert "'=HYPERLINK(1)" in stats, stats


def statistics(home):
    by_user = {group["key"]: group for group in home.mrun("stats", "--by", "tag:user", "--json").json()["groups"]}
    assert set(by_user) == {None, "alice", "bob", "carol é"}, by_user
    assert by_user["alice"]["predictions"] == {"n": 1, "succeeded": 1, "failed": 0, "canceled": 0, "aborted": 0, "cold_starts": 1}
    assert by_user[None]["cost"]["setup"]["lines"] == 1 and by_user[None]["cost"]["idle"]["lines"] == 2
    day = home.mrun("stats", "--by", "day", "--json").json()["groups"]
    assert len(day) in (1, 2) and sum(group["predictions"]["n"] for group in day) == 3
    total = day[0]["total_ns"]
    assert total["p50"] > 0 and total["p95"] is None and total["p99"] is None, total
    table = home.mrun("stats").out
    assert "test/echo" in table and "P95" in table and "–" in table, table


def main(home):
    home.model("test/echo")
    (home.home / "config.yaml").write_text(
        'cost: {rate: "0.36", per: instance_h, currency: USD, idle_rate: "0.05", basis: {watts: 40, note: a guess}}\n')
    assert "no such line" in home.mrun("ledger").err
    ledger = lines_of_a_worker(home)
    shown = json.dumps({"ledger": shape(ledger), "stats": shape(home.mrun("stats", "--json").json())}, indent=1, sort_keys=True) + "\n"
    if os.environ.get("MRUN_ACCEPT"):
        GOLDEN.write_text(shown)
    assert GOLDEN.read_text() == shown, f"{GOLDEN} differs:\n{shown}\nMRUN_ACCEPT=1 accepts it"
    filters(home)
    statistics(home)
    table = home.mrun("ledger").out
    assert "user=alice" in table and "3 predictions, 1 setup" in table.splitlines()[-1], table
    exports(home)

    # `ps` knows what the worker has cost so far; a stop unloads it, and that is a line.
    cost = home.mrun("ps", "--json").json()["models"][0]["cost"]
    assert cost["currency"] == "USD" and cost["reason"] is None, cost
    assert Decimal(cost["setup"]) + Decimal(cost["active"]) + Decimal(cost["idle"]) == Decimal(cost["total"]) > 0
    assert " USD" in home.mrun("ps").out
    before = len(rows(home))
    home.mrun("daemon", "stop")
    after = rows(home)
    assert len(after) == before + 1 and after[0]["kind"] == "idle" and after[0]["status"] == "unloaded", after[:2]
    log = (home.home / "state/logs/mrund.log").read_text()
    assert re.search(r"setup \S+ model=test/echo .* cost=0\.\d+ USD", log), log

    # Without rates what is not known reads so, in every form, and has its reason.
    home.mrun("daemon", "stop")
    (home.home / "config.yaml").write_text('cost: {rate: "0.36", per: instance_h, currency: USD}\n')
    home.mrun("predict", "test/echo")
    home.mrun("predict", "test/echo")
    idle = rows(home, "--kind", "idle")[0]
    assert idle["cost"]["amount"] is None and "no idle rate" in idle["cost"]["reason"], idle
    assert "idle unknown" in home.mrun("ps").out
    assert "unknown (1)" in home.mrun("ledger").out.splitlines()[-1]
    exported = next(csv.DictReader(io.StringIO(home.mrun("ledger", "--kind", "idle", "--csv").out)))
    assert exported["amount"] == "unknown" and "no idle rate" in exported["reason"], exported


run(main)
