"""Debian's docker-registry on a free loopback port, with or without a password."""

import http.client
import pathlib
import shutil
import socket
import subprocess

from harness import wait_for


class Registry:
    def __init__(self, folder, user=None, password=None):
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

    def requests(self):
        """The request lines since the last call."""
        self.log.flush()
        text = (self.folder / "log").read_text()
        fresh, self.seen = text[getattr(self, "seen", 0):], len(text)
        return [line.split('"')[1] for line in fresh.splitlines() if '"' in line and " HTTP/1" in line and "level=" not in line]

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
