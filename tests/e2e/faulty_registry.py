"""A registry in a few lines that holds what is pushed to it, serves a store's blobs, and breaks what its plan says."""

import base64
import contextlib
import hashlib
import http.server
import json
import pathlib
import socket
import struct
import threading
import urllib.parse

BASIC = "Basic " + base64.b64encode(b"me:s3cret-word").decode()


# Faults of a plan: `handler` answers the n-th request (1, 2, …) of the part that is broken; true when it did.
def times(count, answer):
    return lambda handler, n: n <= count and (answer(handler) or True)


def always(answer):
    return lambda handler, n: answer(handler) or True


def says(status, body=b"", **headers):
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return lambda handler: handler.reply(status, body, pairs)


class Faulty:
    def __init__(self, store=None):
        self.store = store and pathlib.Path(store)  # an OCI layout, our own
        self.plan = lambda handler: False  # True: it has answered
        self.seen = []                     # (method, path, Range, Authorization)
        self.blobs, self.manifests, self.uploads = {}, {}, {}
        self.at_once = True                # takes POST ?digest=
        self.max_body = None               # 413 above
        self.min_chunk = 0                 # 416 to a smaller one, unless a PUT with what is left follows
        self.lock = threading.Lock()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self))
        self.server.daemon_threads = True
        self.host = f"localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    # As registry_server.Registry's.
    def put_blob(self, _, content, media_type, annotations=None):
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        self.blobs[digest] = content
        return {"mediaType": media_type, "digest": digest, "size": len(content)} | ({"annotations": annotations} if annotations else {})

    def put_artifact(self, _, tag, config, layers, artifact_type=None, **more):
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": layers} | more
        if artifact_type:
            manifest["artifactType"] = artifact_type
        body = json.dumps({key: value for key, value in manifest.items() if value is not None}).encode()
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        self.manifests[tag] = self.manifests[digest] = body
        return digest

    def methods(self, text):
        return [method for method, path, _, _ in self.seen if text in path]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def handler_of(faulty):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def reply(self, status, body=b"", headers=(), length=None):
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            if self.unread():
                self.send_header("Connection", "close")  # what is left of the body would be taken for a request
                self.close_connection = True
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
            return True

        def unread(self):
            return int(self.headers.get("Content-Length") or 0) - self.read_bytes

        def body(self, limit=None):
            """The request's body, or its first bytes."""
            if self.headers.get("Expect") and not self.read_bytes:
                self.send_response_only(100)
                self.end_headers()
            wanted = self.unread() if limit is None else min(limit, self.unread())
            data = self.rfile.read(wanted)
            self.read_bytes += len(data)
            return data

        def reset(self):
            """Breaks the connection with a TCP reset."""
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return True

        def handle_expect_100(self):
            return True  # body() says it

        def handle(self):
            with contextlib.suppress(ConnectionError, ValueError):
                super().handle()

        def finish(self):
            with contextlib.suppress(OSError, ValueError):
                super().finish()

        def do_GET(self):
            self.read_bytes = 0
            faulty.seen.append((self.command, self.path, self.headers.get("Range"), self.headers.get("Authorization")))
            try:
                if not faulty.plan(self):
                    self.serve()
            except OSError:
                self.close_connection = True

        do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        # ---- what a registry does ---------------------------------------------------------------------------

        def serve(self, cut=None):
            url = urllib.parse.urlparse(self.path)
            query = {name: values[0] for name, values in urllib.parse.parse_qs(url.query).items()}
            if faulty.max_body and self.unread() > faulty.max_body:
                return self.reply(413, b"<html>too large</html>")
            if url.path == "/v2/":
                return self.reply(200, b"{}")
            if "/blobs/uploads/" in url.path:
                return self.upload(url.path, query)
            if self.command == "PUT":
                body = self.body()
                name = "sha256:" + hashlib.sha256(body).hexdigest()
                faulty.manifests[url.path.rsplit("/", 1)[1]] = faulty.manifests[name] = body
                return self.reply(201, headers=[("Docker-Content-Digest", name)])
            return self.send_content(cut)

        def content(self):
            name = self.path.split("?")[0].rsplit("/", 1)[1]
            if name in (held := faulty.manifests if "/manifests/" in self.path else faulty.blobs):
                return held[name]
            if not faulty.store:
                return None
            if "/manifests/" in self.path and not name.startswith("sha256:"):
                name = json.loads((faulty.store / "index.json").read_text())["manifests"][0]["digest"]
            file = faulty.store / "blobs/sha256" / name.removeprefix("sha256:")
            return file.read_bytes() if file.exists() else None

        def send_content(self, cut):
            body = self.content()
            if body is None:
                return self.reply(404, b'{"errors":[{"code":"BLOB_UNKNOWN","message":"no"}]}')
            if "/manifests/" in self.path:
                return self.reply(200, body, [("Content-Type", "application/vnd.oci.image.manifest.v1+json"),
                                              ("Docker-Content-Digest", "sha256:" + hashlib.sha256(body).hexdigest())])
            first, _, last = (self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")
            first, last = int(first), min(int(last or len(body) - 1), len(body) - 1)
            ranged = "Range" in self.headers
            headers = [("Content-Range", f"bytes {first}-{last}/{len(body)}")] if ranged else []
            part = body[first:last + 1]
            if cut is None or cut >= len(part):
                return self.reply(206 if ranged else 200, part, headers)
            self.reply(206 if ranged else 200, part[:cut], headers, length=len(part))
            self.close_connection = True
            self.connection.shutdown(2)
            return True

        def upload(self, path, query):
            session = path.rsplit("/", 1)[1]
            if self.command == "POST":
                if "mount" in query and query["mount"] in faulty.blobs:
                    return self.reply(201, headers=[("Location", f"/v2/x/blobs/{query['mount']}")])
                if "digest" in query and faulty.at_once:
                    return self.commit(self.body(), query["digest"])
                self.body()
                with faulty.lock:
                    session = f"u{len(faulty.uploads)}"
                    faulty.uploads[session] = bytearray()
                least = [("OCI-Chunk-Min-Length", str(faulty.min_chunk))] if faulty.min_chunk else []
                return self.place(202, path + session, least)
            if session not in faulty.uploads:
                return self.reply(404, b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}')
            held = faulty.uploads[session]
            if self.command == "GET":
                return self.place(204, path)
            if self.command == "PATCH":
                if self.headers["Content-Range"].split("-")[0] != str(len(held)) or self.unread() < faulty.min_chunk:
                    return self.place(416, path)
                self.take(held)
                return self.place(202, path)
            self.take(held)
            return self.commit(bytes(held), query["digest"])

        def take(self, held, limit=None):
            """Appends as it comes: what a broken connection brought stays."""
            left = self.unread() if limit is None else limit
            while left > 0 and (data := self.body(min(left, 65536))):
                held += data
                left -= len(data)

        def place(self, status, path, more=()):
            held = faulty.uploads[path.rsplit("/", 1)[1]]
            # The query is the server's: it must come back as it is.
            return self.reply(status, headers=[("Location", path + "?_state=a%2Bb%3D"), ("Range", f"0-{max(len(held) - 1, 0)}"), *more])

        def commit(self, data, digest):
            if "sha256:" + hashlib.sha256(data).hexdigest() != digest:
                return self.reply(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}')
            faulty.blobs[digest] = data
            return self.reply(201, headers=[("Location", f"/v2/x/blobs/{digest}")])

    return Handler
