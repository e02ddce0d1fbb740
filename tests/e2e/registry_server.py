"""Debian's docker-registry on a free loopback port: open, with a password, or with tokens of a token server."""

import hashlib
import http.client
import json
import pathlib
import shutil
import socket
import subprocess

from harness import wait_for


class Registry:
    def __init__(self, folder, user=None, password=None, tokens=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.host = f"localhost:{self.port}"
        auth = ""
        if user:
            line = subprocess.run(["htpasswd", "-Bbn", user, password], capture_output=True, text=True, check=True).stdout
            (self.folder / "htpasswd").write_text(line)
            auth = f"auth:\n  htpasswd:\n    realm: test\n    path: {self.folder}/htpasswd\n"
        if tokens:
            auth = (f"auth:\n  token:\n    realm: {tokens.url}\n    service: {tokens.service}\n    issuer: {tokens.issuer}\n"
                    f"    rootcertbundle: {tokens.certificate}\n")
        config = self.folder / "config.yml"
        config.write_text(f"version: 0.1\nlog:\n  accesslog:\n    disabled: false\nstorage:\n  filesystem:\n    rootdirectory: {self.folder}/data\n"
                          f"http:\n  addr: 127.0.0.1:{self.port}\n{auth}")
        self.log = open(self.folder / "log", "w+")
        self.process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=self.log, stderr=subprocess.STDOUT)
        wait_for(self.answers, 20, "the registry")

    def answers(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            connection.request("GET", "/v2/")
            return connection.getresponse().status in (200, 401)
        except OSError:
            return False

    def answers_since(self):
        """The request lines since the last call, with the status of each."""
        self.log.flush()
        text = (self.folder / "log").read_text()
        fresh, self.seen = text[getattr(self, "seen", 0):], len(text)
        lines = [line.split('"') for line in fresh.splitlines() if '"' in line and " HTTP/1" in line and "level=" not in line]
        return [(parts[1], int(parts[2].split()[0])) for parts in lines]

    def requests(self):
        """The request lines since the last call."""
        return [line for line, _ in self.answers_since()]

    # --- artifacts that no mrun made -------------------------------------------------------------------------

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, body, headers or {})
        reply = connection.getresponse()
        return reply.status, dict((key.lower(), value) for key, value in reply.getheaders()), reply.read()

    def put_blob(self, repository, content, media_type, annotations=None):
        """Stores a blob and returns its descriptor."""
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        _, headers, _ = self.request("POST", f"/v2/{repository}/blobs/uploads/", b"")
        place = headers["location"].split(f":{self.port}", 1)[-1]
        status, _, body = self.request("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}", content,
                                       {"Content-Type": "application/octet-stream"})
        assert status == 201, (status, body)
        descriptor = {"mediaType": media_type, "digest": digest, "size": len(content)}
        return descriptor | ({"annotations": annotations} if annotations else {})

    def put_artifact(self, repository, tag, config, layers, artifact_type=None):
        """Stores an OCI manifest of these descriptors and returns its digest."""
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": layers}
        if artifact_type:
            manifest["artifactType"] = artifact_type
        body = json.dumps(manifest).encode()
        status, headers, reply = self.request("PUT", f"/v2/{repository}/manifests/{tag}", body, {"Content-Type": manifest["mediaType"]})
        assert status == 201, (status, reply)
        return headers["docker-content-digest"]

    def get_json(self, repository, what):
        status, _, body = self.request("GET", f"/v2/{repository}/{what}", headers={"Accept": "application/vnd.oci.image.manifest.v1+json"})
        assert status == 200, (status, body)
        return json.loads(body)

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
