"""Goal: a layer of hundreds of megabytes comes in ranges at once and goes out in chunks, whole in the end, whatever breaks on the way."""

import hashlib
import os
import signal
import threading

from faulty_registry import Faulty
from foreign_artifacts import push_raw
from harness import Home, run, wait_for
from model_files import huggingface_files
from registry_server import Registry
from slow_link import SlowLink

MIB = 1 << 20
SIZE = 200 * MIB + 12_345  # four ranges


def main(home):
    registry = Registry(home.path / "registry")
    try:
        content = os.urandom(SIZE)
        large = hashlib.sha256(content).hexdigest()
        push_raw(registry, "acme/large", huggingface_files() | {"extra.bin": content})
        digest = comes_in_ranges(home, registry, large)
        goes_on_after_a_kill(home, content, large, digest)
        goes_out_in_chunks(home, registry, large, digest)
        survives_faults(home, content, large, digest)
    finally:
        registry.close()


def stored(home, large):
    blob = home.home / "data/blobs/sha256" / large
    assert hashlib.sha256(blob.read_bytes()).hexdigest() == large and not list((home.home / "data/tmp").iterdir())


def comes_in_ranges(home, registry, large):
    registry.answers_since()
    pulled = home.mrun("pull", f"{registry.host}/acme/large", "--json", timeout=200).json()
    assert pulled["fetched_bytes"] > SIZE, pulled
    statuses = [status for line, status in registry.answers_since() if large in line]
    assert statuses == [206] * 4, statuses
    stored(home, large)
    return pulled["digest"]


def goes_on_after_a_kill(home, content, large, digest):
    """The first range stops after a mebibyte, the others come: kill -9, and only what the first lacks comes again."""
    faulty, other, killing, sent = Faulty(home.home / "data"), Home(), threading.Event(), {}

    def plan(handler):
        if large not in handler.path:
            return False
        first, last = map(int, handler.headers["Range"].removeprefix("bytes=").split("-"))
        stops = first == 0 and not killing.is_set()
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {first}-{last}/{SIZE}")
        handler.send_header("Content-Length", str(last - first + 1))
        handler.end_headers()
        part = content[first:MIB if stops else last + 1]
        handler.wfile.write(part)
        sent[first] = len(part)
        if stops:
            killing.wait()
            return handler.reset()
        return True

    try:
        faulty.manifests["latest"] = (home.home / "data/blobs/sha256" / digest.removeprefix("sha256:")).read_bytes()
        faulty.plan, remote = plan, f"{faulty.host}/acme/large"
        command = other.start("pull", remote)
        partial = other.home / f"data/tmp/pull-{large}"
        came = SIZE - 63 * MIB
        wait_for(lambda: sum(sent.values()) == came and partial.stat().st_blocks * 512 >= came, 60, "all but the first range")
        os.kill(command.pid, signal.SIGKILL)
        command.communicate()
        killing.set()
        other.mrun("gc", "-y")
        sent.clear()
        said = other.mrun("pull", remote, "--dry-run", "--json").json()["fetched_bytes"]
        pulled = other.mrun("pull", remote, "--json", timeout=200).json()
        slack = 4 * 65536  # the block before a gap may have been begun only
        assert list(sent) == [MIB - 65536] and sum(sent.values()) <= 63 * MIB + slack, sent
        small = said - sum(sent.values())  # the other files, as far as they had not come
        assert pulled["fetched_bytes"] == said and 0 <= small < 20_000, (pulled, said, sent)
        stored(other, large)
    finally:
        killing.set()
        faulty.close()
        other.close()


def goes_out_in_chunks(home, registry, large, digest):
    """The real registry takes chunks of 64 MiB. A connection that breaks costs one upload, since it forgets a broken one."""
    registry.answers_since()
    home.mrun("push", f"acme/large@{digest}", f"{registry.host}/other/large", "--json", timeout=200)
    answers = registry.answers_since()
    assert [status for line, status in answers if "mount=" in line and status == 201], answers  # it was pulled from there
    second = Registry(home.path / "second")
    link = SlowLink(second.port)
    try:
        pushed = home.mrun("push", f"acme/large@{digest}", f"{second.host}/acme/large", "--json", timeout=200).json()
        assert pushed["sent_bytes"] > SIZE, pushed
        patches = [status for line, status in second.answers_since() if line.startswith("PATCH")]
        assert patches == [202] * 4, patches
        link.cut_at, link.cuts = 10 * MIB, 3
        home.mrun("push", f"acme/large@{digest}", f"{link.host}/broken/large", timeout=200)
        assert link.cuts == 0
        other = Home()
        assert other.mrun("pull", f"{second.host}/broken/large:latest", timeout=200).out.strip() == digest
        other.close()
    finally:
        link.close()
        second.close()


def survives_faults(home, content, large, digest):
    """The bundle itself (the layer is one of its blobs), from a server that breaks ranges."""
    path = f"sha256:{large}"
    wrong = bytearray(content)
    wrong[150 * MIB] ^= 1

    def whole_always(handler):
        del handler.headers["Range"]
        return False

    def breaks(state):
        def plan(handler):
            state["n"] = state.get("n", 0) + 1
            return state["n"] % 2 == 1 and state["n"] < 16 and (handler.serve(5 * MIB) or True)
        return plan

    def refuses_ranges(handler):
        return "Range" in handler.headers and handler.reply(416)

    def damages_once(state):
        def plan(handler):
            first, _, last = handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
            if "Range" not in handler.headers or not last or state.setdefault(first, 0):
                return False
            state[first] = 1
            part = bytes(wrong[int(first):int(last) + 1])
            return handler.reply(206, part, [("Content-Range", f"bytes {first}-{last}/{SIZE}")])
        return plan

    for name, plan, ends in (
            ("the whole to every range", whole_always, "ok"), ("breaks in the middle of ranges", breaks({}), "ok"),
            ("416 to every range", refuses_ranges, "ok"), ("a damaged range: once more", damages_once({}), "ok"),
            ("another range", lambda handler: handler.reply(206, b"x", [("Content-Range", f"bytes 7-7/{SIZE}")]), "M1704"),
            ("always damaged", lambda handler: damages_once({})(handler) or handler.reply(200, bytes(wrong)), "M1709"),
            ("longer ranges than asked for", lambda handler: "Range" in handler.headers and handler.reply(
                206, content[64 * MIB:130 * MIB], [("Content-Range", f"bytes {handler.headers['Range'][6:].split('-')[0]}-{SIZE - 1}/{SIZE}")]), "M1709")):
        faulty, other = Faulty(home.home / "data"), Home()
        try:
            faulty.manifests["latest"] = (home.home / "data/blobs/sha256" / digest.removeprefix("sha256:")).read_bytes()
            faulty.plan = lambda handler: path in handler.path and plan(handler)
            remote = f"{faulty.host}/acme/large"
            if ends == "ok":
                assert other.mrun("pull", remote, timeout=200).out.strip() == digest, name
                stored(other, large)
            else:
                other.fails(ends, {"M1704": 1, "M1709": 10}[ends], "pull", remote, timeout=200)
                assert not (other.home / "data/blobs/sha256" / large).exists(), name
        finally:
            faulty.close()
            other.close()


run(main)
