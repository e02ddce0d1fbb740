"""A token server for docker-registry's `auth: token`: RS256 JWTs (distribution's token and OAuth2 specifications).

Signing is openssl's. A token names its key by `kid` and by an `x5c` chain in turn; both are what registries find.
"""

import base64
import contextlib
import hashlib
import http.server
import json
import pathlib
import subprocess
import threading
import time
import urllib.parse

LEEWAY = 60  # seconds that docker-registry 2.8 grants to a token that has ended


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, data=b""):
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


class TokenServer:
    service, issuer = "test-registry", "test-issuer"

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.key, self.certificate = self.folder / "key.pem", self.folder / "cert.pem"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.key, "-out", self.certificate, "-days", "2", "-subj",
                "/CN=token-test")
        self.chain = base64.b64encode(openssl("x509", "-in", self.certificate, "-outform", "DER")).decode()
        public = openssl("pkey", "-in", self.key, "-pubout", "-outform", "DER")
        name = base64.b32encode(hashlib.sha256(public).digest()[:30]).decode()
        self.kid = ":".join(name[i:i + 4] for i in range(0, 48, 4))  # libtrust's name of a key
        self.users = {"me": "s3cret-word"}
        self.refresh_tokens = {}     # token: user; each is good once when `rotates`
        self.rotates = False
        self.public = {"demo/public"}  # repositories that anybody may pull
        self.forbidden = set()       # repositories that nobody may touch
        self.lifetime = 300          # seconds, real
        self.claimed = 300           # what the reply says
        self.plan = lambda handler: False  # True: it has answered
        self.seen = []               # (method, form or query, Authorization)
        self.served = 0
        self.lock = threading.Lock()
        tokens = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle(self):
                with contextlib.suppress(ConnectionError):
                    super().handle()

            def reply(self, status, body):
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self):
                self.form = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
                self.answer()

            def do_POST(self):
                self.form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.answer()

            def answer(self):
                with tokens.lock:
                    tokens.seen.append((self.command, self.form, self.headers.get("Authorization")))
                    if not tokens.plan(self):
                        self.reply(*tokens.token_for(self))

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/token"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def token_for(self, handler):
        user, extra = "", {}
        grant = handler.form.get("grant_type", [""])[0]
        if handler.command == "POST" and grant == "refresh_token":
            token = handler.form["refresh_token"][0]
            user = self.refresh_tokens.get(token)
            if not user:
                return 401, {"details": "no such refresh token"}
            if self.rotates:
                del self.refresh_tokens[token]
                extra["refresh_token"] = f"refresh-{len(self.seen)}"
                self.refresh_tokens[extra["refresh_token"]] = user
        elif handler.command == "POST":
            user = handler.form["username"][0]
            if self.users.get(user) != handler.form["password"][0]:
                return 401, {"details": "wrong password"}
        elif header := handler.headers.get("Authorization"):
            user, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
            if self.users.get(user) != password:
                return 401, {"details": "wrong password"}
        scopes = [scope for text in handler.form.get("scope", []) for scope in text.split()]
        body = {"expires_in": self.claimed, **extra}
        body["access_token" if handler.command == "POST" else "token"] = self.sign(user, scopes)
        return 200, body

    def sign(self, user, scopes):
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            granted = actions.split(",") if user else ["pull"] if name in self.public else []
            if name in self.forbidden:
                granted = []
            access.append({"type": kind, "name": name, "actions": granted})
        now = int(time.time())
        self.served += 1
        header = {"typ": "JWT", "alg": "RS256"} | ({"kid": self.kid} if self.served % 2 else {"x5c": [self.chain]})
        claims = {"iss": self.issuer, "sub": user, "aud": self.service, "nbf": now - 300, "iat": now - 300,
                  "exp": now + self.lifetime - LEEWAY, "jti": str(self.served), "access": access}
        text = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
        return f"{text}.{b64(openssl('dgst', '-sha256', '-sign', self.key, data=text.encode()))}"

    def close(self):
        self.server.shutdown()
