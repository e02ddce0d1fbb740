"""Goal: --retry tries again what may pass by itself, and only that: never a wrong input, never what was shown already."""

import os
import signal
import time

from harness import run, wait_for

INPUTS = "text: {type: string, default: hello}\nmode: {type: string, default: echo}"


def predictions(home):
    return home.mrun("predictions", "--json").json()["predictions"]


def main(home):
    home.model("test/echo", inputs=INPUTS)
    home.mrun("predict", "test/echo")

    # The worker is killed while it runs: the next try has another one.
    command = home.start("predict", "test/echo", "-i", "mode=slow:3000", "--retry", "3")
    wait_for(lambda: [p for p in predictions(home) if p["status"] == "processing"], 20, "it to run")
    os.kill(home.workers()["models"][0]["pid"], signal.SIGSEGV)
    out, err = command.communicate(timeout=60)
    assert command.returncode == 0 and "hello" in out and "again in" in err and "error[" not in err, (out, err)
    assert [p["status"] for p in predictions(home)][:2] == ["succeeded", "failed"], predictions(home)

    # No more often than asked; what a repetition can't mend is not repeated.
    count = len(predictions(home))
    failed = home.fails("M1402", 1, "predict", "test/echo", "-i", "mode=crash", "--retry", "2")
    assert failed.err.count("again in") == 2 and len(predictions(home)) == count + 3, failed
    count += 3
    failed = home.fails("M1401", 1, "predict", "test/echo", "-i", "mode=fail:no", "--retry", "5")
    assert "again in" not in failed.err and len(predictions(home)) == count + 1, failed
    # Nor what somebody has seen a part of.
    home.model("test/talk", inputs="mode: {type: string, default: echo}", output="type: string\niterator: true\nconcatenate: true")
    command = home.start("predict", "test/talk", "-i", "mode=stream:3:60000", "--retry", "5")
    assert command.stdout.read(5) == "chunk"
    os.kill(next(w["pid"] for w in home.workers()["models"] if w["model"] == "test/talk"), signal.SIGSEGV)
    _, err = command.communicate(timeout=60)
    assert command.returncode == 1 and "M1402" in err and "again in" not in err, err
    # The user's own limit is final, and Ctrl-C ends the waiting for the next try.
    limited = home.try_mrun("predict", "test/echo", "-i", "mode=slow:60000", "--retry", "5", "--timeout", "300ms")
    assert limited.code == 124 and "again in" not in limited.err, limited
    command = home.start("predict", "test/echo", "-i", "mode=crash", "--retry", "100")
    while "again in 4" not in command.stderr.readline():
        pass
    began = time.monotonic()
    command.send_signal(signal.SIGINT)
    assert command.wait(timeout=20) == 130 and time.monotonic() - began < 4
    # Of several each has its tries.
    many = home.try_mrun("predict", "test/echo", "-i", "mode=device_error", "-n", "2", "--retry", "1", "--keep-going")
    assert many.code == 1 and many.err.count("again in") == 2, many
    home.fails("M1004", 2, "predict", "test/echo", "--retry", "101")


run(main)
