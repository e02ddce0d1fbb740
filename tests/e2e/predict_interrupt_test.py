"""Goal: Ctrl-C answers at once and leaves nothing running of what the command started; a closed pipe ends it quietly."""

import signal

from harness import run, wait_for

INPUTS = "text: {type: string, default: hello}\nmode: {type: string, default: echo}"


def running(home):
    return [p["id"] for p in home.mrun("predictions", "--json").json()["predictions"] if p["status"] in ("starting", "processing")]


def main(home):
    home.model("test/echo", inputs=INPUTS, extra="concurrency: 8\n")
    home.mrun("predict", "test/echo")
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        other = home.mrun("predict", "test/echo", "-i", "mode=slow:60000", "--detach").out.strip()
        command = home.start("predict", "test/echo", "-i", "mode=slow:60000", "-n", "100", "--jobs", "4")
        wait_for(lambda: len(running(home)) == 5, 30, "four of them to run")
        command.send_signal(number)
        out, err = command.communicate(timeout=30)
        assert command.returncode == code and out == "" and "canceled" in err, (command.returncode, out, err)
        wait_for(lambda: running(home) == [other], 30, "what it started to be canceled, and nothing else")
        home.mrun("cancel", other)
        wait_for(lambda: not running(home), 30, "the other to end")
    # The results that were there are out; a reader that goes away ends the rest.
    command = home.start("predict", "test/echo", "--inputs", "-", "--jobs", "2", stdin=-1)
    for mode in ("echo", "echo", "slow:60000", "slow:60000"):
        command.stdin.write('{"mode": "%s"}\n' % mode)
    command.stdin.flush()
    assert "hello" in command.stdout.readline() and "hello" in command.stdout.readline()
    wait_for(lambda: len(running(home)) == 2, 30, "the slow ones to run")
    command.send_signal(signal.SIGINT)
    command.stdin.close()
    assert command.wait(timeout=30) == 130
    wait_for(lambda: not running(home), 30, "them to be canceled")
    command = home.start("predict", "test/echo", "-n", "1000", "--json")
    command.stdout.readline()
    command.stdout.close()
    assert command.wait(timeout=60) == 0 and command.stderr.read() == ""
    assert len(home.mrun("predictions", "--json", "--limit", "1000").json()["predictions"]) < 900


run(main)
