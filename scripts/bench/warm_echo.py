"""(b) A warm echo prediction over a kept-alive connection, its row committed, beside coglet and the floors.

The floors, measured in the same run: two socket hops (client to daemon, daemon to worker: an AF_UNIX round trip each)
and one SQLite commit (WAL, synchronous NORMAL) of a row of that size.
usage: scripts/bench/run warm_echo [requests]
"""

import http.client
import json
import os
import socket
import sqlite3
import statistics
import sys
import tempfile
import threading
import time

import lib

BODY = json.dumps({"version": "bench/echo", "input": {"text": "hello"}})
HEADERS = {"Content-Type": "application/json", "Prefer": "wait"}


class MrunEcho:
    def __init__(self):
        self.home = lib.harness.Home()
        self.home.model("bench/echo")
        self.home.mrun("daemon", "start")
        self.connection = lib.harness.UnixConnection(self.home.socket, 30)

    def ask(self):
        start = time.perf_counter()
        self.connection.request("POST", "/v1/predictions", BODY, HEADERS)
        reply = self.connection.getresponse()
        body = reply.read()
        seconds = time.perf_counter() - start
        assert reply.status == 201 and b'"succeeded"' in body, body
        return seconds


class CogletEcho:
    def __init__(self):
        self.peer = lib.coglet("echo_predict.py")
        self.peer.first_reply()
        self.connection = http.client.HTTPConnection("127.0.0.1", int(self.peer.url.split(":")[2].split("/")[0]))

    def ask(self):
        while True:
            start = time.perf_counter()
            self.connection.request("POST", "/predictions", self.peer.body, {"Content-Type": "application/json"})
            body = self.connection.getresponse().read()
            seconds = time.perf_counter() - start
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
