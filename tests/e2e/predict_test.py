"""Goal: one command packs nothing by surprise, runs a model and prints its answer; with --json it is Replicate's object."""

import json
import re

from harness import run

REPLICATE_KEYS = {"id", "model", "version", "input", "output", "error", "logs", "status", "source", "data_removed",
                  "created_at", "started_at", "completed_at", "metrics", "urls"}


def main(home):
    folder = home.model("test/echo")

    # The daemon starts by itself, and says so once.
    first = home.mrun("predict", "test/echo", "-i", "text=hi there")
    assert "hi there" in first.out, first
    second = home.mrun("predict", "test/echo", "-i", "text=again")
    assert "again" in second.out and "starting" not in second.err, second

    prediction = home.mrun("predict", "test/echo", "-i", "text=hi", "--json").json()
    assert REPLICATE_KEYS <= set(prediction), prediction.keys()
    assert prediction["status"] == "succeeded" and prediction["model"] == "test/echo"
    assert re.fullmatch("[0-9a-z]{26}", prediction["id"]) and re.fullmatch("[0-9a-f]{64}", prediction["version"])
    assert prediction["input"]["text"] == "hi"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", prediction["created_at"])

    # Phases have the documented names and add up to the total.
    metrics = prediction["metrics"]
    assert set(metrics["phases_ns"]) <= {"queue", "fetch", "spawn", "import", "map", "build", "copy", "warmup", "predict", "other"}
    assert abs(sum(metrics["phases_ns"].values()) / 1e9 - metrics["total_time"]) < 0.001, metrics
    assert metrics["cold_start"] is False

    # The same prediction is there afterwards, under its id.
    stored = home.api("GET", f"/v1/predictions/{prediction['id']}").json()
    assert stored["output"] == prediction["output"] and stored["status"] == "succeeded"

    # A tag, a version, a digest prefix and a directory name the same thing.
    for reference in ("test/echo:latest", prediction["version"], prediction["version"][:12], f"test/echo@sha256:{prediction['version']}",
                      f"test/echo:{prediction['version']}", str(folder)):
        assert home.mrun("predict", reference, "-i", "text=same", "--json").json()["version"] == prediction["version"], reference
    assert home.mrun("run", "test/echo", "-i", "text=alias").out == home.mrun("predict", "test/echo", "-i", "text=alias").out

    # A directory that was never packed is packed on the fly, without a tag.
    other = home.model("test/fly", pack=False)
    assert home.mrun("predict", other, "-i", "text=x", "--json").json()["model"] == "test/fly"
    assert "test/fly" not in json.dumps(home.mrun("ls", "--json").json()["models"]), "an unpacked directory got a tag"


run(main)
