"""nginx before a registry: TLS with a certificate of an authority of its own, HTTP/2, limits as proxies set them."""

import pathlib
import shutil
import socket
import subprocess

from harness import wait_for


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """Signs certificates for names and addresses."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.certificate = self.folder / "ca.pem"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.folder / "ca.key", "-out", self.certificate, "-days", "2",
                "-subj", "/CN=test authority")

    def sign(self, name, alternative):
        key, request, certificate = (self.folder / f"{name}.{end}" for end in ("key", "csr", "crt"))
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternative}\n")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.folder / "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", extensions, "-out", certificate)
        return key, certificate


class Front:
    def __init__(self, folder, authority, target, names="DNS:localhost,IP:127.0.0.1", body_limit="0", client_authority=None, http2=True):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.host = f"localhost:{self.port}"
        key, certificate = authority.sign(self.folder.name, names)
        verify = f"ssl_client_certificate {client_authority.certificate}; ssl_verify_client on;" if client_authority else ""
        (self.folder / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {self.folder}/pid; error_log {self.folder}/error.log;
events {{ worker_connections 256; }}
http {{
  log_format told '$connection $server_protocol $request_method $status';
  access_log {self.folder}/access.log told;
  {"".join(f"{kind}_temp_path {self.folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))}
  server {{
    listen 127.0.0.1:{self.port} ssl {"http2" if http2 else ""};
    ssl_certificate {certificate}; ssl_certificate_key {key}; {verify}
    client_max_body_size {body_limit};
    location / {{
      proxy_pass http://127.0.0.1:{target}; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https;
      proxy_request_buffering off; proxy_buffering off;
    }}
  }}
}}
""")
        self.process = subprocess.Popen(["nginx", "-c", self.folder / "nginx.conf", "-e", self.folder / "error.log"])
        wait_for(self.answers, 20, "nginx")

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
            return True
        except OSError:
            return False

    def requests(self):
        """(connection, protocol, method, status) of each request since the last call."""
        text = (self.folder / "access.log").read_text()
        fresh, self.seen = text[getattr(self, "seen", 0):], len(text)
        return [tuple(line.split()) for line in fresh.splitlines()]

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)
