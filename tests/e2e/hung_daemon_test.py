"""Goal: a daemon that hangs (stopped by SIGSTOP) hangs no command: --timeout holds from the first moment, Ctrl-C ends it at once,
and nothing that was asked for goes on without its caller."""

import contextlib
import json
import os
import signal
import socket
import threading
import time

from harness import SLOWER, run, wait_for

INPUTS = "text: {type: string, default: hello}\nmode: {type: string, default: echo}"
AT_ONCE = 8 * SLOWER  # what the command needs beside: its own start, and a moment for the daemon's answer to a cancel


@contextlib.contextmanager
def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def running(home):
    return [p["id"] for p in home.mrun("predictions", "--json").json()["predictions"] if p["status"] in ("starting", "processing")]


def timed(home, *args, **options):
    start = time.monotonic()
    outcome = home.try_mrun(*args, **options)
    return outcome, time.monotonic() - start


def ends_by_signal(home, number, command):
    """Once it waits in the kernel; the seconds until it ended."""
    def waits():
        with contextlib.suppress(OSError):
            return open(f"/proc/{command.pid}/wchan").read() not in ("", "0") or open(f"/proc/{command.pid}/stat").read().rsplit(")", 1)[1].split()[0] == "S"
    wait_for(waits, 20, "it to wait")
    time.sleep(0.5)  # nothing tells when it has got to where it hangs
    start = time.monotonic()
    command.send_signal(number)
    _, err = command.communicate(timeout=60 * SLOWER)
    return time.monotonic() - start, err


def before_the_head(home, pid, big):
    with stopped(pid):
        for args in (["-i", "mode=echo"], ["-i", "mode=echo", "--retry", "5"], ["-n", "3", "--jobs", "3"], ["-n", "3", "--keep-going"],
                     ["-n", "2", "--json"]):
            outcome, took = timed(home, "predict", "test/echo", *args, "--timeout", "1s")
            assert outcome.code == 124 and "M1007" in outcome.err and outcome.out.count('"status":"succeeded"') == 0, (args, outcome)
            assert 1 <= took < 1 * (3 if "--keep-going" in args else 1) + AT_ONCE, (args, took)
        # While a large input is sent.
        outcome, took = timed(home, "predict", "test/file", "-i", f"file=@{big}", "--timeout", "1s")
        assert outcome.code == 124 and "M1007" in outcome.err and took < 1 + AT_ONCE, (took, outcome)
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            for args in (["test/echo"], ["test/echo", "-n", "4", "--jobs", "2"], ["test/file", "-i", f"file=@{big}"]):
                took, err = ends_by_signal(home, number, command := home.start("predict", *args))
                assert command.returncode == code and took < AT_ONCE / 2 and "canceled" in err, (args, command.returncode, took, err)
        for args in (["ps"], ["ps", "--watch"], ["predictions"], ["stats"], ["logs", "-f", "0" * 26], ["wait", "0" * 26], ["cancel", "0" * 26],
                     ["stop", "test/echo"], ["token", "ls"], ["ledger"]):
            took, _ = ends_by_signal(home, signal.SIGINT, command := home.start(*args))
            assert command.returncode in (130, -signal.SIGINT) and took < AT_ONCE / 2, (args, command.returncode, took)
    wait_for(lambda: not running(home), 30, "what had been sent to end with its connection")


def under_way(home, pid):
    command = home.start("predict", "test/echo", "-i", "mode=slow:60000", "--timeout", "3s")
    wait_for(lambda: len(running(home)) == 1, 20, "it to run")
    with stopped(pid):
        _, err = command.communicate(timeout=60 * SLOWER)
        assert command.returncode == 124 and "M1007" in err and "does not answer" in err, (command.returncode, err)
    wait_for(lambda: not running(home), 30, "it to be canceled by the hanging up")
    for args in ([], ["-n", "8", "--jobs", "8"]):
        command = home.start("predict", "test/echo", "-i", "mode=slow:60000", *args)
        wait_for(lambda: len(running(home)) == (8 if args else 1), 20, "them to run")
        with stopped(pid):
            took, err = ends_by_signal(home, signal.SIGINT, command)
            assert command.returncode == 130 and took < AT_ONCE, (args, command.returncode, took, err)
        wait_for(lambda: not running(home), 30, "them to be canceled")
    # `wait` leaves what is not its own, and says what it knows.
    other = home.mrun("predict", "test/echo", "-i", "mode=slow:60000", "--detach").out.strip()
    command = home.start("wait", other, "--timeout", "2s")
    time.sleep(0.3)
    with stopped(pid):
        out, err = command.communicate(timeout=60 * SLOWER)
        assert command.returncode in (6, 8) and out == "", (command.returncode, err)
        outcome, took = timed(home, "wait", other, "--timeout", "1s")
        assert outcome.code == 6 and "M1501" in outcome.err and took < 12 * SLOWER, (took, outcome)
    assert running(home) == [other]
    home.mrun("cancel", other)


