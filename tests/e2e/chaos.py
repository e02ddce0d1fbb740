"""The chaos driver: clients that create predictions, a killer, and the invariants afterwards.

MRUN_CHAOS_KILLS: how many kills; MRUN_CHAOS_SEED: the random seed (printed).
"""

import json
import os
import pathlib
import random
import signal
import sqlite3
import threading
import time
from decimal import Decimal


TERMINAL = {"succeeded", "failed", "canceled", "aborted"}


class Client(threading.Thread):
    """Creates predictions, and remembers each id that was acknowledged, and each end that it was told."""

    def __init__(self, home, seed):
        super().__init__(name=f"client-{seed}")
        self.home, self.random, self.stop = home, random.Random(seed), threading.Event()
        self.acknowledged, self.ends, self.strange = [], {}, []

    def run(self):
        while not self.stop.is_set():
            body = {"version": "test/echo", "input": {"text": "x" * self.random.randint(1, 2000)}}
            headers = {"Prefer": "wait"} if self.random.random() < 0.5 else {}
            try:
                reply = self.home.api("POST", "/v1/predictions", body, headers, timeout=20)
            except (OSError, ConnectionError, Exception) as error:  # noqa: BLE001  a dead daemon is the point
                if not isinstance(error, (OSError, EOFError)) and "Remote end closed" not in repr(error):
                    self.strange.append(repr(error))
                time.sleep(0.005)
                continue
            if reply.status in (201, 202):
                prediction = reply.json()
                self.acknowledged.append(prediction["id"])
                if prediction["status"] in TERMINAL:
                    self.ends[prediction["id"]] = (prediction["status"], prediction["output"], prediction["completed_at"])
            elif reply.status not in (429, 503):
                self.strange.append(repr(reply))
            time.sleep(self.random.random() * 0.005)


def victims(home):
    """(daemon pids, worker pids) of this home, by their command lines."""
    daemons, workers = [], []
    for pid in home.processes():
        try:
            command = pathlib.Path(f"/proc/{pid}/cmdline").read_text()
        except OSError:
            continue
        if "mrund" in command.split("\0")[0]:
            daemons.append(pid)
        elif "mrun-worker" in command:
            workers.append(pid)
    return daemons, workers


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass


def main(home):
    kills = int(os.environ.get("MRUN_CHAOS_KILLS", "12"))
    seed = int(os.environ.get("MRUN_CHAOS_SEED", random.randrange(1 << 30)))
    print(f"seed {seed}, {kills} kills", flush=True)
    chance = random.Random(seed)
    home.model("test/echo")
    (home.home / "config.yaml").write_text('cost: {rate: "0.36", per: instance_h, currency: USD, idle_rate: "0.05"}\n')
    home.mrun("daemon", "start")
    clients = [Client(home, seed + number) for number in range(4)]
    for client in clients:
        client.start()
    try:
        for _ in range(kills):
            time.sleep(chance.uniform(0.01, 0.4))
            daemons, workers = victims(home)
            if chance.random() < 0.5 and workers:
                kill([chance.choice(workers)])
            else:
                kill(daemons)
                home.mrun("daemon", "start")
    finally:
        for client in clients:
            client.stop.set()
        for client in clients:
            client.join()

    home.mrun("daemon", "start")
    acknowledged = [one for client in clients for one in client.acknowledged]
    strange = [one for client in clients for one in client.strange]
    assert not strange, strange[:5]
    assert len(acknowledged) == len(set(acknowledged)) > kills, "ids must be unique, and there must have been load"
    ends = {one: end for client in clients for one, end in client.ends.items()}
    assert ends, "some must have waited for the end"
    statuses = {}
    for one in acknowledged:
        prediction = home.finish(one, timeout=15)
        assert prediction["status"] in TERMINAL
        if one in ends:
            assert ends[one] == (prediction["status"], prediction["output"], prediction["completed_at"]), "an end that was told has changed"
        statuses[prediction["status"]] = statuses.get(prediction["status"], 0) + 1
    assert statuses.get("succeeded", 0) > 0, statuses
    print(statuses)

    # The database agrees: one terminal row and one ledger row each.
    home.mrun("daemon", "stop")
    database = sqlite3.connect(f"file:{home.home}/state/mrun.db?mode=ro", uri=True)
    rows = dict(database.execute("SELECT id, status FROM predictions").fetchall())
    ledger = database.execute("SELECT id, kind, status, amount_pico, duration_ns, worker FROM ledger").fetchall()
    billed = [row[0] for row in ledger if row[1] == "prediction"]
    assert set(acknowledged) <= set(rows), "an acknowledged prediction is lost"
    assert all(status in TERMINAL for status in rows.values()), rows
    assert len(ledger) == len({row[0] for row in ledger}), "something was billed twice"
    assert set(rows) == set(billed) and len(billed) == len(rows), "every terminal prediction has its line"

    # What the predictions were told is what the ledger says, to the last digit.
    told = Decimal(0)
    for (metrics,) in database.execute("SELECT metrics FROM predictions"):
        cost = json.loads(metrics).get("cost")
        told += Decimal(cost["amount"]) if cost else 0
    # What a kill cut while it ran costs an unknown amount; nothing else does.
    amounts = [row[3] for row in ledger if row[1] == "prediction" and row[3] is not None]
    assert all(row[2] == "failed" for row in ledger if row[1] == "prediction" and row[3] is None), ledger
    assert Decimal(sum(amounts)).scaleb(-12) == told > 0, (sum(amounts), told)

    # Workers: one setup line each, and no line of a worker that has none. What a kill cut is unknown, not invented.
    setups = {row[0] for row in ledger if row[1] == "setup"}
    assert {row[5] for row in ledger if row[1] != "prediction"} <= setups, "a stretch of no worker"
    assert {row[5] for row in ledger if row[1] == "prediction"} - {""} <= setups, "a prediction of no worker"
    for _, kind, status, amount, duration, _ in ledger:
        if kind != "prediction":
            assert (status == "unknown") == (amount is None) == (duration is None), (kind, status, amount, duration)
    assert any(row[1] == "idle" and row[2] == "used" for row in ledger) and any(row[2] == "unknown" for row in ledger)
    assert database.execute("SELECT count(*) FROM open_stretches").fetchone() == (0,), "a clean stop leaves nothing open"
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
