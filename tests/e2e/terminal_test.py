"""Goal: on a terminal, commands that take a while show one line that is rewritten and leave none of it; where no line can be
rewritten (TERM=dumb, CI, a pipe) they say the same in plain lines."""

import re
import signal

from harness import run, wait_for
from screen import CLEAR, Screen, on_screen

INPUTS = "text: {type: string, default: hello}\nmode: {type: string, default: echo}"
SUMMARY = re.compile(r"✓ .*\d.*\n")


def predict(home):
    # The load takes long enough to be shown; the line is gone when the result comes, and the summary stands.
    for _ in range(2):
        shown = on_screen(home, "predict", "test/slow")
        text = shown.shown
        assert CLEAR + "loading test/slow: " in text, text
        assert re.search(r"loading test/slow: [a-z ]+ · [0-9.]+ \w+", text), text
        assert "loading" not in shown.left() and "hello" in shown.left() and SUMMARY.search(shown.left()), shown.left()
        home.mrun("stop", "test/slow")
    # Where the terminal can't: the phases in lines, each once.
    shown = on_screen(home, "predict", "test/slow", term="dumb").shown
    assert "\x1b" not in shown and re.search(r"^loading test/slow: [a-z ]+ \([a-z]+\)\r$", shown, re.M), shown
    lines = [line for line in shown.splitlines() if line.startswith("loading")]
    assert len(lines) == len(set(lines)) and SUMMARY.search(shown.replace("\r", "")), shown
    home.mrun("stop", "test/slow")
    shown = on_screen(home, "predict", "test/slow", env={"CI": "true"}).shown
    assert "\x1b" not in shown and "loading test/slow: " in shown and "✓" not in shown, shown
    # Nothing of it with --quiet and --json, nor on standard output.
    home.mrun("stop", "test/slow")
    assert on_screen(home, "predict", "test/slow", "-q").shown == "hello\r\n"
    home.mrun("stop", "test/slow")
    screen = on_screen(home, "predict", "test/slow", on=("in", "err"))
    assert screen.out == "hello\n" and CLEAR + "loading" in screen.shown and "✓" in screen.left(), (screen.out, screen.shown)
    screen = on_screen(home, "predict", "test/slow", "--json", on=("in", "err"))
    assert screen.shown == "", screen.shown


def batch(home):
    words = ("predict", "test/echo", "-n", "6", "--jobs", "1", "-i", "mode=slow:100")
    screen = on_screen(home, *words, on=("in", "err"))
    assert screen.out == "hello\n" * 6, screen.out
    counts = [int(done) for done in re.findall(r"(\d) of 6 done, 1 running", screen.shown)]
    assert counts and counts == sorted(counts) and counts[-1] >= 4, screen.shown
    assert screen.left() == "6 predictions: 6 succeeded, 0 failed\n", screen.left()
    # Results on the same terminal are progress enough; what can't be rewritten is not said.
    assert "done," not in on_screen(home, *words).shown
    shown = on_screen(home, *words, on=("in", "err"), term="dumb").shown
    assert shown == "6 predictions: 6 succeeded, 0 failed\r\n", shown


def wait_and_logs(home):
    ended = home.mrun("predict", "test/echo", "-i", "text=seen", "--detach").out.strip()
    assert "seen" in on_screen(home, "wait", ended).left()
    slow = home.mrun("predict", "test/echo", "-i", "mode=slow:60000", "--detach").out.strip()
    shown = on_screen(home, "wait", slow, "--timeout", "500ms", code=8).left()
    assert f"{slow} goes on: processing\n" in shown and "running" not in shown.replace(slow, ""), shown
    # While it loads the line says of what; Ctrl-C ends the waiting and leaves none of it.
    home.mrun("stop", "test/slow")
    loading = home.mrun("predict", "test/slow", "--detach").out.strip()
    screen = Screen(home, "wait", loading).until(CLEAR + "loading test/slow: ")
    screen.process.send_signal(signal.SIGINT)
    assert "loading" not in screen.end(130).left(), screen.shown
    assert on_screen(home, "wait", loading).left().startswith("hello\n")
    followed = Screen(home, "logs", "-f", slow)
    wait_for(lambda: int(open(f"/proc/{followed.process.pid}/status").read().split("SigCgt:")[1].split()[0], 16) & 2, 20, "a handler")
    home.mrun("cancel", slow)
    assert "\x1b[K" not in followed.end().shown, followed.shown
    flood = home.mrun("predict", "test/echo", "-i", "mode=log_flood:5", "--json").json()["id"]
    assert on_screen(home, "logs", "-f", flood).left() == home.mrun("logs", flood).out


def doctor_and_questions(home):
    shown = on_screen(home, "doctor").left()
    checks = re.findall(r"^(ok|warning|failed) +(\w+) +\S", shown, re.M)
    assert [name for _, name in checks] == [check["id"] for check in home.mrun("doctor", "--json").json()["checks"]], shown
    # A question waits for its answer; `no` is the answer of whoever just presses Enter.
    home.model("test/gone", files={"weights.bin": b"x" * 5000})
    home.mrun("rm", "-y", "test/gone")
    for keys, removed in (("n\n", False), ("\n", False), ("y\n", True)):
        screen = Screen(home, "gc").until("[y/N] ").type(keys).end()
        assert ("removed" in screen.left()) == removed and ("nothing was done" in screen.left()) != removed, screen.shown


def failures(home):
    # The line is gone before an error stands.
    home.model("test/broken", options="mode: slow_load:500", inputs=INPUTS)
    screen = on_screen(home, "predict", "test/broken", "-i", "mode=fail:on purpose", code=1)
    assert CLEAR + "loading" in screen.shown and "loading" not in screen.left(), screen.shown
    assert screen.left().startswith("error[M1401]: ") and "on purpose" in screen.left(), screen.left()
    assert screen.shown[screen.shown.rindex(CLEAR):].startswith(CLEAR + "\x1b[1;31merror[M1401]\x1b[0m: "), screen.shown


def main(home):
    home.model("test/slow", options="mode: slow_load:1200", inputs="text: {type: string, default: hello}", output="type: string")
    home.model("test/echo", inputs=INPUTS, output="type: string", extra="concurrency: 4\n")
    predict(home)
    batch(home)
    wait_and_logs(home)
    doctor_and_questions(home)
    failures(home)


run(main)