def while_an_output_is_fetched(home, pid):
    """The result is there: what is fetched of it goes on, but Ctrl-C ends that at once, and nothing need run again."""
    out = home.path / "out"
    os.mkfifo(out)
    command = home.start("predict", "test/file", "-i", f"file=@{home.path / 'big'}", "-o", out)
    reader = os.open(out, os.O_RDONLY)
    os.read(reader, 10)
    with stopped(pid):
        def drain():
            with contextlib.suppress(OSError):
                while os.read(reader, 1 << 20):
                    pass
        thread = threading.Thread(target=drain, daemon=True)
        thread.start()
        took, err = ends_by_signal(home, signal.SIGINT, command)
        assert command.returncode == 130 and took < AT_ONCE / 2 and "mrun wait" in err, (command.returncode, took, err)
    thread.join()
    os.close(reader)
    identity = err.partition("mrun wait ")[2].split()[0]
    home.mrun("wait", identity, "-o", home.path / "whole")
    assert (home.path / "whole").read_bytes() == (home.path / "big").read_bytes()


class Breaking:
    """Listens in the daemon's place. What it reads before it breaks off: `whole` requests, or `nothing`."""

    def __init__(self, home, reads):
        self.requests, self.reads = [], reads
        home.mrun("daemon", "start")
        home.mrun("daemon", "stop")
        home.socket.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(home.socket))
        self.listener.listen(16)
        (home.home / "state/mrund.lock").write_text(f"{os.getpid()}\n{home.socket}\n")
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                head = b""
                while b"\r\n\r\n" not in head:
                    head += peer.recv(1)
                length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0)
                body = b""
                while self.reads == "whole" and len(body) < length:
                    body += peer.recv(65536)
                self.requests.append((head.split()[0].decode(), json.loads(body) if body else None))
                peer.close()

    def close(self, home):
        self.listener.close()
        home.socket.unlink(missing_ok=True)


def broken_off(home):
    """What may have been read whole is not sent again, unless it only looks."""
    for reads, posts in (("whole", 1), ("nothing", 2)):
        breaking = Breaking(home, reads)
        env = {"MRUN_NO_AUTOSTART": "1"}
        assert home.try_mrun("predict", "test/echo", env=env).code == 6
        assert [method for method, _ in breaking.requests] == ["POST"] * posts, (reads, breaking.requests)
        breaking.requests.clear()
        assert home.try_mrun("token", "create", "x", env=env).code == 6
        assert len(breaking.requests) == posts, (reads, breaking.requests)
        breaking.requests.clear()
        assert home.try_mrun("predictions", env=env).code == 6
        assert [method for method, _ in breaking.requests] == ["GET", "GET"], (reads, breaking.requests)
        breaking.close(home)
    assert "hello" in home.mrun("predict", "test/echo").out


def main(home):
    home.model("test/echo", inputs=INPUTS, extra="concurrency: 8\n")
    home.model("test/file", inputs="file: {type: file}\nmode: {type: string, default: echo}", output="type: file")
    home.mrun("predict", "test/echo")
    big = home.path / "big"
    big.write_bytes(os.urandom(1 << 20) * 20)
    home.mrun("predict", "test/file", "-i", f"file=@{big}", "-o", home.path / "copy")
    pid = home.daemon_pid()
    before_the_head(home, pid, big)
    under_way(home, pid)
    while_an_output_is_fetched(home, pid)
    broken_off(home)


run(main)
