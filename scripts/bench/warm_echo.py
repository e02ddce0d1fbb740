"""(b) A warm echo prediction over a kept-alive connection, its row committed, beside coglet and the floors.

The floors, measured in the same run: two socket hops (client to daemon, daemon to worker: an AF_UNIX round trip each)
and one SQLite commit (WAL, synchronous NORMAL) of a row of that size.
usage: scripts/bench/run warm_echo [requests]
"""

import json
import os
import socket
import sqlite3
import statistics
import sys
import tempfile
import time

import lib

BODY = json.dumps({"version": "bench/echo", "input": {"text": "hello"}})
HEADERS = {"Content-Type": "application/json", "Prefer": "wait"}


class Client:
    """A kept-alive HTTP connection that costs next to nothing: one prepared request, a reply with Content-Length."""

    def __init__(self, family, address, path, body, headers):
        self.socket = socket.socket(family)
        self.socket.connect(address)
        lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
        self.request = ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def ask(self):
        """(seconds, reply)"""
        start = time.perf_counter()
        self.socket.sendall(self.request)
        reply = self.socket.recv(65536)
        while b"\r\n\r\n" not in reply:
            reply += self.socket.recv(65536)
        head, body = reply.split(b"\r\n\r\n", 1)
        length = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")).split(b":")[1])
        while len(body) < length:
            body += self.socket.recv(65536)
        return time.perf_counter() - start, body


class MrunEcho:
    def __init__(self):
        self.home = lib.harness.Home()
        self.home.model("bench/echo")
        self.home.mrun("daemon", "start")
        self.client = Client(socket.AF_UNIX, str(self.home.socket), "/v1/predictions", BODY, HEADERS)

    def ask(self):
        seconds, body = self.client.ask()
        assert b'"succeeded"' in body, body
        return seconds


class CogletEcho:
    def __init__(self):
        self.peer = lib.coglet("echo_predict.py")
        self.peer.first_reply()
        port = int(self.peer.url.split(":")[2].split("/")[0])
        self.client = Client(socket.AF_INET, ("127.0.0.1", port), "/predictions", self.peer.body.decode(), {"Content-Type": "application/json"})

    def ask(self):
        while True:
            seconds, body = self.client.ask()
            if b"At capacity" in body:  # it answers before its slot is free again; not counted against it
                time.sleep(0.001)
                continue
            assert b'"succeeded"' in body, body
            return seconds


class SocketHop:
    """An AF_UNIX round trip of the reply's size between two processes."""

    def __init__(self):
        self.near, far = socket.socketpair()
        if os.fork() == 0:
            self.near.close()  # so that it ends with its parent
            while True:
                data = far.recv(65536)
                if not data:
                    os._exit(0)
                far.sendall(data)
        far.close()
        self.payload = b"x" * 1000

    def ask(self):
        start = time.perf_counter()
        self.near.sendall(self.payload)
        got = 0
        while got < len(self.payload):
            got += len(self.near.recv(65536))
        return time.perf_counter() - start


class Commit:
    """One row of a prediction's size, committed."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.database = sqlite3.connect(self.folder.name + "/x.db", isolation_level=None)
        self.database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; CREATE TABLE t (id TEXT PRIMARY KEY, body TEXT);")
        self.next = 0

    def ask(self):
        self.next += 1
        start = time.perf_counter()
        self.database.execute("BEGIN IMMEDIATE")
        self.database.execute("INSERT INTO t VALUES (?, ?)", (str(self.next), "x" * 1500))
        self.database.execute("COMMIT")
        return time.perf_counter() - start


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    mrun, coglet = MrunEcho(), CogletEcho()
    contenders = {"mrun": mrun.ask, "coglet": coglet.ask, "floor: one AF_UNIX round trip": SocketHop().ask, "floor: one commit": Commit().ask}
    try:
        for ask in contenders.values():
            for _ in range(100):
                ask()
        samples = lib.rounds(contenders, count, progress=False)
    finally:
        mrun.home.close()
        coglet.peer.close()
    lib.table(samples, base="coglet")
    median = {name: statistics.median(values) for name, values in samples.items()}
    floors = 2 * median["floor: one AF_UNIX round trip"] + median["floor: one commit"]
    print(f"\nmrun p50 {median['mrun'] * 1e6:.0f} µs = {median['mrun'] / floors:.2f}x the floors' sum {floors * 1e6:.0f} µs, "
          f"{median['mrun'] / median['coglet']:.2f}x coglet")
    lib.write("warm_echo", {"samples_s": samples, "floors_s": floors})


main()
