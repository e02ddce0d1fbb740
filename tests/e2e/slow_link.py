"""A TCP link to a server on loopback that can be made slow, and can be cut after a number of bytes."""

import contextlib
import socket
import threading
import time


class SlowLink:
    def __init__(self, port, up=None, down=None):
        """`up`, `down`: bytes per second of each connection; None: as fast as it goes."""
        self.target, self.rates = port, (up, down)
        self.cut_at, self.cuts = 0, 0  # so many connections break when they have carried so many bytes up
        self.connections = 0
        self.moved = [0, 0]     # bytes up and down
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.host = f"localhost:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                self.connections += 1
                for way, (source, sink) in enumerate(((near, far), (far, near))):
                    threading.Thread(target=self.pump, args=(way, source, sink), daemon=True).start()

    def pump(self, way, source, sink):
        passed, rate, began = 0, self.rates[way], time.monotonic()
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if way == 0 and self.cuts and passed + len(data) >= self.cut_at:
                    self.cuts -= 1
                    break
                sink.sendall(data)
                passed += len(data)
                self.moved[way] += len(data)
                if rate:
                    time.sleep(max(0, began + passed / rate - time.monotonic()))
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # wakes the other way, too
                end.close()

    def close(self):
        self.listener.close()
