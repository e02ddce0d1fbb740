"""A proxy of this machine that stands in for registries elsewhere: it answers CONNECT by speaking as the registry of that name,
with a certificate of an authority that the test trusts."""

import socketserver
import ssl
import subprocess
import threading

from faulty_registry import handler_of


class Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, folder, registries):
        """`registries`: a Faulty by host."""
        key, certificate = folder / "key.pem", folder / "cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj",
                        "/CN=test", "-addext", "subjectAltName=" + ",".join(f"DNS:{host}" for host in registries)], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                host = self.rfile.readline().split()[1].decode().removesuffix(":443")
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                registry = registries[host]
                handler_of(registry)(context.wrap_socket(self.request, server_side=True), self.client_address, registry.server)

        super().__init__(("127.0.0.1", 0), Handler)
        self.env = {"https_proxy": f"http://127.0.0.1:{self.server_address[1]}", "SSL_CERT_FILE": str(certificate)}
        threading.Thread(target=self.serve_forever, daemon=True).start()
