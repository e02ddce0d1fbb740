"""Goal: a registry that misbehaves costs time or an error that says so, never a wrong byte, a leaked secret or a lost piece."""

import hashlib
import http.server
import json
import os
import pathlib
import signal
import threading
import time

from harness import Home, run, wait_for

SECRET = "Basic bWU6czNjcmV0"  # me:s3cret


class Faulty:
    """Serves the blobs and manifests of an OCI layout (our own store), and breaks them as told."""

    def __init__(self, store):
        self.store = pathlib.Path(store)
        self.plan = lambda handler: False  # True: it has answered
        self.seen = []
        faulty = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def reply(self, status, body=b"", headers=(), length=None):
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def do_GET(self):
                faulty.seen.append((self.command, self.path, self.headers.get("Range"), self.headers.get("Authorization")))
                try:
                    if not faulty.plan(self):
                        self.serve()
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            do_HEAD = do_POST = do_PUT = do_PATCH = do_GET

            def content(self):
                name = self.path.split("?")[0].rsplit("/", 1)[1]
                if "/manifests/" in self.path and not name.startswith("sha256:"):
                    name = json.loads((faulty.store / "index.json").read_text())["manifests"][0]["digest"]
                file = faulty.store / "blobs/sha256" / name.removeprefix("sha256:")
                return file.read_bytes() if file.exists() else None

            def serve(self, cut=None):
                body = self.content()
                if body is None:
                    return self.reply(404, b'{"errors":[{"code":"BLOB_UNKNOWN","message":"no"}]}')
                if "/manifests/" in self.path:
                    return self.reply(200, body, [("Content-Type", "application/vnd.oci.image.manifest.v1+json")])
                first = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
                headers = [("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")] if first else []
                part = body[first:]
                if cut is None or cut >= len(part):
                    return self.reply(206 if first else 200, part, headers)
                self.reply(206 if first else 200, part[:cut], headers, length=len(part))
                self.close_connection = True
                self.connection.shutdown(2)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()


def main(home):
    folder = home.model("demo/big", pack=False, files={"weights.bin": os.urandom(4_000_000)})
    (folder / "mrun.yaml").write_text((folder / "mrun.yaml").read_text().replace("files: []", "files: [weights.bin]"))
    digest = home.mrun("pack", folder).out.strip()
    big = hashlib.sha256((folder / "weights.bin").read_bytes()).hexdigest()
    faulty = Faulty(home.home / "data")
    remote = f"{faulty.host}/demo/big"

    def pull(plan, code=None, exit_code=None, env=None):
        """Pulls into an empty home under a plan of faults."""
        other = Home()
        faulty.plan, faulty.seen = plan, []
        try:
            if code:
                outcome = other.fails(code, exit_code, "pull", remote, env=env)
                assert not [p for p in (other.home / "data/blobs/sha256").glob("*") if hashlib.sha256(p.read_bytes()).hexdigest() != p.name]
                assert other.mrun("ls").out == ""
                return outcome
            assert other.mrun("pull", remote, env=env).out.strip() == digest
        finally:
            faulty.plan = lambda handler: False
            other.close()

    def once(path, answer):
        state = {"left": 1}

        def plan(handler):
            if path not in handler.path or state["left"] == 0:
                return False
            state["left"] -= 1
            answer(handler)
            return True
        return plan

    pull(lambda handler: False)
    # A connection that breaks in the middle of a blob, many times: it goes on where it was.
    cuts = iter([1, 100_000, 700_000, 1, 900_000, 5, 300_000, 2])

    def cutting(handler):
        if big not in handler.path:
            return False
        cut = next(cuts, None)
        handler.serve(cut)
        return True
    pull(cutting)
    ranges = [int(seen[2].removeprefix("bytes=").rstrip("-")) for seen in faulty.seen if big in seen[1] and seen[2]]
    assert len(ranges) == 8 and ranges == sorted(ranges) and ranges[-1] > 1_900_000, ranges
    # 429 with Retry-After, 503, a body that ends early and properly: once each.
    pull(once(big, lambda h: h.reply(429, b"slow down", [("Retry-After", "1")])))
    pull(once(big, lambda h: h.reply(503, b"<html>busy</html>")))
    pull(once(big, lambda h: h.reply(200, b"short")))
    # A server without ranges sends the whole again.
    state = {"cut": True}

    def no_ranges(handler):
        if big not in handler.path:
            return False
        handler.headers.replace_header("Range", "bytes=0-") if handler.headers.get("Range") else None
        handler.serve(1_000_000 if state.pop("cut", False) else None)
        return True
    pull(no_ranges)
    # A redirect within the machine is followed; the Authorization header stays at home.
    elsewhere = Faulty(home.home / "data")
    config = home.path / "docker"
    config.mkdir()
    (config / "config.json").write_text(json.dumps({"auths": {faulty.host: {"auth": SECRET.split()[1]}}}))

    def locked(handler):
        if handler.headers.get("Authorization") != SECRET:
            handler.reply(401, b"", [("WWW-Authenticate", 'Basic realm="x"')])
            return True
        if big in handler.path:
            handler.reply(307, b"", [("Location", f"http://{elsewhere.host}/v2/x/blobs/sha256:{big}?sig=1")])
            return True
        return False
    outcome = pull(locked, "M1703", 1, env={"DOCKER_CONFIG": str(config)})
    assert "private network" in outcome.err and not elsewhere.seen, (outcome, elsewhere.seen)
    pull(lambda handler: locked(handler) if handler.headers.get("Authorization") != SECRET else False, env={"DOCKER_CONFIG": str(config)})
    elsewhere.close()

    # What stays wrong is an error of its own.
    pull(lambda h: big in h.path and (h.reply(200, b"x" * 4_000_000) or True), "M1709", 10)
    pull(lambda h: big in h.path and (h.reply(200, b"x" * 4_000_001) or True), "M1709", 10)
    pull(lambda h: "/manifests/" in h.path and (h.reply(200, b"<html>proxy</html>", [("Content-Type", "text/html")]) or True), "M1112", 10)
    pull(lambda h: "/manifests/" in h.path and (h.reply(418, b"teapot") or True), "M1704", 1)
    pull(lambda h: "/manifests/" in h.path and (h.reply(403, b'{"errors":[{"code":"DENIED","message":"not yours"}]}') or True), "M1707", 4)
    pull(lambda h: big in h.path and (h.reply(307, b"", [("Location", h.path)]) or True), "M1703", 1)
    pull(lambda h: big in h.path and (h.reply(200, b"x", [("Content-Encoding", "gzip")]) or True), "M1704", 1)
    pull(lambda h: big in h.path and (h.reply(503) or True), "M1705", 75)
    pull(lambda h: big in h.path and (h.reply(429, b"", [("Retry-After", "3600")]) or True), "M1705", 75)
    outcome = pull(lambda h: (h.reply(401, b"", [("WWW-Authenticate", 'Bearer realm="http://auth.example/token"')]) or True), "M1703", 1)
    assert "plain HTTP" in outcome.err, outcome
    pull(lambda h: (h.reply(401, b"", [("WWW-Authenticate", f'Bearer realm="http://{faulty.host}/token"')]) or True) if "token" not in h.path
         else (h.reply(200, b"not json") or True), "M1704", 1)
    faulty.close()
    home.fails("M1701", 75, "tags", "localhost:1/demo/big")

    killed(home, digest, big)
    tls(home)


