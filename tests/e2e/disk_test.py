"""Goal: a full disk and a read-only store are errors of that command; nothing half-written stays, the daemon lives.

The disk of the daemon's state may fill up too: then nothing is taken that could not be recorded, and it goes on by
itself when there is room again.
"""

import json
import os
import subprocess
import sys

from harness import run

# In a mount namespace of its own, so that a plain user can do it too.
INSIDE = "MRUN_INSIDE_NAMESPACE"


def full_state(home):
    """The daemon's state on a small disk that fills up, and gets room again."""
    state = home.home / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "none", str(state)], check=True)
    try:
        text = "x" * 50_000
        told = []
        for _ in range(100):
            outcome = home.try_mrun("predict", "test/small", "-i", f"text={text}", "--json")
            if outcome.code != 0:
                break
            told.append(json.loads(outcome.out))
        assert told and "M1207" in outcome.err and outcome.code == 1, outcome
        # Whatever was told is there; nothing new is taken, not even a small one without a record of it.
        for prediction in told:
            assert home.api("GET", f"/v1/predictions/{prediction['id']}").json()["output"] == prediction["output"]
        # (A checkpoint may have made a little room again; what is taken then is there, too.)
        for _ in range(100):
            reply = home.api("POST", "/v1/predictions", {"version": "test/small", "input": {"text": text}})
            if reply.status != 201:
                break
            assert home.api("GET", f"/v1/predictions/{reply.json()['id']}").status == 200
        assert reply.status == 507 and reply.json()["code"] == "M1207", reply
        subprocess.run(["mount", "-o", "remount,size=16m", str(state)], check=True)
        assert json.loads(home.mrun("predict", "test/small", "-i", "text=room again", "--json").out)["status"] == "succeeded"
    finally:
        home.try_mrun("daemon", "stop")
        subprocess.run(["umount", "-l", str(state)], check=False)


def main(home):
    folder = home.model("test/big", pack=False, files={"weights.bin": os.urandom(3_000_000)})
    home.model("test/small", pack=False)
    data = home.home / "data"
    data.mkdir(parents=True, mode=0o700)
    os.chmod(home.home, 0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "none", str(data)], check=True)
    try:
        outcome = home.fails("M1207", 1, "pack", folder)
        assert "weights.bin" in outcome.err or str(data) in outcome.err, outcome
        left = [str(path) for path in data.rglob("*") if path.is_file() and path.stat().st_size > 100_000]
        assert not left, f"a failed pack left {left}"
        home.mrun("pack", home.path / "test-small")
        home.mrun("predict", "test/small", "-i", "text=x")

        subprocess.run(["mount", "-o", "remount,ro", str(data)], check=True)
        home.fails("M1206", 1, "pack", folder)
        home.fails("M1206", 1, "rm", "-y", "test/small")
        assert "test/small" in home.mrun("ls").out
        home.mrun("predict", "test/small", "-i", "text=y")
        home.mrun("show", "test/small")
        home.mrun("daemon", "stop")
        full_state(home)
    finally:
        home.try_mrun("daemon", "stop")
        subprocess.run(["umount", "-l", str(data)], check=False)


if os.environ.get(INSIDE):
    run(main)
else:
    command = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), sys.executable, __file__]
    sys.exit(subprocess.run(command, env=os.environ | {INSIDE: "1"}).returncode)
