"""Goal: what can grow has a limit, and passing it is a clear answer: queue, memory, secrets in logs, request sizes."""

import json
import sqlite3

from harness import run, wait_for


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
    outcome = home.fails("M1203", 75, "predict", "test/giant")
    assert "MiB" in outcome.err or "GiB" in outcome.err, outcome
    assert len(home.workers()["models"]) == len(loaded), "a model was unloaded for one that can't fit"

    # A secret is given to the model and to nobody else.
    home.model("test/secret", inputs="key: {type: secret}\ntext: {type: string, default: x}")
    prediction = home.mrun("predict", "test/secret", "-i", "key=hunter2canary", "--json").json()
    assert "hunter2canary" not in json.dumps(prediction["input"]), prediction["input"]
    home.mrun("daemon", "stop")
    rows = sqlite3.connect(f"file:{home.home}/state/mrun.db?mode=ro", uri=True).execute("SELECT * FROM predictions").fetchall()
    assert "hunter2canary" not in repr([row[:6] for row in rows]) or "input" not in repr(rows), "the secret input is in the database"
    assert "hunter2canary" not in (home.home / "state/logs/mrund.log").read_text()

    # Requests over the limits.
    home.mrun("daemon", "start")
    assert home.api("POST", "/v1/predictions", '{"version": "test/echo", "input": {"text": "' + "x" * (17 << 20) + '"}}',
                    {"Content-Type": "application/json"}).status == 413
    assert home.api("GET", "/v1/predictions", headers={"X-Big": "x" * 20000}).status in (400, 413, 431)
    assert home.api("POST", "/v1/predictions", "[" * 100000, {"Content-Type": "application/json"}).status in (400, 422)
    assert home.api("GET", "/healthz").status == 200


run(main)
