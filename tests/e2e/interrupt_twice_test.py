"""Goal: the first Ctrl-C asks for the end and waits for it, the second one leaves at once."""

import signal
import time

from harness import SLOWER, run, wait_for

INPUTS = "text: {type: string, default: hello}\nmode: {type: string, default: echo}"


def took_signal(process):
    """Whether no signal is pending for the process: its handler has run, or runs."""
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{process.pid}/status").read().splitlines())
    return int(status["ShdPnd"], 16) == int(status["SigPnd"], 16) == 0


def catches(process):
    return int(open(f"/proc/{process.pid}/status").read().split("SigCgt:")[1].split()[0], 16) >> (signal.SIGINT - 1) & 1


def leaves_at_the_second(process, first, second, code):
    process.send_signal(first)
    wait_for(lambda: took_signal(process), 20, "the first signal to arrive")
    time.sleep(0.3)  # not for an event: it goes on for seconds, and that is what is looked at
    assert process.poll() is None, f"it left at the first: {process.communicate()}"
    start = time.monotonic()
    process.send_signal(second)
    out, err = process.communicate(timeout=20 * SLOWER)
    assert process.returncode == code and time.monotonic() - start < 2 * SLOWER, (process.returncode, time.monotonic() - start, err)
    assert out == "" and "error" not in err, (out, err)


def main(home):
    home.model("test/echo", inputs=INPUTS)
    home.mrun("predict", "test/echo")
    # Its worker does not listen, so the cancel takes the daemon's whole ladder.
    for first, second, code in ((signal.SIGINT, signal.SIGINT, 130), (signal.SIGTERM, signal.SIGINT, 130), (signal.SIGINT, signal.SIGTERM, 143)):
        command = home.start("predict", "test/echo", "-i", "mode=hang_hard", "--print-id")
        prediction = command.stderr.readline().strip()
        wait_for(lambda: home.api("GET", f"/v1/predictions/{prediction}").json()["status"] == "processing", 20, "it to run")
        leaves_at_the_second(command, first, second, code)
        assert home.finish(prediction, timeout=30)["status"] == "canceled"
    # `mrun daemon stop`: nobody waits any more, the daemon goes on stopping.
    slow = home.mrun("predict", "test/echo", "-i", "mode=slow:4000", "--detach").out.strip()
    wait_for(lambda: home.api("GET", f"/v1/predictions/{slow}").json()["status"] == "processing", 20, "it to run")
    command = home.start("daemon", "stop")
    wait_for(lambda: catches(command), 20, "a handler")
    command.send_signal(signal.SIGINT)
    wait_for(lambda: took_signal(command), 20, "the first signal to arrive")
    command.send_signal(signal.SIGINT)
    # The second may find it on its way out, with no handler any more.
    assert command.wait(timeout=20) in (75, 130, -signal.SIGINT), command.stderr.read()
    wait_for(lambda: home.try_mrun("daemon", "status").code == 6, 30, "the daemon to be gone")
    assert home.mrun("predictions", slow, "--json").json()["prediction"]["status"] == "succeeded"


run(main)
