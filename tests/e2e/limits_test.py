"""Goal: what can grow has a limit, and passing it is a clear answer: queue, memory, secrets in logs, request sizes."""

import json
import sqlite3

from harness import run


CANARY = "hunter2canary"


def database_values(path):
    """Every column of every row of every table, as one text."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert {"predictions", "outputs", "ledger", "files", "versions", "meta"} <= set(tables), tables
    return "".join(repr(database.execute(f'SELECT * FROM "{name}"').fetchall()) for name in tables)


def main(home):
    home.home.mkdir(mode=0o700)
    (home.home / "config.yaml").write_text("max_queue: 3\nmemory_budget: 300MiB\n")
    slow = "mode: {type: string, default: echo}\ntext: {type: string, default: x}"
    home.model("test/echo", inputs=slow, extra="requires: {memory_mib: 100}\n")
    home.mrun("predict", "test/echo")

    # One runs, three wait, the next is refused with Retry-After.
    ids = [home.predict("test/echo", wait=False, mode="slow:60000").json()["id"] for _ in range(4)]
    reply = home.predict("test/echo", wait=False, mode="slow:60000")
    assert reply.status == 429 and reply.json()["code"] == "M1504" and int(reply.headers["retry-after"]) > 0, reply
    outcome = home.fails("M1504", 75, "predict", "test/echo")
    assert outcome.out == ""
    for one in ids:
        home.api("POST", f"/v1/predictions/{one}/cancel")
    for one in ids:
        home.finish(one)

    # The memory budget: the least recently used idle model makes room; what never fits is refused with numbers.
    for name in ("a", "b", "c", "d"):
        home.model(f"test/{name}", extra="requires: {memory_mib: 100}\n")
        home.mrun("predict", f"test/{name}")
    loaded = {model["model"] for model in home.workers()["models"]}
    assert "test/d" in loaded and "test/echo" not in loaded and len(loaded) <= 3, loaded
    home.model("test/giant", extra="requires: {memory_mib: 4000}\n")
    outcome = home.fails("M1203", 1, "predict", "test/giant")
    assert "MiB" in outcome.err or "GiB" in outcome.err, outcome
    assert len(home.workers()["models"]) == len(loaded), "a model was unloaded for one that can't fit"

    # A secret is given to the model and to nobody else. The model gives its text back, not its key.
    inputs = "a_text: {type: string, default: x}\nkey: {type: secret}\n"
    home.model("test/secret", inputs=inputs, output="type: string")
    home.model("test/secret-file", inputs=inputs + "mode: {type: string, default: 'file:300000'}")
    secret = ("-i", f"key={CANARY}", "-i", "a_text=seen", "--json")
    prediction = home.mrun("predict", "test/secret", *secret).json()
    assert prediction["output"] == "seen" and CANARY not in json.dumps(prediction), prediction
    home.mrun("predict", "test/secret-file", *secret)
    reply = home.predict("test/secret", wait=False, key=CANARY, a_text="seen")
    home.finish(reply.json()["id"])
    home.mrun("daemon", "stop")
    rows = database_values(home.home / "state/mrun.db")
    assert "seen" in rows and CANARY not in rows, "the secret is in the database"
    files = [path for path in home.home.rglob("*") if path.is_file()]
    assert {"mrun.db", "mrund.log"} <= {path.name for path in files} and list((home.home / "state/outputs").iterdir()), files
    leaks = [path for path in files if CANARY.encode() in path.read_bytes()]
    assert not leaks, f"the secret is in {leaks}"

    # Requests over the limits.
    home.mrun("daemon", "start")
    assert home.api("POST", "/v1/predictions", '{"version": "test/echo", "input": {"text": "' + "x" * (17 << 20) + '"}}',
                    {"Content-Type": "application/json"}).status == 413
    assert home.api("GET", "/v1/predictions", headers={"X-Big": "x" * 20000}).status in (400, 413, 431)
    assert home.api("POST", "/v1/predictions", "[" * 100000, {"Content-Type": "application/json"}).status in (400, 422)
    assert home.api("GET", "/healthz").status == 200


run(main)
