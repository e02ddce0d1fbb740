"""Goal: `mrun logs -f` shows what a prediction logs as it logs it, ends with it, and leaves it alone when it is left."""

import signal

from harness import run, wait_for


def main(home):
    home.model("test/echo", inputs="text: {type: string, default: hello}\nmode: {type: string, default: echo}", extra="concurrency: 4\n")
    home.mrun("predict", "test/echo")
    # Of one that has ended: all of it, as without -f, and why it failed.
    flood = home.mrun("predict", "test/echo", "-i", "mode=log_flood:50", "--json").json()["id"]
    followed = home.mrun("logs", "-f", flood)
    assert followed.out == home.mrun("logs", flood).out and len(followed.out.splitlines()) == 50, followed
    home.fails("M1402", 1, "predict", "test/echo", "-i", "mode=noise_crash")
    crashed = home.mrun("predictions", "--limit", "1", "--json").json()["predictions"][0]["id"]
    assert "error[M1402]" in home.mrun("logs", "-f", crashed).err

    # Of one that runs: it ends when that ends, and Ctrl-C only ends the following.
    slow = home.mrun("predict", "test/echo", "-i", "mode=slow:60000", "--detach").out.strip()
    command = home.start("logs", "-f", slow)
    wait_for(lambda: int(open(f"/proc/{command.pid}/status").read().split("SigCgt:")[1].split()[0], 16) & 2, 20, "a handler")
    command.send_signal(signal.SIGINT)
    assert command.wait(timeout=20) == 130, command.stderr.read()
    assert home.api("GET", f"/v1/predictions/{slow}").json()["status"] in ("starting", "processing")
    command = home.start("logs", "--follow", slow)
    home.mrun("cancel", slow)
    assert command.wait(timeout=30) == 0, command.stderr.read()
    home.fails("M1506", 5, "logs", "-f", "0" * 26)
    assert home.try_mrun("logs", "-f", flood, "--json").code == 2


run(main)
