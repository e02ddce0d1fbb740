"""Goal: `mrun ps --watch` shows each change of what is loaded and runs, from before there is a daemon to after it is gone."""

import json
import signal

from harness import run
from screen import Screen


def main(home):
    home.model("test/echo", inputs="mode: {type: string, default: echo}")
    watch = home.start("ps", "--watch", "--json=stream")

    def until(condition):
        while True:
            row = json.loads(watch.stdout.readline())
            assert row["schema"] == "mrun.ps/v1", row
            if condition(row):
                return row

    until(lambda row: row["daemon"] is False and row["models"] == [])
    home.mrun("predict", "test/echo")
    until(lambda row: row["daemon"] is True and [model["state"] for model in row["models"]] == ["idle"])
    slow = home.mrun("predict", "test/echo", "-i", "mode=slow:60000", "--detach").out.strip()
    until(lambda row: [model["running"] for model in row["models"]] == [1])
    home.mrun("cancel", slow)
    until(lambda row: [model["running"] for model in row["models"]] == [0])
    home.mrun("stop", "test/echo")
    until(lambda row: row["models"] == [] and row["daemon"] is True)
    home.mrun("daemon", "stop")
    until(lambda row: row["daemon"] is False)
    watch.send_signal(signal.SIGINT)
    assert watch.wait(timeout=20) == 130, watch.stderr.read()

    # In words, off a terminal: a table for each change. On one: in place.
    home.mrun("predict", "test/echo")
    words = home.start("ps", "--watch")
    assert words.stdout.readline().startswith("MODEL") and "test/echo" in words.stdout.readline()
    words.send_signal(signal.SIGTERM)
    assert words.wait(timeout=20) == 143
    screen = Screen(home, "ps", "--watch").until("test/echo").until("Ctrl-C ends")
    assert "\x1b[H\x1b[J" in screen.shown, screen.shown
    screen.process.send_signal(signal.SIGINT)
    screen.end(130)
    assert home.try_mrun("ps", "--watch", "--json").code == 2


run(main)
