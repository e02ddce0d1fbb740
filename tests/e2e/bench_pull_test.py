"""Goal: `mrun bench --cold pull` fetches the model from its registry before each run, and the user's own store is not touched."""

import os

from harness import run
from registry_server import Registry

MS = 1_000_000


def snapshot(folder):
    return sorted((path.relative_to(folder).as_posix(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file())


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
        home.fails("M1954", 1, "bench", f"{registry.host}/demo/nothing", "--mode", "cold", "--cold", "pull")
        assert not list((home.home / "cache").glob("bench-*"))
    finally:
        registry.close()


run(main)
