"""Goal: a pull that kill -9 ended fetches nothing again that had arrived: not the pieces that were whole, and of the
pieces in flight only what was missing."""

import contextlib
import os
import signal
import threading

from faulty_registry import Faulty
from harness import Home, run, wait_for
from model_files import huggingface_files, tar
from registry_server import Registry
from slow_link import SlowLink

MIB = 1 << 20
HALF = 1 * MIB


def main(home):
    files = {f"part{number}.bin": os.urandom(3 * MIB + number) for number in range(6)}
    folder = home.model("demo/parts", pack=False, files=files | {"large.bin": os.urandom(70 * MIB)})
    digest = home.mrun("pack", folder).out.strip()
    blobs = {path.name: path.stat().st_size for path in (home.home / "data/blobs/sha256").iterdir()}
    assert len(blobs) > 12, "the large file is cut"
    of_each_piece(home, digest, blobs)
    of_all_of_it(home, digest, blobs)
    of_archives()


def killed(home, remote, when, what):
    """Starts a pull and kills it `when` something has happened; returns (bytes of whole blobs, bytes of others)."""
    command = home.start("pull", remote)
    wait_for(when, 60, what)
    os.kill(command.pid, signal.SIGKILL)
    command.communicate()
    assert command.returncode == -signal.SIGKILL, "it must not have ended by itself"
    home.mrun("verify", "--all")
    return [{path.name: path.stat().st_size for path in (home.home / "data").glob(part)} for part in ("blobs/sha256/*", "tmp/pull-*")]


def of_each_piece(home, digest, blobs):
    """Two blobs stop in their middle, one before its first byte; all others arrive."""
    faulty, other, killing, under_way = Faulty(home.home / "data"), Home(), threading.Event(), set()
    stopped = sorted(blobs, key=blobs.get)[-3:]

    def stops(handler):
        name = handler.path.rsplit(":", 1)[1]
        if name not in stopped:
            return False
        if name != stopped[0]:
            handler.send_response(200)
            handler.send_header("Content-Length", str(blobs[name]))
            handler.end_headers()
            handler.wfile.write(handler.content()[:HALF])
        under_way.add(name)
        killing.wait()
        return handler.reset()

    try:
        faulty.plan = lambda handler: "/blobs/" in handler.path and stops(handler)
        remote, temporary, whole = f"{faulty.host}/demo/parts", other.home / "data/tmp", other.home / "data/blobs/sha256"

        def reached():
            sizes = {}
            for path in temporary.glob("pull-*"):
                with contextlib.suppress(FileNotFoundError):  # it has become a blob meanwhile
                    sizes[path.name] = path.stat().st_size
            arrived = {path.name for path in whole.glob("*")}
            return len(under_way) == 3 and sizes.get("pull-" + stopped[1]) == sizes.get("pull-" + stopped[2]) == HALF \
                and len(arrived) == len(blobs) - 4  # without the manifest, too

        there, partial = killed(other, remote, reached, "all but three blobs")
        killing.set()
        assert partial == {"pull-" + stopped[0]: 0, "pull-" + stopped[1]: HALF, "pull-" + stopped[2]: HALF}, partial
        other.mrun("gc", "-y")  # it leaves what the next pull goes on with
        faulty.plan = lambda handler: False
        faulty.seen.clear()
        pulled = other.mrun("pull", remote, "--json").json()
        assert pulled["digest"] == digest and pulled["fetched_bytes"] == sum(blobs[name] for name in stopped) - 2 * HALF, pulled
        asked = sorted((path.rsplit(":", 1)[1], span) for _, path, span, _ in faulty.seen if "/blobs/" in path)
        assert asked == sorted([(stopped[0], None), (stopped[1], f"bytes={HALF}-"), (stopped[2], f"bytes={HALF}-")]), asked
        other.mrun("verify", "--all")
        assert not list(temporary.iterdir())
        other.mrun("rm", "-y", "demo/parts")
        other.mrun("gc", "-y")
        assert not list(whole.iterdir()), "an ended pull keeps nothing from gc"
    finally:
        killing.set()
        faulty.close()
        other.close()


def of_archives():
    """Another tool's model of three archives: two are unpacked, the third is on its way."""
    faulty, other, killing = Faulty(), Home(), threading.Event()
    kit = "application/vnd.kitops.modelkit"
    contents = [tar(huggingface_files() | {"a.bin": os.urandom(9 * MIB)}), *(tar({f"b{i}.bin": os.urandom((7 - i) * MIB)}) for i in range(2))]
    layers = [faulty.put_blob("kit/s", content, f"{kit}.model.v1.tar") for content in contents]
    config = faulty.put_blob("kit/s", b'{"package":{"name":"k"}}', f"{kit}.config.v1+json")
    faulty.put_artifact("kit/s", "latest", config, layers)
    slow = layers[2]

    def stops(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(slow["size"]))
        handler.end_headers()
        handler.wfile.write(contents[2][:HALF])
        killing.wait()
        return handler.reset()

    try:
        faulty.plan = lambda handler: slow["digest"] in handler.path and stops(handler)
        remote, temporary = f"{faulty.host}/kit/s", other.home / "data/tmp"
        partial = temporary / f"pull-{slow['digest'].removeprefix('sha256:')}"

        def reached():
            noted = len(list(temporary.glob("kept-*")))  # of the manifest and two archives
            return noted == 3 and partial.exists() and partial.stat().st_size == HALF

        killed(other, remote, reached, "two of three archives")
        killing.set()
        other.mrun("gc", "-y")
        faulty.plan = lambda handler: False
        faulty.seen.clear()
        said = other.mrun("pull", remote, "--dry-run", "--json").json()["fetched_bytes"]
        pulled = other.mrun("pull", remote, "--json").json()
        asked = [(path.rsplit(":", 1)[1], span) for _, path, span, _ in faulty.seen if "/blobs/" in path and config["digest"] not in path]
        assert asked == [(slow["digest"].removeprefix("sha256:"), f"bytes={HALF}-")], asked
        assert pulled["fetched_bytes"] == said == slow["size"] - HALF + config["size"], (pulled, said)
        other.mrun("verify", "--all")
        assert not list(temporary.iterdir()), list(temporary.iterdir())
        assert {f["path"] for f in other.mrun("show", "kit/s", "--json").json()["files"]} == {
            *huggingface_files(), "a.bin", "b0.bin", "b1.bin", "mrun.yaml"}
    finally:
        killing.set()
        faulty.close()
        other.close()


def of_all_of_it(home, digest, blobs):
    """From a real registry, by the bytes on the wire."""
    registry, other = Registry(home.path / "registry"), Home()
    link = SlowLink(registry.port, down=3 * MIB)
    try:
        home.mrun("push", "demo/parts", f"{registry.host}/demo/parts")
        remote = f"{link.host}/demo/parts"
        there, partial = killed(other, remote, lambda: len(list(other.home.glob("data/blobs/sha256/*"))) >= 5, "some of the blobs")
        link.rates, before = (None, None), link.moved[1]
        assert other.mrun("pull", remote).out.strip() == digest
        missing = sum(blobs.values()) - sum(there.values()) - sum(partial.values())
        heads = 4096 * (len(blobs) - len(there) + 2)
        assert link.moved[1] - before <= missing + heads, (link.moved[1] - before, missing, partial)
        other.mrun("verify", "--all")
    finally:
        link.close()
        registry.close()
        other.close()


run(main)
