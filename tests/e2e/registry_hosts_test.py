"""Goal: registries whose chunked uploads differ from the specification get a large blob in one piece: ghcr.io, Google's, Amazon's.

They are recognised by their names, so a proxy of this machine stands in for them all, with certificates of an authority
that this test trusts.
"""

import os
import socketserver
import ssl
import subprocess
import threading

from faulty_registry import Faulty, handler_of
from harness import run

MIB = 1 << 20
SIZE = 65 * MIB  # above what an ordinary registry gets at once
HABITS = {  # what a PATCH gets there
    "ghcr.io": lambda handler: handler.unread() > 4 * MIB and handler.reply(416),
    "europe-docker.pkg.dev": lambda handler: handler.reply(405),
    "gcr.io": lambda handler: handler.reply(405),
    "eu.gcr.io": lambda handler: handler.reply(405),
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com": lambda handler: handler.body() and handler.reply(201),
    "public.ecr.aws": lambda handler: handler.body() and handler.reply(201),
    "registry.example.com": lambda handler: False,
}


class Proxy(socketserver.ThreadingTCPServer):
    """Answers CONNECT by speaking as the registry of that name."""

    daemon_threads = True

    def __init__(self, context, registries):
        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                host = self.rfile.readline().split()[1].decode().removesuffix(":443")
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                registry = registries[host]
                handler_of(registry)(context.wrap_socket(self.request, server_side=True), self.client_address, registry.server)

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def main(home):
    registries = {host: Faulty() for host in HABITS}
    for host, registry in registries.items():
        registry.plan = lambda handler, host=host: handler.command == "PATCH" and HABITS[host](handler)
    key, certificate = home.path / "key.pem", home.path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj",
                    "/CN=test", "-addext", "subjectAltName=" + ",".join(f"DNS:{host}" for host in HABITS)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    proxy = Proxy(context, registries)
    env = {"https_proxy": f"http://127.0.0.1:{proxy.server_address[1]}", "SSL_CERT_FILE": str(certificate)}
    folder = home.model("demo/big", pack=False, files={"weights.bin": os.urandom(SIZE)})
    home.mrun("pack", folder)
    try:
        for host, registry in registries.items():
            home.mrun("push", "demo/big", f"{host}/demo/big", "--format", "modelpack", env=env, timeout=200)
            assert SIZE in map(len, registry.blobs.values()), (host, [len(blob) for blob in registry.blobs.values()])
            chunks = [path for method, path, _, _ in registry.seen if method == "PATCH"]
            assert bool(chunks) == (host == "registry.example.com"), (host, chunks)
    finally:
        proxy.shutdown()
        for registry in registries.values():
            registry.close()


run(main)
