"""Goal: what an interrupted pull left and somebody changed since never becomes a blob: other bytes, more of them, none, a
link or a folder in its place."""

import os
import shutil
import threading

from faulty_registry import Faulty
from harness import Home, run, wait_for

MIB = 1 << 20
SIZE, HALF = 6 * MIB, 2 * MIB


def main(home):
    weights = os.urandom(SIZE)
    folder = home.model("demo/half", pack=False, files={"weights.bin": weights})
    digest = home.mrun("pack", folder).out.strip()
    blob = max((home.home / "data/blobs/sha256").iterdir(), key=lambda path: path.stat().st_size).name
    faulty = Faulty(home.home / "data")
    try:
        for change in (flipped, longer, zeros, emptied, a_link, a_folder):
            victim = Home()
            try:
                becomes_no_blob(victim, faulty, blob, digest, weights, change)
            except AssertionError as error:
                raise AssertionError(f"{change.__name__}: {error}") from error
            finally:
                victim.close()
    finally:
        faulty.close()


def flipped(path):
    content = bytearray(path.read_bytes())
    content[MIB] ^= 1
    path.write_bytes(content)


def longer(path):
    path.write_bytes(path.read_bytes() + os.urandom(SIZE))


def zeros(path):
    path.write_bytes(bytes(HALF))


def emptied(path):
    path.write_bytes(b"")


def a_link(path):
    """To a file that must stay as it is."""
    path.unlink()
    target = path.parent.parent / "target"
    target.write_bytes(b"precious")
    path.symlink_to(target)


def a_folder(path):
    path.unlink()
    path.mkdir()


def becomes_no_blob(victim, faulty, blob, digest, weights, change):
    remote = f"{faulty.host}/demo/half"

    def breaks(handler):
        if not handler.path.endswith(blob):
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", str(SIZE))
        handler.end_headers()
        handler.wfile.write(handler.content()[:HALF])
        handler.wfile.flush()
        killed.wait()
        return handler.reset()

    killed = threading.Event()
    faulty.plan = breaks
    partial = victim.home / f"data/tmp/pull-{blob}"
    command = victim.start("pull", remote)
    try:
        wait_for(lambda: partial.exists() and partial.stat().st_size == HALF, 30, "half of the blob")
    finally:
        command.kill()
        command.communicate()
        killed.set()
    change(partial)
    faulty.plan = lambda _: False
    outcome = victim.try_mrun("pull", remote)
    stored = victim.home / f"data/blobs/sha256/{blob}"
    if stored.exists():
        assert stored.read_bytes() == weights and not stored.is_symlink(), "a changed half became a blob"
    victim.try_mrun("gc", "-y")
    if outcome.code != 0:  # said why; once the half is out of the way, it works
        assert "error[M" in outcome.err and "panic" not in outcome.err, outcome
        if partial.is_dir() and not partial.is_symlink():
            shutil.rmtree(partial)
        elif partial.is_symlink():
            partial.unlink()
        outcome = victim.mrun("pull", remote)
    assert outcome.out.strip() == digest, outcome
    assert stored.read_bytes() == weights
    target = victim.home / "data/target"
    assert not target.exists() or target.read_bytes() == b"precious"
    victim.mrun("verify", "--all")


run(main)
