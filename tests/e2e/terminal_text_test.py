"""Goal: a terminal acts on nothing that a model wrote: its output, its log, and a prediction shown later have no raw control
characters there, while a pipe gets every byte as it was."""

import json
import re

from harness import run, wait_for
from screen import on_screen

HOSTILE = "plain\ttab\n\x1b]0;title\x07\x1b[2J\x1b[31mred\rover\x08\x7f\x9b31mé—🦊\n"
SHOWN = "plain\ttab\n\\x1b]0;title\\x07\\x1b[2J\\x1b[31mred\\x0dover\\x08\\x7f\\xc2\\x9b31mé—🦊\n"
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
PROGRAM = r'''#!/usr/bin/env python3
import json, sys

def send(**message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()

send(ready=True)
for line in sys.stdin:
    message = json.loads(line)
    if "predict" in message:
        send(id=message["predict"], log=message["input"]["text"])
        print(message["input"]["text"], file=sys.stderr, flush=True)
        send(id=message["predict"], output=message["input"]["text"])
        send(id=message["predict"], done="succeeded")
'''
MANIFEST = """mrun: 1
name: test/hostile
license: Apache-2.0
engine: process
model: main.py
files: [main.py]
threads: 1
inputs:
  text: {type: string}
output: {type: string}
"""


def on_terminal(home, *args):
    """What a terminal gets, without what it makes of line ends."""
    return on_screen(home, *args, on=("out",), term="dumb", raw=True).shown


def main(home):
    folder = home.path / "hostile"
    folder.mkdir()
    (folder / "main.py").write_text(PROGRAM)
    (folder / "mrun.yaml").write_text(MANIFEST)
    home.mrun("pack", folder)
    home.model("test/words", inputs="text: {type: string}", output="type: string\niterator: true\nconcatenate: true")
    home.model("test/any", inputs="text: {type: string}")
    given = ["-i", f"text={HOSTILE}"]
    identity = home.mrun("predict", "test/hostile", *given, "--json").json()["id"]

    for model in ("test/hostile", "test/words"):
        assert home.mrun("predict", model, *given, binary=True).out == HOSTILE.encode(), model
        assert on_terminal(home, "predict", model, *given) == SHOWN, model
        assert on_terminal(home, "predict", model, *given, "-o", "-") == HOSTILE, model  # asked for, byte by byte
    logged = wait_for(lambda: [text for text in [home.mrun("logs", identity, binary=True).out.decode()] if "\x1b[2J" in text], 20, "its log")[0]
    for follow in ([], ["-f"]):
        shown = on_terminal(home, "logs", *follow, identity)
        assert "\\x1b[2J" in shown and not CONTROLS.search(shown) and len(shown.splitlines()) >= 2, (follow, logged, shown)
    assert on_terminal(home, "wait", identity) == SHOWN
    piped, shown = home.mrun("predictions", identity, binary=True).out.decode(), on_terminal(home, "predictions", identity)
    assert HOSTILE in piped and SHOWN in shown and shown.count("\x1b") == 0, (piped, shown)
    batch = home.path / "batch.jsonl"
    batch.write_text(json.dumps({"text": HOSTILE}) + "\n")
    lines = ["--inputs", batch, "--json"], [*given, "--json=stream"]
    for args in (*(["predict", "test/hostile", *line] for line in lines), ["logs", "-f", identity, "--json=stream"],
                 ["snippet", "test/hostile", *given], ["snippet", "test/hostile", *given, "--lang", "python"]):
        shown = on_terminal(home, *args)
        assert "u009b31m" in shown and not CONTROLS.search(shown), (args, shown)
    for args in (["predict", "test/any", *given], ["predictions"], ["predictions", identity, "--json"], ["show", "test/hostile"]):
        assert not CONTROLS.search(on_terminal(home, *args)), args


run(main)
