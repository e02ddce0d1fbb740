"""Goal: one daemon a home, started on demand, stopped gracefully, its errors in the terminal."""

import os
import pathlib
import signal
import socket
import subprocess
import threading

from harness import BUILD, is_alive, run, wait_for


def die_after(home, connections):
    """Listens in the daemon's place as one that is just ending: takes so many connections, then drops them and is gone."""
    listener = socket.socket(socket.AF_UNIX)
    home.socket.unlink(missing_ok=True)
    listener.bind(str(home.socket))
    listener.listen(8)
    (home.home / "state/mrund.lock").write_text(f"{os.getpid()}\n{home.socket}\n")

    def end():
        taken = [listener.accept()[0] for _ in range(connections)]
        listener.close()
        home.socket.unlink()
        for one in taken:
            one.close()

    thread = threading.Thread(target=end)
    thread.start()
    return thread


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

    # One that is just ending takes a connection and drops it: the next one is started and asked.
    for connections, command in ((2, ("daemon", "start")), (1, ("predict", "test/echo", "-i", "text=x"))):
        home.mrun("daemon", "stop")
        ending = die_after(home, connections)
        home.mrun(*command)
        ending.join(10)
    home.mrun("daemon", "stop")
    ending = die_after(home, 1)
    home.fails("M1501", 6, "daemon", "status")
    ending.join(10)
    home.mrun("daemon", "start")

    # One that hangs keeps nobody waiting for ever.
    pid = home.daemon_pid()
    os.kill(pid, signal.SIGSTOP)
    assert f"kill -9 {pid}" in home.fails("M1501", 6, "daemon", "stop").err
    home.mrun("show", "test/echo")
    os.kill(pid, signal.SIGCONT)

    # By XDG folders: a home has one daemon whatever the session's folder is, and two homes never share one.
    xdg = {"MRUN_HOME": "", "HOME": str(home.path / "one"), "XDG_RUNTIME_DIR": str(home.path / "run-a")}
    elsewhere = xdg | {"XDG_RUNTIME_DIR": str(home.path / "run-b")}
    home.mrun("daemon", "start", env=xdg)
    pid = home.mrun("daemon", "status", "--json", env=xdg).json()["pid"]
    assert home.mrun("daemon", "status", "--json", env=elsewhere).json()["pid"] == pid
    assert home.mrun("daemon", "socket", env=elsewhere).out == f"{home.path}/run-a/mrun.sock\n"
    home.mrun("daemon", "stop", env=elsewhere)
    wait_for(lambda: not is_alive(pid), 20, "the daemon to end")
    homes = [xdg | {"HOME": str(home.path / name)} for name in ("one", "two")]
    pids = []
    for env in homes:
        home.mrun("daemon", "start", env=env)
        pids.append(home.mrun("daemon", "status", "--json", env=env).json()["pid"])
    assert pids[0] != pids[1] and home.mrun("daemon", "status", "--json", env=homes[0]).json()["pid"] == pids[0]
    home.mrun("daemon", "stop", env=homes[0])
    wait_for(lambda: not is_alive(pids[0]), 20, "the daemon to end")
    assert home.try_mrun("daemon", "status", env=homes[0]).code == 6 and is_alive(pids[1])
    home.mrun("daemon", "stop", env=homes[1])
    wait_for(lambda: not is_alive(pids[1]), 20, "the daemon to end")
    bare = [{"MRUN_HOME": "", "XDG_RUNTIME_DIR": "", "HOME": str(home.path / name)} for name in ("one", "two")]
    sockets = {home.mrun("daemon", "socket", env=env).out for env in bare}
    assert len(sockets) == 2 and all(path.startswith(f"/tmp/mrun-{os.geteuid()}/") for path in sockets), sockets

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
