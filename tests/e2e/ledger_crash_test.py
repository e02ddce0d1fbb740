"""Goal: after kill -9 of the daemon, what a worker was doing is a line whose length and cost are unknown, and nothing is billed twice."""

import os
import signal
import sqlite3
from decimal import Decimal

from harness import run, wait_for


def rows(home, *args):
    return home.mrun("ledger", "--json", *args).json()["rows"]


def kill_daemon(home):
    pid = home.daemon_pid()
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not home.processes(), what="the daemon and its workers to be gone")


def main(home):
    home.model("test/echo")
    home.model("test/slow", options="mode: slow_load:60000")
    (home.home / "config.yaml").write_text('cost: {rate: "0.36", per: instance_h, currency: USD, idle_rate: "0.05"}\n')
    home.mrun("predict", "test/echo")
    home.mrun("predict", "test/echo")
    before = rows(home)
    assert [row["kind"] for row in before] == ["prediction", "idle", "prediction", "setup"], before

    # Killed while one worker waits and another loads.
    reply = home.predict("test/slow", wait=False)
    assert reply.status == 201, reply
    wait_for(lambda: any(worker["model"] == "test/slow" and worker["state"] in ("starting", "loading") for worker in home.workers()["models"]),
             what="the load")
    wait_for(lambda: home.api("GET", "/mrun/v1/status").json()["active"] == 1)
    kill_daemon(home)
    home.mrun("daemon", "start")
    after = rows(home)
    assert [row for row in after if row in before] == before, "what was written stands"
    new = {(row["kind"], row["model"]): row for row in after if row not in before}
    assert set(new) == {("idle", "test/echo"), ("setup", "test/slow"), ("prediction", "test/slow")}, new
    for kind, model in (("idle", "test/echo"), ("setup", "test/slow")):
        row = new[kind, model]
        assert row["status"] == "unknown" and row["duration_ns"] is None and row["began_at"] is not None, row
        assert row["cost"]["amount"] is None and "killed" in row["cost"]["reason"], row
    assert new["setup", "test/slow"]["prediction"] == reply.json()["id"]
    assert new["prediction", "test/slow"]["status"] == "failed" and Decimal(new["prediction", "test/slow"]["cost"]["amount"]) == 0

    # What ran when it was killed used a time that nobody knows: it is not free.
    running = home.predict("test/echo", wait=False, mode="slow:60000")
    wait_for(lambda: home.api("GET", f"/v1/predictions/{running.json()['id']}").json()["status"] == "processing", what="the prediction to run")
    wait_for(lambda: sqlite3.connect(home.home / "state/mrun.db").execute("SELECT started_ns FROM predictions WHERE id = ?", (running.json()["id"],)).fetchone()[0],
             what="its start to be written")
    kill_daemon(home)
    home.mrun("daemon", "start")
    row = next(row for row in rows(home) if row["id"] == running.json()["id"])
    assert row["status"] == "failed" and row["cost"]["amount"] is None and row["cost_reference"]["amount"] is None, row
    assert "not known" in row["cost"]["reason"] and row["began_at"] is not None, row
    after = rows(home)

    # Again, with nothing loaded: nothing is added.
    kill_daemon(home)
    home.mrun("daemon", "start")
    assert rows(home) == after
    totals = home.mrun("ledger", "--json").json()["totals"]["cost"]["total"]
    assert totals["unknown"] == sum(row["cost"]["amount"] is None for row in after) >= 3 and Decimal(totals["amounts"]["USD"]) == sum(
        Decimal(row["cost"]["amount"]) for row in after if row["cost"]["amount"] is not None), totals


run(main)
