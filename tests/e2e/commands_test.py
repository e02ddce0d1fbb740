"""Goal: every command does what its help says, in words and in JSON, and a typing mistake meets the nearest word."""

import json
import pathlib
import re

from harness import SOURCE, run


def main(home):
    inputs = "prompt: {type: string, min_length: 1, description: What to say}\nsteps: {type: integer, default: 20, ge: 1, le: 50}"
    home.model("acme/speak", inputs=inputs, extra="description: Says it\n")

    # show: inputs with types, ranges and defaults, output, license, size, engine, latency; it starts no daemon.
    shown = home.mrun("show", "acme/speak")
    for word in ("prompt", "string", "What to say", "steps", "integer", "20", "50", "Apache-2.0", "echo", "not measured"):
        assert word in shown.out, (word, shown)
    assert home.try_mrun("daemon", "status").code == 6, "show started the daemon"
    document = home.mrun("show", "acme/speak", "--json").json()
    assert document["schema"] == "mrun.show/v1" and document["version"], document
    home.mrun("predict", "acme/speak", "-i", "prompt=hi")
    assert "not measured" not in home.mrun("show", "acme/speak").out

    # ps, stop, logs.
    assert "acme/speak" in home.mrun("ps").out
    assert home.mrun("ps", "--json").json()["schema"] == "mrun.ps/v1"
    identity = home.mrun("predict", "acme/speak", "-i", "prompt=hi", "--json").json()["id"]
    home.mrun("logs", identity)
    home.model("test/echo")
    home.fails("M1402", 1, "predict", "test/echo", "-i", "mode=noise_crash")
    identity = home.api("GET", "/v1/predictions").json()["results"][0]["id"]
    told = home.mrun("logs", identity)
    path = home.mrun("logs", identity, "--json").json()["log_path"]
    assert "error[M1402]" in told.err and path in told.err and pathlib.Path(path).is_file(), told
    home.fails("M1506", 5, "logs", "0" * 26)
    home.mrun("stop", "acme/speak")
    assert "acme/speak" not in home.mrun("ps").out
    home.fails("M1202", 5, "stop", "acme/nothing")

    # What was packed on the fly has no tag; it stops by the name that ps shows. A folder needs its ./.
    home.model("acme/fly", folder="fly", pack=False)
    assert "./fly" in home.fails("M1202", 5, "predict", "fly", "-i", "text=x").err
    home.mrun("predict", "./fly", "-i", "text=x")
    assert "acme/fly" in home.mrun("ps").out
    home.mrun("stop", "acme/fly")
    assert "acme/fly" not in home.mrun("ps").out
    assert "begins with `nosuch`" in home.mrun("ls", "nosuch").err

    # version and explain.
    assert re.search(r"\d+\.\d+\.\d+", home.mrun("version").out)
    assert home.mrun("version", "--json").json()["schema"] == "mrun.version/v1"
    for number in re.findall(r"^MRUN_ERROR\((\d+),", (SOURCE / "common/error_codes.def").read_text(), re.M):
        text = home.mrun("explain", f"M{number}").out
        assert f"M{number}" in text and len(text.splitlines()) >= 2, text
    home.mrun("explain", "exit-codes")

    # Mistakes.
    assert "predict" in home.fails("M1002", 2, "perdict").err
    assert "--json" in home.fails("M1003", 2, "ls", "--jsno").err
    home.fails("M1004", 2, "predict", "acme/speak", "-i", "prompt=x", "--timeout", "soon")
    home.fails("M1001", 2, "show")
    home.fails("M1201", 2, "show", "Bad Name")
    near = home.fails("M1202", 5, "predict", "acme/speek", "-i", "prompt=x")
    assert "acme/speak" in near.err, near
    home.fails("M1202", 5, "predict", "acme/speak:v9", "-i", "prompt=x")
    home.fails("M1008", 2, "init", home.path / "t", "--template", "text-embeding")
    home.fails("M1009", 2, "init", home.path / "acme-speak", "--template", "cpp")
    templates = [one["name"] for one in home.mrun("init", "--json").json()["templates"]]
    assert sorted(templates) == sorted(path.name for path in (SOURCE / "templates").iterdir() if path.is_dir()), templates
    assert all(name in home.mrun("init").out for name in templates)
    home.fails("M1001", 2, "init", "--template", "cpp")
    outcome = home.try_mrun("predict", "acme/nothing", "--json")
    error = json.loads(outcome.err.splitlines()[-1])["error"]
    assert outcome.out == "" and error["code"] == "M1202" and error["retryable"] is False, outcome

    # Help: every command, led by examples.
    overview = home.mrun("--help").out
    for command in ("init", "pack", "ls", "show", "tag", "rm", "gc", "predict", "ps", "stop", "logs", "cancel", "daemon", "explain", "version"):
        assert command in overview, command
        text = home.mrun(command, "--help").out
        assert f"mrun {command}" in text and "xample" in text, text
    assert home.mrun("help", "predict").out == home.mrun("predict", "--help").out


run(main)