def killed(home, digest, big):
    """kill -9 in the middle of a pull: the next one fetches the rest only."""
    faulty, other = Faulty(home.home / "data"), Home()
    remote = f"{faulty.host}/demo/big"
    try:
        def slow(handler):
            if big not in handler.path:
                return False
            body = handler.content()
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            for at in range(0, len(body), 100_000):
                handler.wfile.write(body[at:at + 100_000])
                time.sleep(0.05)
            return True
        faulty.plan = slow
        command = other.start("pull", remote)
        partial = other.home / f"data/tmp/pull-{big}"
        wait_for(lambda: partial.exists() and partial.stat().st_size > 300_000, 20, "a part of the blob")
        os.kill(command.pid, signal.SIGKILL)
        command.communicate()
        have = partial.stat().st_size
        assert 0 < have < 4_000_000
        faulty.plan, faulty.seen = lambda handler: False, []
        assert other.mrun("pull", remote).out.strip() == digest
        ranges = [seen[2] for seen in faulty.seen if big in seen[1]]
        assert ranges == [f"bytes={have}-"], (ranges, have)
        assert not list((other.home / "data/tmp").iterdir())
        # Ctrl-C says how to go on.
        third = Home()
        faulty.plan = slow
        command = third.start("pull", remote)
        wait_for(lambda: (third.home / f"data/tmp/pull-{big}").exists(), 20, "a part of the blob")
        command.send_signal(signal.SIGINT)
        _, err = command.communicate(timeout=20)
        assert command.returncode == 130 and "M1011" in err, err
        third.close()
    finally:
        faulty.close()
        other.close()


def tls(home):
    """A certificate that nobody signed is not taken."""
    import ssl
    import subprocess
    key, certificate = home.path / "key.pem", home.path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj",
                    "/CN=mrun-test.invalid"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        home.fails("M1702", 1, "tags", f"0x7f.1:{server.server_port}/demo/x")  # loopback by another name: HTTPS
    finally:
        server.shutdown()


run(main)
