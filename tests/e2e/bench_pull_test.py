"""Goal: `mrun bench --cold pull` fetches the model from its registry before each run, and the user's own store is not touched."""

import json
import os
import signal
import subprocess

from harness import MRUN, run, wait_for
from registry_server import Registry

MS = 1_000_000


def snapshot(folder):
    return sorted((path.relative_to(folder).as_posix(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file())


def interrupted_pull(home, registry, remote):
    """Ctrl-C reaches the whole group, also while a pull runs: what was measured is kept."""
    report = home.path / "partial.json"
    with open(home.path / "said", "w") as said:
        process = subprocess.Popen([MRUN, "bench", remote, "--mode", "cold", "--cold", "pull", "-n", "200", "-o", report], env=home.env, cwd=home.path,
                                   stdout=said, stderr=said, start_new_session=True)
    fetched = lambda: sum("/blobs/" in request and request.startswith("GET ") for request in registry.requests())
    registry.requests()
    count = 0

    def enough():
        nonlocal count
        count += fetched()
        return count >= 8

    wait_for(enough, 60, "some pulls")
    # In the midst of a pull: it has to be one, or the run's end would be the easy case.
    wait_for(lambda: pulls_of(process.pid), 60, "a pull")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130, (home.path / "said").read_text()
    result = json.loads(report.read_text())
    assert result["partial"] and 0 < len(result["cold"]["runs"]) < 200, result
    assert not list((home.home / "cache").glob("bench-*"))


def pulls_of(pid):
    children = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return " pull " in children


def main(home):
    registry = Registry(home.path / "registry")
    try:
        remote = f"{registry.host}/demo/pulled"
        home.model("demo/pulled", files={"weights.bin": os.urandom(2_000_000)})
        home.mrun("push", "demo/pulled", remote)
        before = snapshot(home.home / "data")
        registry.requests()
        result = home.mrun("bench", remote, "--mode", "cold", "--cold", "pull", "-n", "7", "-i", "mode=slow:5", "--json", timeout=120).json()
        assert result["valid"] and result["cold"]["tier"] == "pull" and len(result["cold"]["runs"]) == 7, result
        for one in result["cold"]["runs"]:
            assert one["phases_ns"]["fetch"] > 0 and sum(one["phases_ns"].values()) == one["total_ns"], one
        blobs = [request for request in registry.requests() if request.startswith("GET ") and "/blobs/" in request]
        assert len(blobs) >= 8, f"the weights are fetched in each run: {blobs}"
        assert snapshot(home.home / "data") == before, "the user's store has changed"
        assert not list((home.home / "cache").glob("bench-*")), "the private home is removed"
        interrupted_pull(home, registry, remote)
        home.fails("M1954", 1, "bench", f"{registry.host}/demo/nothing", "--mode", "cold", "--cold", "pull")
        assert not list((home.home / "cache").glob("bench-*"))
    finally:
        registry.close()


run(main)
