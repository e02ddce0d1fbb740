"""Goal: a ledger of 100,000 lines is read, summed and exported in bounded memory; the times are printed, not asserted."""

import pathlib
import random
import resource
import sqlite3
import subprocess
import time

from harness import MRUN, run

LINES = 100_000


def fill(home):
    database = sqlite3.connect(home.home / "state/mrun.db")
    chance = random.Random(1)
    columns = [row[1] for row in database.execute("PRAGMA table_info(ledger)")]
    template = dict(zip(columns, database.execute("SELECT * FROM ledger WHERE kind = 'prediction'").fetchone()))
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

    def lines():
        for number in range(LINES):
            row = dict(template)
            row["id"] = "".join(chance.choice(alphabet) for _ in range(26))
            row["at_ns"] = template["at_ns"] - number * 10**9
            row["tags"] = f'{{"user":"u{number % 500}"}}'
            row["total_ns"] = chance.randrange(10**6, 10**9)
            yield tuple(row.values())

    database.executemany(f"INSERT INTO ledger VALUES ({','.join('?' * len(columns))})", lines())
    database.commit()
    database.close()


def timed(home, *args):
    began = time.monotonic()
    done = subprocess.Popen([str(MRUN), *args], stdout=subprocess.PIPE, env=home.env, cwd=home.path)
    size = sum(len(part) for part in iter(lambda: done.stdout.read(1 << 20), b""))
    assert done.wait() == 0
    print(f"mrun {' '.join(args)}: {time.monotonic() - began:.2f} s, {size} bytes", flush=True)
    return size


def resident_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1])
    return 0


def main(home):
    home.model("test/echo")
    (home.home / "config.yaml").write_text('cost: {rate: "0.36", per: instance_h, currency: USD}\n')
    home.mrun("predict", "test/echo")
    home.mrun("daemon", "stop")
    fill(home)
    home.mrun("daemon", "start")
    pid = home.daemon_pid()
    before = resident_kib(pid)
    timed(home, "ledger")
    assert timed(home, "ledger", "--csv") > LINES * 100
    timed(home, "ledger", "--tag", "user=u7", "--csv")
    timed(home, "stats")
    timed(home, "stats", "--by", "day")
    timed(home, "stats", "--by", "tag:user")
    group = home.mrun("stats", "--json").json()["groups"][0]
    assert group["predictions"]["n"] == LINES + 1 and group["total_ns"]["p99"] > group["total_ns"]["p95"] > group["total_ns"]["p50"]
    after = resident_kib(pid)
    print(f"the daemon's peak memory: {before} KiB, then {after} KiB; the clients': "
          f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss} KiB", flush=True)
    assert after < before + 64 * 1024, "it holds pages and groups, not lines"


run(main)
