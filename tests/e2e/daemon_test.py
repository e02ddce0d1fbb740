"""Goal: one daemon a home, started on demand, stopped gracefully, its errors in the terminal."""

import os
import pathlib
import signal
import subprocess

from harness import BUILD, is_alive, run, wait_for


def main(home):
    home.model("test/echo")
    assert home.try_mrun("daemon", "status").code == 6
    home.fails("M1501", 6, "predict", "test/echo", "-i", "text=x", env={"MRUN_NO_AUTOSTART": "1"})

    # Twenty commands at once start one daemon.
    commands = [home.start("predict", "test/echo", "-i", "text=x") for _ in range(20)]
    for command in commands:
        out, err = command.communicate(timeout=60)
        assert command.returncode == 0, err
    status = home.mrun("daemon", "status", "--json").json()
    daemons = [pid for pid in home.processes() if "mrund" in pathlib.Path(f"/proc/{pid}/cmdline").read_text()]
    assert daemons == [status["pid"]], (daemons, status)

    # A second one says who is there, and leaves the first alone.
    second = subprocess.run([str(BUILD / "libexec/mrun/mrund")], env=home.env, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1 and "M1503" in second.stderr and str(status["pid"]) in second.stderr, second
    assert home.mrun("daemon", "status", "--json").json()["pid"] == status["pid"]

    # Stop ends it and its workers; the socket goes.
    family = home.processes()
    home.mrun("daemon", "stop")
    wait_for(lambda: not any(is_alive(pid) for pid in family), 20, "the daemon's processes to end")
    assert not home.socket.exists()

    # A stale socket and a killed daemon are no obstacle; its workers die with it.
    home.mrun("predict", "test/echo", "-i", "text=x")
    family = home.processes()
    os.kill(home.daemon_pid(), signal.SIGKILL)
    wait_for(lambda: not any(is_alive(pid) for pid in family), 10, "workers to die with the daemon")
    assert home.socket.exists()
    home.mrun("predict", "test/echo", "-i", "text=x")

    # What keeps it from starting is shown where it was asked for.
    home.mrun("daemon", "stop")
    (home.home / "config.yaml").write_text("memroy: 3\n")
    outcome = home.try_mrun("predict", "test/echo", "-i", "text=x")
    assert outcome.code != 0 and "memroy" in outcome.err and "config.yaml" in outcome.err, outcome
    (home.home / "config.yaml").unlink()
    os.chmod(home.home / "state", 0o777)
    outcome = home.try_mrun("predict", "test/echo", "-i", "text=x")
    assert outcome.code == 6 and "M1604" in outcome.err, outcome
    os.chmod(home.home / "state", 0o700)
    home.mrun("predict", "test/echo", "-i", "text=x")


run(main)
