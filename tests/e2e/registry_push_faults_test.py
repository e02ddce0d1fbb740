"""Goal: a registry that misbehaves while it is pushed to gets every byte in the end, each only once where it lets us, or an error says why.

Each row of ROWS is a fault and how it ends. What arrived is compared with the store, byte for byte.
"""

import concurrent.futures
import hashlib
import json
import os
import subprocess

from faulty_registry import Faulty, always, says, times
from harness import MRUN, TRACED, Home, run

EXIT = {"M1703": 1, "M1704": 1, "M1705": 75, "M1706": 4, "M1707": 4, "M1708": 5, "M1709": 10}
MIB = 1 << 20
SIZE = 5 * MIB


class Row:
    """`fault(handler, n)`: the n-th request that `method` and `part` select; true when it answered. `setup(faulty)` first."""

    def __init__(self, name, method, part, fault, ends="ok", setup=None, after=None):
        self.name, self.method, self.part, self.fault, self.ends, self.setup, self.after = name, method, part, fault, ends, setup, after


def nothing(handler, n):
    return False


def once(answer):
    return lambda handler, n: n == 1 and (answer(handler) or True)


def nth(which, answer):
    return lambda handler, n: n == which and (answer(handler) or True)


def chunked(faulty):
    faulty.max_body = MIB  # then larger blobs go in chunks of 1 MiB


def chunked_with_a_least_size(faulty):
    faulty.max_body, faulty.min_chunk = MIB * 7 // 4, MIB * 3 // 2


def not_at_once(faulty):
    faulty.at_once = False


def loses_session(handler):
    faulty_of(handler).uploads.clear()
    handler.reply(404, b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}')


def faulty_of(handler):
    return handler.server.faulty


def breaks_after(count):
    """The connection is reset after so many bytes of the body, which stay."""
    def answer(handler):
        handler.take(faulty_of(handler).uploads[session_of(handler)], count)
        return handler.reset()
    return answer


def session_of(handler):
    return handler.path.split("?")[0].rsplit("/", 1)[1]


def answer_lost(handler):
    """Takes it all, and says nothing."""
    handler.reply = lambda *_, **__: True
    handler.serve()
    return handler.reset()


def moved_away(place):
    """The answer to a POST sends the upload elsewhere."""
    return lambda handler: handler.reply(202, headers=[("Location", place.replace("HOST", handler.headers["Host"]))])


def wants_new_tokens(handler, _):
    """Every request finds its token ended, once."""
    if "/token" in handler.path:
        return handler.reply(200, b'{"token":"t","expires_in":300}')
    key = (handler.command, handler.path, handler.headers.get("Content-Range"))
    asked = faulty_of(handler).__dict__.setdefault("asked", set())
    if key in asked:
        return False
    asked.add(key)
    return handler.reply(401, b"", [("WWW-Authenticate", f'Bearer realm="http://{handler.headers["Host"]}/token",service="s"')])


def without_limit(answer):
    """From here on a body may be large."""
    def lifting(handler):
        faulty_of(handler).max_body = None
        return answer(handler)
    return lifting


def begins_relative(handler):
    """A Location relative to the request's own folder."""
    handler.body()
    faulty_of(handler).uploads["here"] = bytearray()
    return handler.reply(202, headers=[("Location", "here?a=b%2Fc")])


def wrong_range(handler):
    """Takes the chunk, and says that it has less."""
    reply = handler.reply
    handler.reply = lambda status, body=b"", headers=(), length=None: reply(status, body, [h for h in headers if h[0] != "Range"] + [("Range", "0-9")])
    handler.serve()
    del handler.reply  # the connection lives on


