"""A registry in memory that has what Debian's lacks: the referrers API with OCI-Subject, pages, filters, and If-Match."""

import hashlib
import http.server
import json
import threading
import urllib.parse

INDEX = "application/vnd.oci.image.index.v1+json"


class ReferrersServer:
    def __init__(self):
        self.manifests, self.blobs = {}, {}  # (repository, digest or tag) -> (type, bytes); digest -> bytes
        self.has_referrers, self.filters, self.page_size = True, True, 0
        self.junk, self.referrers_answer, self.next_link = [], None, None
        self.outdate = 0  # so many conditional PUTs find that another one came in between
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def reply(self, status, body=b"", headers=()):
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                self.query = urllib.parse.parse_qs(url.query)
                self.content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                for kind in ("manifests", "blobs", "referrers"):
                    name, found, rest = url.path.removeprefix("/v2/").partition(f"/{kind}/")
                    if found:
                        return getattr(self, kind)(name, rest)
                self.reply(404)

            do_HEAD = do_POST = do_PUT = do_GET

            def blobs(self, _, rest):
                if self.command == "POST":
                    return self.reply(202, headers=[("Location", self.path.partition("?")[0].rstrip("/") + "/one")])
                if self.command == "PUT":
                    digest = self.query["digest"][0]
                    if digest != "sha256:" + hashlib.sha256(self.content).hexdigest():
                        return self.reply(400)
                    server.blobs[digest] = self.content
                    return self.reply(201)
                body = server.blobs.get(rest)
                return self.reply(404) if body is None else self.reply(200, body)

            def manifests(self, name, rest):
                if self.command == "PUT":
                    return self.put_manifest(name, rest)
                found = server.manifests.get((name, rest))
                if found is None:
                    return self.reply(404)
                digest = "sha256:" + hashlib.sha256(found[1]).hexdigest()
                self.reply(200, found[1], [("Content-Type", found[0]), ("Docker-Content-Digest", digest), ("ETag", f'"{digest}"')])

            def put_manifest(self, name, rest):
                present = server.manifests.get((name, rest))
                wanted = self.headers.get("If-Match")
                if wanted and present and wanted != '"sha256:' + hashlib.sha256(present[1]).hexdigest() + '"':
                    return self.reply(412)
                if wanted and server.outdate > 0:
                    server.outdate -= 1
                    return self.reply(412)
                digest = "sha256:" + hashlib.sha256(self.content).hexdigest()
                for key in (rest, digest):
                    server.manifests[name, key] = (self.headers["Content-Type"], self.content)
                subject = json.loads(self.content).get("subject")
                headers = [("OCI-Subject", subject["digest"])] if subject and server.has_referrers else []
                self.reply(201, headers=[("Docker-Content-Digest", digest), *headers])

            def referrers(self, name, subject):
                if not server.has_referrers:
                    return self.reply(404, b"404 page not found")
                if server.referrers_answer:
                    status, kind, body = server.referrers_answer
                    return self.reply(status, body, [("Content-Type", kind)])
                found = list(server.junk)
                for (repository, key), (kind, body) in server.manifests.items():
                    manifest = json.loads(body)
                    if repository == name and key.startswith("sha256:") and manifest.get("subject", {}).get("digest") == subject:
                        found.append({"mediaType": kind, "digest": key, "size": len(body), "artifactType": manifest["artifactType"],
                                      "annotations": manifest.get("annotations", {})})
                wanted = self.query.get("artifactType")
                headers = [("Content-Type", INDEX)]
                if wanted and server.filters:
                    found = [one for one in found if one["artifactType"] == wanted[0]]
                    headers.append(("OCI-Filters-Applied", "artifactType"))
                first = int(self.query.get("from", ["0"])[0])
                last = first + server.page_size if server.page_size else len(found)
                if server.next_link:
                    headers.append(("Link", f'<{server.next_link}>; rel="next"'))
                elif last < len(found):
                    headers.append(("Link", f'</v2/{name}/referrers/{subject}?from={last}>; rel="next"'))
                body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": found[first:last]}).encode()
                self.reply(200, body, headers)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
