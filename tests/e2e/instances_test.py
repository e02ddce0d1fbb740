"""Goal: `models` of config.yaml gives a model several workers: they run at the same time, one's death is only its own
predictions' failure, each has its line of the ledger, and `mrun stop` ends them all."""

import json
import os
import signal

from harness import run, wait_for


def running(home):
    return [model for model in home.workers()["models"] if model["running"]]


def main(home):
    home.home.mkdir(mode=0o700)
    (home.home / "config.yaml").write_text("models:\n  test/echo: {instances: 2}\n  test/pinned: {pinned: true}\nidle_unload: 1s\n")
    inputs = "text: {type: string, default: x}\nmode: {type: string, default: echo}"
    home.model("test/echo", inputs=inputs)
    home.model("test/one", inputs=inputs)
    home.model("test/pinned", inputs=inputs)

    home.mrun("daemon", "start")
    # A model without the setting has one, however many wait.
    others = [home.predict("test/one", wait=False, mode="slow:60000").json()["id"] for _ in range(2)]
    wait_for(lambda: running(home), 20, "one to run")
    assert len(home.workers()["models"]) == 1 and home.workers()["models"][0]["queued"] == 1, home.workers()
    for one in others:
        home.api("POST", f"/v1/predictions/{one}/cancel")
        home.finish(one)
    home.mrun("stop", "test/one")

    # One at a time needs one worker.
    for _ in range(3):
        home.mrun("predict", "test/echo")
    assert len(home.workers()["models"]) == 1, home.workers()

    # Three at once have two; the third waits its turn.
    ids = [home.predict("test/echo", wait=False, mode="slow:60000").json()["id"] for _ in range(3)]
    wait_for(lambda: len(running(home)) == 2, 20, "two workers to run")
    assert len({model["pid"] for model in running(home)}) == 2, home.workers()
    assert home.api("GET", f"/v1/predictions/{ids[2]}").json()["status"] == "starting"

    # A worker that dies takes its own prediction with it; what waited runs in a new one.
    victim = next(model["pid"] for model in running(home) if model["model"] == "test/echo")
    os.kill(victim, signal.SIGKILL)
    def states():
        return [home.api("GET", f"/v1/predictions/{one}").json()["status"] for one in ids]
    wait_for(lambda: sorted(states()) == ["failed", "processing", "processing"], 20, "one to fail and the other two to run")
    pids = {model["pid"] for model in running(home)}
    assert len(pids) == 2 and victim not in pids, home.workers()

    # Each start is a line of the ledger; a stop ends all.
    for one in ids:
        home.api("POST", f"/v1/predictions/{one}/cancel")
    wait_for(lambda: all(state in ("failed", "canceled") for state in states()), 20, "the others to end")
    assert "2 workers" in home.mrun("stop", "test/echo").err
    assert not [model for model in home.workers()["models"] if model["model"] == "test/echo"], home.workers()
    lines = [json.loads(line) for line in home.mrun("ledger", "--jsonl").out.splitlines()]
    assert sum(line["kind"] == "setup" and line["model"] == "test/echo" for line in lines) == 3, lines

    # What is pinned outlives idle_unload.
    home.mrun("predict", "test/pinned")
    home.mrun("predict", "test/one")
    wait_for(lambda: [model["model"] for model in home.workers()["models"]] == ["test/pinned"], 20, "the idle ones to end")


run(main)