def moving_range(status):
    """Takes two chunks, then none; each time that it is asked, it has another number of bytes."""
    def fault(handler, _):
        counts = faulty_of(handler).__dict__.setdefault("counts", {"PATCH": 0, "GET": 0})
        if handler.command in counts:
            counts[handler.command] += 1
        if handler.command == "PATCH" and counts["PATCH"] > 2:
            return handler.reply(status)
        if handler.command == "GET":
            assert counts["GET"] < 50, "it goes on without an end"
            return handler.reply(204, headers=[("Location", handler.path), ("Range", "0-9999" if counts["GET"] % 2 else "0-1999999")])
        return False
    return fault


def ecr(handler):
    handler.body()
    handler.reply(201)


def one_session_for_the_large_one(faulty, pushed):
    large = [session for session, held in faulty.uploads.items() if len(held) == SIZE]
    assert len(large) == 1 and not [held for held in faulty.uploads.values() if MIB < len(held) < SIZE], faulty.uploads.keys()


def sends_most_once(faulty, pushed):
    """Beside the whole, at most a chunk or so was sent again."""
    assert sum(len(held) for held in faulty.uploads.values()) <= SIZE + MIB // 2, {k: len(v) for k, v in faulty.uploads.items()}


def blobs_lost(handler, _):
    handler.body()
    return handler.reply(400, b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown"}]}')


ROWS = [
    Row("nothing", "PUT", "", nothing),
    Row("takes no blob with the first request", "PUT", "", nothing, setup=not_at_once),
    Row("knows no digest at a POST", "POST", "digest=", always(says(400, b"<html>"))),
    # chunks
    Row("a proxy's limit: chunks", "PUT", "", nothing, setup=chunked, after=one_session_for_the_large_one),
    Row("chunks not below OCI-Chunk-Min-Length", "PUT", "", nothing, setup=chunked_with_a_least_size, after=one_session_for_the_large_one),
    Row("a proxy's limit below our least", "PATCH", "", always(says(413, b"<html>")), "M1704", setup=chunked),
    Row("a connection broken at byte k of a chunk goes on there", "PATCH", "", nth(3, breaks_after(300_000)), setup=chunked,
        after=one_session_for_the_large_one),
    Row("broken three times", "PATCH", "", lambda handler, n: n in (2, 4, 5) and breaks_after(100_000 * n)(handler), setup=chunked,
        after=one_session_for_the_large_one),
    Row("the answer to a chunk is lost", "PATCH", "", nth(2, answer_lost), setup=chunked, after=one_session_for_the_large_one),
    Row("the session is lost: 404", "PATCH", "", nth(3, loses_session), setup=chunked),
    Row("416 to a chunk that it has: asked, it goes on", "PATCH", "", nth(3, lambda handler: (
        handler.take(faulty_of(handler).uploads[session_of(handler)]), handler.reply(416))), setup=chunked, after=one_session_for_the_large_one),
    Row("416 to every chunk (ghcr.io): in one piece", "PATCH", "", always(without_limit(says(416))), setup=chunked),
    Row("201 to a chunk, and that is all (Amazon ECR): in one piece", "PATCH", "", always(without_limit(ecr)), setup=chunked),
    Row("another Range than was sent", "PATCH", "", nth(2, wrong_range), setup=chunked),
    Row("416 to every chunk, and another Range at each question", "", "/uploads/", moving_range(416), "M1704", setup=chunked),
    Row("503 to every chunk, and another Range at each question", "", "/uploads/", moving_range(503), "M1705", setup=chunked),
    Row("a storm of 5xx between chunks", "PATCH", "", lambda handler, n: n in (2, 3, 5) and handler.reply(503, b"<html>"), setup=chunked),
    Row("429 with Retry-After between chunks", "PATCH", "", nth(2, says(429, Retry_After="1")), setup=chunked),
    # tokens
    Row("each request finds its token ended", "", "", wants_new_tokens, setup=chunked, after=one_session_for_the_large_one),
    # in one piece
    Row("reset in the middle of the body", "PUT", "/blobs/", nth(1, lambda handler: handler.body(200_000) and handler.reset())),
    Row("the answer is lost: asked, it is there", "PUT", "/blobs/", nth(1, answer_lost), after=sends_most_once),
    Row("refused before the body is read", "PUT", "/blobs/", times(2, says(503))),
    Row("500 always", "PUT", "/blobs/", always(says(500)), "M1705"),
    Row("429 for an hour", "POST", "", always(says(429, Retry_After="3600")), "M1705"),
    Row("403", "POST", "", always(says(403, b'{"errors":[{"code":"DENIED","message":"read only"}]}')), "M1707"),
    Row("another digest there", "PUT", "/blobs/", always(says(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}')), "M1704"),
    # where an upload goes on
    Row("no Location", "POST", "", always(says(202)), "M1704", setup=not_at_once),
    Row("a Location over plain HTTP elsewhere", "POST", "", always(moved_away("http://registry.example/x?SIGNATURE")), "M1703"),
    Row("a Location that is a file", "POST", "", always(moved_away("file:///tmp/x")), "M1703"),
    Row("a Location at a metadata service", "POST", "", always(moved_away("https://169.254.169.254/x")), "M1703"),
    Row("a relative Location", "POST", "", nth(1, begins_relative), setup=not_at_once),
    # the manifest
    Row("503 for the manifest, twice", "PUT", "/manifests/", times(2, says(503))),
    Row("the manifest's answer is lost", "PUT", "/manifests/", nth(1, answer_lost)),
    Row("the manifest is too large for it", "PUT", "/manifests/", always(says(413)), "M1704"),
    Row("another digest of the manifest", "PUT", "/manifests/", lambda handler, n: handler.body() and handler.reply(
        201, headers=[("Docker-Content-Digest", "sha256:" + "0" * 64)]), "M1709"),
    Row("blobs lost for ever", "PUT", "/manifests/", blobs_lost, "M1708"),
    # the questions before
    Row("a storm of 503 to the questions", "HEAD", "/blobs/", times(5, says(503))),
    Row("resets at the questions", "HEAD", "/blobs/", times(2, lambda handler: handler.reset())),
    Row("403 to the questions", "HEAD", "/blobs/", always(says(403)), "M1707"),
]


class Pushes:
    def __init__(self, home):
        self.home = home
        folder = home.model("demo/big", pack=False, files={"weights.bin": os.urandom(SIZE), "a.txt": "a", "b.txt": "b"},
                            globs=["weights.bin", "*.txt"])
        self.digest = home.mrun("pack", folder).out.strip()
        self.blobs = home.home / "data/blobs/sha256"
        self.manifest = (self.blobs / self.digest.removeprefix("sha256:")).read_bytes()
        described = json.loads(self.manifest)
        self.digests = {described["config"]["digest"]} | {layer["digest"] for layer in described["layers"]}
        assert max(layer["size"] for layer in described["layers"]) == SIZE, described

    def check(self, row):
        faulty, count = Faulty(), iter(range(1, 1_000_000))
        faulty.server.faulty = faulty
        if row.setup:
            row.setup(faulty)
        faulty.plan = lambda handler: (not row.method or handler.command == row.method) and row.part in handler.path and row.fault(
            handler, next(count))
        try:
            arguments = ("push", "demo/big", f"{faulty.host}/demo/big", "-v")
            if row.ends != "ok":
                outcome = self.home.fails(row.ends, EXIT[row.ends], *arguments, timeout=100)
                assert "latest" not in faulty.manifests or row.part == "/manifests/", row.name
                assert "SIGNATURE" not in outcome.err, outcome
                return
            pushed = self.home.mrun(*arguments, "--json", timeout=100).json()
            assert pushed["digest"] == self.digest and faulty.manifests["latest"] == self.manifest, pushed
            for digest in self.digests:
                assert faulty.blobs[digest] == (self.blobs / digest.removeprefix("sha256:")).read_bytes(), digest
            if row.after:
                row.after(faulty, pushed)
        finally:
            faulty.close()


def main(home):
    pushes = Pushes(home)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        under_way = [(row.name, pool.submit(pushes.check, row)) for row in ROWS]
        failed = [(name, one.exception()) for name, one in under_way if one.exception()]
    for name, error in failed:
        print(f"--- {name}\n{type(error).__name__}: {error}")
    assert not failed, [name for name, _ in failed]
    asks_before_large_bodies_only(pushes)
    elsewhere(pushes)
    mounting(pushes)
    known(pushes)
    looks_at_little(pushes.home)


def asks_before_large_bodies_only(pushes):
    """A registry that does not read a small body says no 100, and waiting for one would cost a second."""
    faulty, asked = Faulty(), {}

    def plan(handler):
        if handler.command in ("POST", "PUT", "PATCH"):
            asked[int(handler.headers.get("Content-Length") or 0)] = handler.headers.get("Expect")
        return False

    faulty.plan = plan
    try:
        pushes.home.mrun("push", "demo/big", f"{faulty.host}/demo/big")
        assert asked[SIZE] == "100-continue", asked
        assert len(asked) > 3 and not any(expect for size, expect in asked.items() if size <= 65536), asked
    finally:
        faulty.close()


def elsewhere(pushes):
    """An upload that goes on at another host carries no Authorization there."""
    faulty, other = Faulty(), Faulty()
    faulty.at_once = False
    try:
        def plan(handler):
            if handler.headers.get("Authorization") is None:
                return handler.reply(401, b"", [("WWW-Authenticate", 'Basic realm="x"')])
            if handler.command != "POST":
                return False
            other.uploads[f"u{len(other.uploads)}"] = bytearray()
            return handler.reply(202, headers=[("Location", f"http://{other.host}/v2/demo/big/blobs/uploads/u{len(other.uploads) - 1}?SIGNATURE")])
        faulty.plan = plan
        faulty.blobs = other.blobs  # one storage behind both
        folder = pushes.home.path / "docker"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"auths": {faulty.host: {"username": "me", "password": "s3cret-word"}}}))
        outcome = pushes.home.mrun("push", "demo/big", f"{faulty.host}/demo/big", env={"DOCKER_CONFIG": str(folder)})
        assert "s3cret" not in outcome.out + outcome.err
        assert other.seen and {authorization for _, _, _, authorization in other.seen} == {None}, other.seen
    finally:
        faulty.close()
        other.close()


