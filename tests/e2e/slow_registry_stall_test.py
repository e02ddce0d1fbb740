"""Goal: a transfer that stalls is given up after a minute without bytes and goes on where it was, not from its beginning."""

import os
import time

from faulty_registry import Faulty
from harness import Home, run

MIB = 1 << 20


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


run(main)
