"""Goal: a transfer that stalls is given up after a minute without bytes and goes on where it was, not from its beginning; but a
registry that has the whole of a blob is let work on it."""

import os
import time

from faulty_registry import Faulty
from harness import Home, run

MIB = 1 << 20


def uploads(home):
    """The first blob's body is not read to its end; a second registry takes two minutes to look at what it has."""
    for is_whole in (False, True):
        registry, seen = Faulty(), []

        def slow(handler):
            if seen or handler.command != "PUT" or "/blobs/" not in handler.path:
                return False
            seen.append(time.monotonic())
            if is_whole:
                time.sleep(90)
                return False
            handler.body(MIB)
            time.sleep(600)
            return True

        try:
            registry.plan = slow
            home.mrun("push", "demo/stall", f"{registry.host}/demo/stall", timeout=300)
            took = time.monotonic() - seen[0]
            assert 50 < took < 200, took
            assert len(registry.blobs) >= 3, registry.blobs.keys()
        finally:
            registry.close()


def main(home):
    home.model("demo/stall", files={"weights.bin": os.urandom(8 * MIB)})
    blobs = {path.name: path.stat().st_size for path in (home.home / "data/blobs/sha256").iterdir()}
    largest = max(blobs, key=blobs.get)
    registry, other, stalled = Faulty(home.home / "data"), Home(), []

    def stall(handler):
        if not handler.path.endswith(largest) or stalled:
            return False
        stalled.append(time.monotonic())
        handler.send_response(200)
        handler.send_header("Content-Length", str(blobs[largest]))
        handler.end_headers()
        handler.wfile.write(handler.content()[:3 * MIB])
        handler.wfile.flush()
        time.sleep(600)
        return True

    try:
        registry.plan = stall
        other.mrun("pull", f"{registry.host}/demo/stall", timeout=300)
        assert time.monotonic() - stalled[0] > 50
        again = [range_ for _, path, range_, _ in registry.seen if path.endswith(largest)]
        assert len(again) == 2 and again[1].startswith(f"bytes={3 * MIB}-"), again
        other.mrun("verify", "--all")
    finally:
        other.close()
        registry.close()
    uploads(home)


run(main)
