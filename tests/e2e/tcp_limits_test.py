"""Goal: over TCP neither a slow peer, nor a large one, nor many of them keep others from being served."""

import contextlib
import json

from harness import run, wait_for
from tcp_door import Door, read_to_end

MAX_CONNECTIONS = 256  # k_max_tcp_connections


def status_of(received):
    return int(received.split(b" ", 2)[1])


def large(door, token):
    head = f"GET /v1/account HTTP/1.1\r\nHost: {door.host}\r\nAuthorization: Bearer {token}\r\n".encode()
    for more in (b"X-Big: " + b"x" * 20_000, b"X-Many: 1\r\n" * 70):
        for begin in (head, b"GET / HTTP/1.1\r\n"):
            received = read_to_end(door.raw(begin + more + b"\r\n\r\n"))
            assert status_of(received) == 413 and b"M1509" in received and b"Connection: close" in received, received
    # A head without an end costs no more memory than one with it.
    with door.raw() as connection:
        with contextlib.suppress(ConnectionError):
            for _ in range(64):
                connection.sendall(b"x" * 4096)
        with contextlib.suppress(ConnectionError):
            assert status_of(read_to_end(connection)) in (400, 413)
    # A body is refused by its length before it is sent, and before that its sender must be known.
    for credentials, status in ((f"Authorization: Bearer {token}\r\n", 413), ("", 401)):
        request = (f"POST /v1/predictions HTTP/1.1\r\nHost: {door.host}\r\n{credentials}"
                   f"Content-Type: application/json\r\nContent-Length: {1 << 30}\r\n\r\n")
        received = read_to_end(door.raw(request.encode()))
        assert status_of(received) == status, received
    for broken in (b"GET / HTTP/1.1\nHost: x\n\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                   b"GET / HTTP/1.1\r\n\r\n", b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
                   b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"):
        received = read_to_end(door.raw(broken))
        assert status_of(received) == 400, received


def slow(door):
    """Heads that come a byte at a time, or not at all, have 10 s; meanwhile others are served."""
    token = door.token("patient")
    dripping = [door.raw(b"GET / HTTP/1.1\r\n") for _ in range(20)]
    silent = door.raw()
    sent = 0

    def answered():
        nonlocal sent
        for connection in dripping:
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"X")
        sent += 1
        assert door.ask("GET", "/v1/account", token).status == 200
        dripping[0].settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            return dripping[0].recv(65536)
        return None

    received = wait_for(answered, 60, "the slow peers to be refused")
    assert status_of(received) == 408 and b"M1520" in received and sent > 1, received
    assert read_to_end(silent) == b""


def many(home, door):
    token = door.token("many")
    held = [door.raw(b"G") for _ in range(MAX_CONNECTIONS)]
    # Accepted in order: when the last one's turn is over, the next is one too many.
    with door.raw() as more:
        received = read_to_end(more)
    assert status_of(received) == 503 and b"M1602" in received and b"over TCP" in received, received
    assert home.api("GET", "/healthz").status == 200, "the Unix socket has room of its own"
    home.mrun("predict", "test/echo")
    for connection in held:
        connection.close()
    wait_for(lambda: door.ask("GET", "/v1/account", token).status == 200, 20, "room for the next")


def main(home):
    home.model("test/echo")
    door = Door(home)
    token = door.token("app")
    large(door, token)
    many(home, door)
    slow(door)
    assert json.loads(door.ask("GET", "/healthz", token).body) == {"status": "ok"}


run(main)
