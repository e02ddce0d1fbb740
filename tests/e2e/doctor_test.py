"""Goal: `mrun doctor` finds what is wrong, says the way out, mends what it can, and starts and changes nothing unasked."""

import os
import shutil
import signal
import sqlite3
import subprocess

from harness import run, wait_for


def checks(home, *words, env=None):
    outcome = home.try_mrun("doctor", "--json", *words, env=env)
    document = outcome.json()
    assert outcome.code == (0 if document["ok"] else 3), outcome
    return {check["id"]: check for check in document["checks"]}


def main(home):
    before = checks(home)
    assert list(before) == ["build", "home", "config", "store", "database", "socket", "daemon", "torch", "gpu", "limits", "sandbox", "clock"]
    assert all(check["state"] != "failed" for check in before.values()), before
    assert "not running" in before["daemon"]["says"] and not home.processes() and not home.home.exists(), before
    text = home.mrun("doctor").out
    assert text.count("\n") >= 12 and "no-new-privs" in text, text

    home.model("test/echo")
    home.mrun("predict", "test/echo")
    running = checks(home)
    assert "running, build" in running["daemon"]["says"] and running["database"]["says"] == "ok" and "1 tags" in running["store"]["says"], running
    home.mrun("daemon", "stop")

    # A folder that others may write to is mended, and only when asked.
    state = home.home / "state"
    state.chmod(0o777)
    found = checks(home)["home"]
    assert found["state"] == "failed" and found["can_fix"] and "chmod go-w" in found["help"] and state.stat().st_mode & 0o777 == 0o777, found
    fixed = checks(home, "--fix")["home"]
    assert fixed["state"] == "ok" and fixed["fixed"] and state.stat().st_mode & 0o777 == 0o755, fixed
    state.chmod(0o700)

    # Several at once; folders that are missing are made, and only when asked.
    cache = home.home / "cache"
    shutil.rmtree(cache)
    for folder in (state, home.home / "data"):
        folder.chmod(0o777)
    found = checks(home)["home"]
    assert found["state"] == "failed" and f"{home.home}/data {state}" in found["help"], found
    assert checks(home, "--fix")["home"]["fixed"] and all((home.home / name).stat().st_mode & 0o777 == 0o755 for name in ("state", "data"))
    found = checks(home)["home"]
    assert found["state"] == "ok" and found["can_fix"] and "missing" in found["says"] and not cache.exists(), found
    assert checks(home, "--fix")["home"]["fixed"] and cache.stat().st_mode & 0o777 == 0o700
    found = checks(home, "--fix")["home"]
    assert not found["can_fix"] and not found["fixed"], found
    for folder in (state, home.home / "data"):
        folder.chmod(0o700)

    # What was killed left behind: the socket of a daemon, the trial of a change of config.yaml.
    home.mrun("predict", "test/echo")
    assert not checks(home, "--fix")["socket"]["can_fix"] and home.socket.exists()
    daemon = home.daemon_pid()
    os.kill(daemon, signal.SIGKILL)
    wait_for(lambda: not os.path.exists(f"/proc/{daemon}") or open(f"/proc/{daemon}/stat").read().split()[2] == "Z", 20, "the daemon's end")
    wait_for(lambda: str(home.socket) not in open("/proc/net/unix").read(), 20, "its socket's end")
    found = checks(home)["socket"]
    assert found["state"] == "ok" and found["can_fix"] and "is gone" in found["says"] and home.socket.exists(), found
    assert checks(home, "--fix")["socket"]["fixed"] and not home.socket.exists()
    home.mrun("predict", "test/echo")
    home.mrun("daemon", "stop")
    gone = subprocess.Popen(["true"])
    gone.wait()
    trials = {name: home.home / f"config.yaml.mrun-check-{name}" for name in (gone.pid, os.getpid(), "x")}
    for trial in trials.values():
        trial.write_text("idle_unload: 1m\n")
    assert not checks(home)["config"]["can_fix"]  # it may still be at work
    for trial in trials.values():
        os.utime(trial, (0, 0))
    found = checks(home)["config"]
    assert found["state"] == "ok" and found["can_fix"] and trials[gone.pid].name in found["says"] and trials[gone.pid].exists(), found
    assert checks(home, "--fix")["config"]["fixed"]
    assert [trial.exists() for trial in trials.values()] == [False, True, True]
    for name in (os.getpid(), "x"):
        trials[name].unlink()

    # The session's folder is not mrun's: it is left as it is, whatever that is, and so is what its owner should change.
    session = home.path / "session"
    session.mkdir()
    session.chmod(0o777)
    foreign = {"MRUN_HOME": "", "XDG_RUNTIME_DIR": f"{session}/"}
    for words in ((), ("--fix",)):
        found = checks(home, *words, env=foreign)["home"]
        assert found["state"] == "failed" and not found["can_fix"] and "unset XDG_RUNTIME_DIR" in found["help"], found
        assert session.stat().st_mode & 0o777 == 0o777, found
    assert "unset XDG_RUNTIME_DIR" in home.try_mrun("daemon", "start", env=foreign).err
    # What is pasted into a shell is one word there.
    blank = home.path / "a home"
    (blank / "state").mkdir(parents=True)
    (blank / "state").chmod(0o777)
    found = checks(home, env={"MRUN_HOME": str(blank)})["home"]
    assert found["help"] == f"chmod go-w '{blank}/state'", found

    (home.home / "config.yaml").write_text("max_queue: many\n")
    found = checks(home)["config"]
    assert found["state"] == "failed" and "config.yaml:1:12" in found["says"], found
    (home.home / "config.yaml").write_text("torch_dir: /nowhere\n")
    found = checks(home, env={"MRUN_TORCH_DIR": ""})["torch"]
    assert found["state"] == ("failed" if "needs no LibTorch" not in found["says"] else "ok"), found
    (home.home / "config.yaml").unlink()

    # A damaged database, and a store whose index is none.
    database = state / "mrun.db"
    sqlite3.connect(database).close()
    whole = database.read_bytes()
    database.write_bytes(whole[:100] + os.urandom(8192) + whole[8292:])
    assert checks(home)["database"]["state"] == "failed"
    database.write_bytes(whole)
    index = home.home / "data/index.json"
    kept = index.read_text()
    index.write_text("{")
    found = checks(home)["store"]
    assert found["state"] == "failed" and found["help"], found
    index.write_text(kept)
    home.mrun("doctor")


run(main)
