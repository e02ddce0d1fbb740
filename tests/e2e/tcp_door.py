"""The daemon's TCP door, for the tests that go through it."""

import http.client
import json
import socket

from harness import Reply


class Door:
    """A daemon that listens at a free port of the loopback."""

    def __init__(self, home, *flags, address="tcp://127.0.0.1:0"):
        self.home = home
        home.mrun("daemon", "start", "--listen", address, *flags)
        self.address = home.mrun("daemon", "status", "--json").json()["listen"][0]
        self.host = self.address.removeprefix("tcp://")
        self.port = int(self.host.rsplit(":", 1)[1])
        self.url = f"http://{self.host}"

    def token(self, name, *flags):
        return self.home.mrun("token", "create", name, *flags, "-q").out.strip()

    def ask(self, method, path, token=None, body=None, headers=None, connect_to="127.0.0.1", timeout=60):
        """One request. A dict body goes as JSON; `token` as Bearer."""
        headers = {"Host": self.host} | (headers or {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if isinstance(body, dict):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(connect_to, self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return Reply(reply.status, dict((k.lower(), v) for k, v in reply.getheaders()), reply.read())
        finally:
            connection.close()

    def refused(self, status, code, *args, **options):
        """A request that must be refused so: as a problem object, with nothing that lets a page read it."""
        reply = self.ask(*args, **options)
        assert reply.status == status and reply.json()["code"] == code, reply
        assert reply.headers["content-type"] == "application/problem+json", reply
        assert reply.json()["status"] == status and reply.json()["title"] and reply.json()["detail"], reply
        assert not [name for name in reply.headers if name.startswith("access-control-")], reply
        return reply

    def raw(self, data=b"", timeout=60):
        """A connection that has sent `data`."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        connection.sendall(data)
        return connection


def read_to_end(connection):
    """What comes until the other side closes."""
    received = b""
    while part := connection.recv(65536):
        received += part
    return received
