"""Goal: a program started without standard input, output or error (`>&-`) gives none of its files or sockets that number:
nothing is lost quietly, and nothing meant for people gets into a file."""

import os
import pathlib
import subprocess

from harness import BUILD, MRUN, run


def without(home, closed, *args, env=None):
    """Runs it with these descriptors closed; what is open goes to pipes. A stream that was closed is read as nothing."""
    def close():
        for fd in closed:
            os.close(fd)
    done = subprocess.run([str(arg) for arg in args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                          cwd=home.path, env=home.env | (env or {}), preexec_fn=close)
    return done.returncode, done.stdout, done.stderr


def descriptors(pid):
    return {fd: os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)}


def main(home):
    home.model("test/echo")
    home.model("test/words", files={"a.txt": "a"})
    # The daemon is started by one that has none of the three; it has its own.
    code, out, err = without(home, (0, 1, 2), MRUN, "predict", "test/echo")
    assert (code, out, err) == (1, "", ""), (code, out, err)
    assert all("/dev/null" in path or path.endswith("mrund.log") for path in descriptors(home.daemon_pid()).values()), home.daemon_pid()

    # What is to be written can't be: an error, where somebody sees it.
    for command in (["predict", "test/echo"], ["predict", "test/echo", "--json"], ["ls"], ["show", "test/echo"], ["ps", "--json"], ["predictions"],
                    ["--help"], ["help", "predict"], ["version"], ["explain", "M1001"], ["completion", "bash"], ["config", "list"],
                    ["doctor"], ["prices", "ls"], ["schema", "test/echo"], ["save", "test/echo", "-o", "-"]):
        code, _, err = without(home, (1,), MRUN, *command)
        assert code == 1 and "M1601" in err, (command, code, err)
        code, _, _ = without(home, (0, 1, 2), MRUN, *command)
        assert code == 1, (command, code)
    # Nobody to tell, but the result is there.
    code, out, _ = without(home, (0, 2), MRUN, "predict", "test/echo", "-v")
    assert code == 0 and "hello" in out, (code, out)
    # What is to be read can't be.
    code, _, err = without(home, (0,), MRUN, "predict", "test/echo", "--inputs", "-")
    assert code in (1, 2) and "error[M" in err, (code, err)
    code, _, err = without(home, (0,), MRUN, "load", "-")
    assert code in (1, 2) and "error[M" in err, (code, err)

    # Files that a command writes hold what belongs there, and nothing else.
    for closed in ((0,), (1,), (2,), (0, 1), (0, 1, 2)):
        out = home.path / f"saved-{'-'.join(map(str, closed))}.tar"
        code, _, _ = without(home, closed, MRUN, "save", "test/words", "-o", out)
        assert code == 0 and home.mrun("load", out).code == 0, closed
        text = home.path / f"text-{'-'.join(map(str, closed))}"
        code, _, _ = without(home, closed, MRUN, "predict", "test/echo", "-o", text)
        assert code == 0 and "hello" in text.read_text() and "error" not in text.read_text(), closed
        assert without(home, closed, MRUN, "tag", "test/echo", "test/echo:again", "-q")[0] == 0, closed
        assert without(home, closed, MRUN, "pack", home.path / "test-words", "-q")[0] == (1 if 1 in closed else 0), closed  # its digest
    home.mrun("verify", "--all")

    # The daemon and the helpers by themselves, as a supervisor may start them.
    home.mrun("daemon", "stop")
    for program, args in ((BUILD / "libexec/mrun/mrun-remote", ["tags", "localhost:1/x/y"]), (BUILD / "libexec/mrun/mrun-cost", ["prices", "ls"]),
                          (BUILD / "libexec/mrun/mrun-inspect", ["x"]), (BUILD / "libexec/mrun/mrun-worker", ["x"])):
        code, _, _ = without(home, (0, 1, 2), program, *args)
        assert code > 0, (program, code)
    for closed in ((0,), (1,), (2,), (0, 1, 2)):
        def close():
            for fd in closed:
                os.close(fd)
        daemon = subprocess.Popen([BUILD / "libexec/mrun/mrund"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  cwd=home.path, env=home.env, preexec_fn=close)
        try:
            while not home.socket.exists() and daemon.poll() is None:
                pass
            assert "hello" in home.mrun("predict", "test/echo").out
            assert set(descriptors(daemon.pid).values()) == {"/dev/null"}, descriptors(daemon.pid)
            for worker in home.workers()["models"]:
                assert not any("mrun.db" in path or "socket" in path for path in descriptors(worker["pid"]).values()), descriptors(worker["pid"])
        finally:
            home.mrun("daemon", "stop")
            daemon.wait(timeout=60)
    assert pathlib.Path(home.home / "state/mrun.db").read_bytes().startswith(b"SQLite format 3\0")
    assert "hello" in home.mrun("predict", "test/echo").out


run(main)
