"""Goal: on a terminal `mrun bench` shows one line with percent, part and time left, and leaves none of it behind; elsewhere, as on TERM=dumb, a line a part."""

import re

from harness import SLOWER, run
from screen import CLEAR, on_screen


def main(home):
    home.model("test/progress", options="mode: slow_load:150")
    words = ("bench", "test/progress", "-i", "mode=slow:10", "-n", "7", "--duration", f"{2 * SLOWER}s")
    shown = on_screen(home, *words).shown
    lines = [line for line in re.split(r"[\r\n]|\x1b\[K", shown) if re.match(r" *\d+ %  ", line)]
    assert any("cold start (process) · run " in line for line in lines), lines
    assert all(re.match(r" *\d+ %  (first prediction|cold start|warm latency)", line) for line in lines), lines
    assert any("warming up" in line for line in lines), lines
    assert any(re.search(r"warm latency · \d+ requests · .* left$", line) for line in lines), lines
    percents = [int(line.split("%")[0]) for line in lines]
    assert percents == sorted(percents) and percents[0] == 0 and percents[-1] > 80, percents
    # The last line was cleared before the report.
    report = shown[shown.rindex(CLEAR) + len(CLEAR):]
    assert "VALID" in report and not re.search(r"\d+ %  \w", report.split("VALID")[0]), report

    # A terminal that can't rewrite a line gets one for each part.
    dumb = on_screen(home, *words[:6], "--mode", "cold", term="dumb").shown
    assert "measuring: cold start (process)\r\n" in dumb and "\x1b" not in dumb and " left" not in dumb, dumb

    quiet = home.mrun(*words[:6], "--mode", "cold", "--quiet")
    assert "measuring" not in quiet.err and "%" not in quiet.err, quiet.err
    piped = home.mrun(*words[:6], "--mode", "cold")
    assert "measuring: cold start (process)\n" in piped.err and "\r" not in piped.err, piped.err


run(main)
