"""Goal: what the commands list, as tables and as JSON, is what it was: a change is one that somebody has looked at.

MRUN_ACCEPT=1 writes the golden beside this file. What differs from run to run (ids, digests, times) stands there as a name."""

import json
import os
import pathlib
import re
import sys

from harness import run

GOLDEN = pathlib.Path(__file__).with_suffix(".golden")
INPUTS = "text: {type: string, default: hello, description: What to say}\nwidth: {type: integer, optional: true, ge: 64, le: 1024}\nmode: {type: string, default: echo}"
UNIT = r"(?:ns|us|µs|ms|s|min|h|d)\b"
NAMES = (
    (r"sha256:[0-9a-f]{64}", "sha256:DIGEST"), (r"\b[0-9a-f]{64}\b", "VERSION"), (r"\b[0-9a-f]{12}\b", "SHORT"),
    (r"\b0[0-9a-hjkmnp-tv-z]{25}\b", "ID"), (r"\b\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME"), (r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?", "TIME"),
    (r"\b\d+(\.\d+)? (?:%s|seconds?|minutes?) ago" % UNIT, "AGE"), (r"just now|\bnow\b", "AGE"), (r"\b\d+(?:\.\d+)? %s" % UNIT, "TIME"),
    (r"\b\d+(?:\.\d+)? (?:KiB|MiB|GiB|bytes)\b", "SIZE"), (r"\b\d+\.\d %", "SHARE"), (r"\b\d+(\.\d+)? USD", "MONEY"),
    (r"\ttrue\t\d+\t\d+", "\ttrue\tNS\tNS"), (r"(reference +).*", r"\1REFERENCE"), (r"( idle +)\d+", r"\1PID"))
# Members whose values are measured.
MEASURED = re.compile(r"_ns$|_at$|_bytes$|_time$|_pid$|^(id|next|pid|p50|major_faults|core_tokens|zygote)$")


def words(text, home):
    for old, new in ((str(home.path), "HOME"), *NAMES):
        text = text.replace(old, new) if new == "HOME" else re.sub(old, new, text)
    # Columns are as wide as what stands in them.
    return "".join(re.sub(r"(?<=\S) {2,}(?=\S)", "  ", line).rstrip() + "\n" for line in text.splitlines())


def members(value, key=""):
    """The document with its names and kinds, and those values that are the same in every run. Prices change with their book,
    and a model's own schema has its own test."""
    if key in ("cost_reference", "openapi_schema"):
        return f"a {type(value).__name__}"
    if isinstance(value, dict) and key == "phases_ns":
        return {name: "a int" for name in value}
    if isinstance(value, dict):
        return {name: members(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [members(inner, key) for inner in value]
    if MEASURED.search(key) and value is not None:
        return f"a {type(value).__name__}"
    return value


def main(home):
    home.model("test/echo", inputs=INPUTS, files={"words.txt": "one\n"})
    home.model("test/other", inputs=INPUTS)
    home.mrun("tag", "test/echo", "me/two:v1")
    (home.home / "config.yaml").write_text("max_queue: 7\n")
    shown = []

    def show(*command, code=0, as_json=False):
        outcome = home.try_mrun(*command, *(["--json"] if as_json else []))
        assert outcome.code == code, outcome
        text = json.dumps(members(outcome.json()), indent=1) if as_json else outcome.out + outcome.err
        shown.append(f"$ mrun {words(' '.join(command), home).rstrip()}{' --json' if as_json else ''}\n{words(text, home)}\n")

    def both(*command):
        show(*command)
        show(*command, as_json=True)

    both("ls")
    show("ls", "--plain")
    both("show", "test/echo")
    both("diff", "test/echo", "me/two:v1")
    both("ps")
    both("predictions")
    both("config", "get", "max_queue")
    show("predict", "test/echo", "--dry-run")
    first = home.mrun("predict", "test/echo", "--tag", "user=alice", "--json").json()["id"]
    home.try_mrun("predict", "test/other", "-i", "mode=fail:on purpose")
    both("ps")
    both("predictions")
    show("predictions", "--plain")
    both("predictions", first)
    both("stats")
    home.mrun("token", "create", "app")
    both("token", "ls")
    both("logs", first)
    both("stop", "test/other")
    both("rm", "-n", "me/two:v1")
    both("cancel", first)
    text = "".join(shown)
    if os.environ.get("MRUN_ACCEPT"):
        GOLDEN.write_text(text)
        print("the golden was written; nothing was compared")
        sys.exit(77)
    assert GOLDEN.read_text() == text, f"{GOLDEN} differs:\n{text}\nMRUN_ACCEPT=1 accepts it"


run(main)