def mounting(pushes):
    """A mount that is refused in any way costs nothing but the request."""
    for status, headers in ((201, None), (202, None), (404, ()), (405, ()), (500, ()), (403, ()), (401, [("WWW-Authenticate", 'Basic realm="x"')])):
        faulty = Faulty()
        try:
            pushes.home.mrun("push", "demo/big", f"{faulty.host}/demo/base")
            faulty.manifests.clear()
            if status == 202:
                faulty.blobs.clear()  # the server begins an upload instead
            elif status != 201:
                faulty.blobs.clear()
                faulty.plan = lambda handler: "mount=" in handler.path and handler.reply(status, b"", headers)
            faulty.seen.clear()
            pushed = pushes.home.mrun("push", "demo/big", f"{faulty.host}/demo/tuned", "--json").json()
            total = pushed["sent_bytes"] + pushed["mounted_bytes"]
            assert total == pushed["size_bytes"] and pushed["mounted_bytes"] == (total if status == 201 else 0), (status, pushed)
            assert set(faulty.blobs) == pushes.digests, status
            mounts = [path for method, path, _, _ in faulty.seen if "mount=" in path]
            assert len(mounts) >= len(pushes.digests) and all("from=demo%2Fbase" in path for path in mounts), mounts
            assert "HEAD" not in faulty.methods("/blobs/"), faulty.seen  # nothing is asked that can be done at once
            if status == 201:
                assert not [seen for seen in faulty.seen if seen[0] in ("PUT", "PATCH") and "/blobs/" in seen[1]], faulty.seen
        finally:
            faulty.close()


