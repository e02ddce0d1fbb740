"""Goal: a registry that is away for a while in the middle of a pull or a push ends neither; one that never was there is told
within seconds."""

import os
import threading
import time

from faulty_registry import Faulty
from harness import SLOWER, Home, run

MIB = 1 << 20
AWAY_S = 9  # longer than the attempts that a first contact gets


class Away:
    """From the first request that `begins` says yes to, every connection is broken for AWAY_S."""

    def __init__(self, begins):
        self.begins, self.since, self.lock = begins, None, threading.Lock()

    def __call__(self, handler):
        with self.lock:
            if self.since is None and self.begins(handler):
                self.since = time.monotonic()
        return self.since is not None and time.monotonic() < self.since + AWAY_S and handler.reset()


def main(home):
    digest = home.mrun("pack", home.model("demo/parts", pack=False, files={f"part{i}.bin": os.urandom(2 * MIB) for i in range(4)})).out.strip()
    source, other = Faulty(home.home / "data"), Home()
    try:
        source.plan = Away(lambda handler: "/blobs/" in handler.path)
        other.mrun("pull", f"{source.host}/demo/parts", timeout=200)
        assert source.plan.since and digest in other.mrun("ls", "--plain").out, source.seen
    finally:
        other.close()
        source.close()

    target = Faulty()
    try:
        target.plan = Away(lambda handler: handler.command in ("POST", "PUT"))
        home.mrun("push", "demo/parts", f"{target.host}/demo/parts", timeout=200)
        assert target.plan.since and len(target.blobs) >= 5
    finally:
        target.close()

    began = time.monotonic()
    home.fails("M1701", 75, "pull", f"{target.host}/demo/parts")
    assert time.monotonic() - began < 30 * SLOWER


run(main)
