"""Goal: a reader that goes away ends every command quietly and with the exit code that it has anyway, and nothing goes on running
for it; a disk that is full is told as what it is."""

import os
import re
import subprocess

from harness import MRUN, run, wait_for

INPUTS = "text: {type: string, default: hello}\nmode: {type: string, default: echo}"


def without_reader(home, *words, code=0, timeout=60):
    """Its first write finds that nobody reads."""
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        done = subprocess.run([str(MRUN), *words], cwd=home.path, env=home.env, stdin=subprocess.DEVNULL, stdout=theirs,
                              stderr=subprocess.PIPE, text=True, timeout=timeout)
    finally:
        os.close(theirs)
    assert done.returncode == code and "error" not in done.stderr, (words, done)


def on_full_disk(home, *words):
    with open("/dev/full", "w") as full:
        done = subprocess.run([str(MRUN), *words], cwd=home.path, env=home.env, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=60)
    assert done.returncode == 1 and re.search(r"\bM(1207|1601)\b", done.stderr), (words, done)


def running(home):
    return [p["id"] for p in home.mrun("predictions", "--json").json()["predictions"] if p["status"] in ("starting", "processing")]


def main(home):
    home.model("test/echo", inputs=INPUTS, output="type: string", extra="concurrency: 4\n")
    home.model("test/stream", inputs=INPUTS, output="type: string\niterator: true\nconcatenate: true")
    flood = home.mrun("predict", "test/echo", "-i", "mode=log_flood:4000", "--json", "--tag", "user=alice").json()["id"]
    assert len(home.mrun("logs", flood).out) > 64 * 1024
    home.mrun("token", "create", "app")
    # Each writes, as the full disk shows: so each meets the closed pipe as well.
    for words in (["help"], ["predict", "--help"], ["explain"], ["version"], ["completion", "bash"], ["ls"], ["ls", "--json"], ["ls", "--plain"],
                  ["show", "test/echo"], ["schema", "test/echo"], ["snippet", "test/echo"], ["config", "list"], ["doctor"], ["ps"],
                  ["predictions"], ["predictions", flood], ["logs", flood], ["logs", "-f", flood], ["wait", flood], ["ledger"], ["ledger", "--csv"],
                  ["stats"], ["token", "ls"], ["prices", "ls"], ["prices", "status"], ["daemon", "status"],
                  ["predict", "test/echo"], ["predict", "test/echo", "--json"], ["predict", "test/echo", "--json=stream"],
                  ["predict", "test/echo", "-o", "-"], ["predict", "test/echo", "-n", "3"], ["predict", "test/echo", "-i", "mode=huge_output:300000"],
                  ["predict", "test/echo", "--dry-run"], ["predict", "test/echo", "--detach"], ["ps", "--watch"],
                  ["bench", "test/echo", "--duration", "300ms", "-n", "7", "--mode", "cold", "--json"]):
        on_full_disk(home, *words)
        without_reader(home, *words)
    wait_for(lambda: not running(home), 30, "nothing to be left running")
    # A gate that fails does so whoever reads.
    home.model("test/changed", inputs="words: {type: string}", output="type: string")
    without_reader(home, "diff", "test/echo", "test/changed", code=3)

    # A reader that leaves in the middle: what nobody reads is canceled.
    for words in (["predict", "test/stream", "-i", "mode=stream:100000:5"], ["predict", "test/stream", "-i", "mode=stream:100000:5", "--json=stream"]):
        command = home.start(*words)
        assert command.stdout.read(5)
        command.stdout.close()
        assert command.wait(timeout=60) == 0 and command.stderr.read() == "", words
        wait_for(lambda: not running(home), 30, f"{words} to be canceled")
    # In a shell with pipefail, so that it is mrun's own exit code; far more than a pipe holds.
    done = subprocess.run(["bash", "-c", f"set -o pipefail; '{MRUN}' logs {flood} | head -n 1"], env=home.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "" and done.stdout.count("\n") == 1, done
    # Nobody reads what is said either.
    done = subprocess.run(["bash", "-c", f"set -o pipefail; '{MRUN}' show no/such 2>&1 >/dev/null | true"], env=home.env, capture_output=True, timeout=60)
    assert done.returncode == 5, done


run(main)