def known(pushes):
    """An unchanged bundle is one request; a changed one asks only for what is new; what the registry lost is sent again."""
    faulty, other = Faulty(), Home()
    try:
        remote = f"{faulty.host}/demo/big"
        pushes.home.mrun("push", "demo/big", remote)
        faulty.seen.clear()
        assert pushes.home.mrun("push", "demo/big", remote, "--json").json()["was_there"]
        assert faulty.seen == [("HEAD", "/v2/demo/big/manifests/latest", None, None)], faulty.seen
        folder = pushes.home.path / "demo-big"
        (folder / "a.txt").write_text("another")
        changed = pushes.home.mrun("pack", folder).out.strip()
        faulty.seen.clear()
        pushes.home.mrun("push", "demo/big", remote)
        new = json.loads((pushes.blobs / changed.removeprefix("sha256:")).read_text())
        fresh = {new["config"]["digest"]} | {layer["digest"] for layer in new["layers"]} - pushes.digests
        asked = {path.rsplit("/", 1)[1] for method, path, _, _ in faulty.seen if method == "HEAD" and "/blobs/" in path}
        assert asked == fresh and not [seen for seen in faulty.seen if seen[0] == "GET"], faulty.seen
        # The registry has lost the large one; only the manifest's refusal tells.
        lost = max(pushes.digests, key=lambda digest: (pushes.blobs / digest.removeprefix("sha256:")).stat().st_size)
        del faulty.blobs[lost]
        faulty.plan = lambda handler: handler.command == "PUT" and "/manifests/" in handler.path and lost not in faulty.blobs and handler.body() and (
            handler.reply(400, b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}'))
        (folder / "b.txt").write_text("a third")
        third = pushes.home.mrun("pack", folder).out.strip()
        pushes.home.mrun("push", "demo/big", remote)
        assert hashlib.sha256(faulty.manifests["latest"]).hexdigest() == third.removeprefix("sha256:")
        assert other.mrun("pull", remote).out.strip() == third
        # The same of a registry that takes a manifest unseen: what only our notes know is asked for.
        del faulty.blobs[lost]
        faulty.manifests.clear()
        faulty.plan = lambda handler: False
        (folder / "b.txt").write_text("a fourth")
        fourth = pushes.home.mrun("pack", folder).out.strip()
        faulty.seen.clear()
        pushes.home.mrun("push", "demo/big", remote)
        assert lost in faulty.blobs and not [path for _, path, _, _ in faulty.seen if "mount=" in path], faulty.seen
        empty = Home()
        assert empty.mrun("pull", remote).out.strip() == fourth
        empty.close()
    finally:
        faulty.close()
        other.close()


def looks_at_little(home):
    """Of many versions that were pushed before, only those are read that may tell something: the latest, until all is known."""
    faulty, texts = Faulty(), []
    try:
        folder = home.model("demo/often", pack=False, files={"weights.bin": os.urandom(200_000), "label.txt": "0"})
        for number in range(12):
            (folder / "label.txt").write_text(str(number))
            texts.append(home.mrun("pack", folder).out.strip().removeprefix("sha256:"))
            home.mrun("push", "demo/often", f"{faulty.host}/demo/often:v{number}")
        trace = home.path / "trace"
        done = subprocess.run(["strace", "-f", "-qq", "-s", "200", "-e", "trace=openat", "-o", trace, str(MRUN), "push", "demo/often",
                               f"{faulty.host}/demo/elsewhere", "--json"], capture_output=True, text=True, env=home.env | TRACED, timeout=100)
        assert done.returncode == 0, done
        pushed = json.loads(done.stdout)
        assert pushed["mounted_bytes"] > 200_000, pushed
        opened = {text for text in texts if text in trace.read_text()}
        assert opened == {texts[-1]}, opened
    finally:
        faulty.close()


run(main)
