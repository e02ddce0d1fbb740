"""Goal: a detached prediction goes on by itself; `mrun wait` shows its end as `predict` would have, and its end only."""

import json
import os
import signal

from harness import run, wait_for

INPUTS = "text: {type: string, default: hello}\nmode: {type: string, default: echo}"


def has_socket(pid):
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            if "socket" in os.readlink(entry.path):
                return True
        except OSError:  # closed meanwhile
            continue
    return False


def main(home):
    home.model("test/echo", inputs=INPUTS, extra="concurrency: 8\n")
    home.mrun("predict", "test/echo")

    # The id is all there is on standard output; waiting shows the output.
    detached = home.mrun("predict", "test/echo", "-i", "text=later", "--detach")
    identity = detached.out.strip()
    assert len(identity) == 26 and detached.out == identity + "\n" and detached.err == "", detached
    assert home.mrun("wait", identity).out == home.mrun("predict", "test/echo", "-i", "text=later").out
    accepted = home.mrun("predict", "test/echo", "--detach", "--json").json()
    assert accepted["id"] and accepted["status"] in ("starting", "processing", "succeeded") and "schema" not in accepted, accepted

    # Still pending: 8, and nothing is canceled, by the limit no more than by Ctrl-C.
    slow = home.mrun("predict", "test/echo", "-i", "mode=slow:60000", "--detach").out.strip()
    for limit in ("0", "200ms"):
        pending = home.try_mrun("wait", slow, "--timeout", limit)
        assert pending.code == 8 and pending.out == "" and slow in pending.err, pending
    report = home.try_mrun("wait", identity, slow, "--timeout", "1s", "--json")
    assert report.code == 8 and report.err == "", report
    report = report.json()
    assert report["schema"] == "mrun.wait/v1" and [p["id"] for p in report["predictions"]] == [identity], report
    assert report["pending"] == [{"id": slow, "status": report["pending"][0]["status"]}], report
    command = home.start("wait", slow)
    wait_for(lambda: home.api("GET", f"/v1/predictions/{slow}").json()["status"] == "processing", 20, "it to run")
    wait_for(lambda: has_socket(command.pid), 20, "a connection")
    wait_for(lambda: int(open(f"/proc/{command.pid}/status").read().split("SigCgt:")[1].split()[0], 16) & 2, 20, "a handler")
    command.send_signal(signal.SIGINT)
    assert command.wait(timeout=20) == 130, command.stderr.read()
    assert home.api("GET", f"/v1/predictions/{slow}").json()["status"] == "processing"
    command = home.start("wait", slow)
    home.mrun("cancel", slow)
    assert command.wait(timeout=20) == 7 and "M1406" in command.stderr.read()

    # Several: in the order given, the exit code of the first that failed.
    failed = home.mrun("predict", "test/echo", "-i", "mode=fail:on purpose", "--detach").out.strip()
    second = home.mrun("predict", "test/echo", "-i", "text=second", "--detach").out.strip()
    outcome = home.try_mrun("wait", second, failed, identity)
    assert outcome.code == 1 and [json.loads(line)["text"] for line in outcome.out.splitlines()] == ["second", "later"], outcome
    assert "error[M1401]" in outcome.err and "on purpose" in outcome.err, outcome
    out = home.path / "out"
    home.mrun("wait", second, identity, "-o", f"{out}/%{{index}}.%{{ext}}")
    assert json.loads((out / "0.txt").read_text())["text"] == "second" and json.loads((out / "1.txt").read_text())["text"] == "later"
    home.fails("M1001", 2, "wait", second, identity, "-o", home.path / "one.txt")

    # Many at once, a limit that the daemon keeps, an id that is none, and one whose model is gone.
    ids = home.mrun("predict", "test/echo", "--inputs", "-", "--detach", input='{"text": "a"}\n{"text": "b"}\n').out.split()
    assert [json.loads(line)["text"] for line in home.mrun("wait", *ids).out.splitlines()] == ["a", "b"]
    # What was refused has a line of its own in its place, as without --detach.
    lines = '{"text": "a"}\n{"txet": "b"}\nnot json\n{"text": "d"}\n'
    going = home.try_mrun("predict", "test/echo", "--inputs", "-", "--detach", "--keep-going", "--json", input=lines)
    rows = [json.loads(line) for line in going.out.splitlines()]
    assert going.code == 2 and [row.get("schema") for row in rows] == [None, "mrun.refusal/v1", "mrun.refusal/v1", None], going
    assert [row.get("index") for row in rows] == [None, 1, 2, None] and rows[1]["error"]["code"] == "M1301" and rows[3]["id"], rows
    assert going.err.count("M1301") == 1 and "standard input:2" in going.err, going
    going = home.try_mrun("predict", "test/echo", "--inputs", "-", "--detach", "--keep-going", input=lines)
    assert going.code == 2 and len(going.out.split()) == 2 and all(len(word) == 26 for word in going.out.split()), going
    # Where nobody reads the ids, no more is handed over than the one that showed it.
    before = len(home.api("GET", "/v1/predictions").json()["results"])
    ours, theirs = os.pipe()
    os.close(ours)
    command = home.start("predict", "test/echo", "-n", "50", "--detach", stdout=theirs)
    os.close(theirs)
    assert command.wait(timeout=60) == 0, command.stderr.read()
    assert len(home.api("GET", "/v1/predictions").json()["results"]) == before + 1
    limited = home.mrun("predict", "test/echo", "-i", "mode=slow:60000", "--detach", "--timeout", "5s").out.strip()
    assert home.api("GET", f"/v1/predictions/{limited}").json()["deadline"]
    assert home.try_mrun("wait", limited).code == 7
    home.fails("M1506", 5, "wait", "0" * 26)
    home.fails("M1506", 5, "wait", identity, "nonsense")
    home.mrun("stop", "test/echo")
    home.mrun("rm", "-y", "test/echo")
    assert json.loads(home.mrun("wait", second).out)["text"] == "second"
    # What a daemon did not survive is told as that.
    home.model("test/echo", inputs=INPUTS)
    lost = home.mrun("predict", "test/echo", "-i", "mode=slow:60000", "--detach").out.strip()
    wait_for(lambda: home.api("GET", f"/v1/predictions/{lost}").json()["status"] == "processing", 20, "it to run")
    os.kill(home.daemon_pid(), signal.SIGKILL)
    assert home.try_mrun("wait", lost).code == 75


run(main)
