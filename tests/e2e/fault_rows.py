"""A bundle behind registries that misbehave by a plan, for the tests of faults and of credentials."""

import json
import os

from faulty_registry import BASIC, Faulty

SECRETS = ("s3cret-word", BASIC.split()[1], "SIGNATURE")
EXIT = {"M1701": 75, "M1702": 1, "M1703": 1, "M1704": 1, "M1705": 75, "M1706": 4, "M1707": 4, "M1708": 5, "M1709": 10, "M1112": 10}
PARTS = {"manifest": "/manifests/", "any": ""}
SIZE = 4_000_000  # of the bundle's one big file


class Row:
    """One server, one plan. `fault(handler, n)`: the n-th request of the row's part (1, 2, …); true when it answered."""

    def __init__(self, name, part, fault, ends="ok", after=None, login=False):
        self.name, self.part, self.fault, self.ends, self.after, self.login = name, part, fault, ends, after, login


def bearer(realm):
    """A challenge; the token itself is asked for at the row's own server when the realm says HOST."""
    def answer(handler):
        host = handler.headers["Host"]
        return handler.reply(401, b"", [("WWW-Authenticate", f'Bearer realm="{realm.replace("HOST", host)}",service="s"')])
    return answer


def token_says(body):
    def fault(handler, _):
        if "/token" in handler.path:
            return handler.reply(200, body)
        return bearer("http://HOST/token")(handler)
    return fault


class Rows:
    def __init__(self, home):
        folder = home.model("demo/big", pack=False, files={"weights.bin": os.urandom(SIZE)})
        self.store = home.home / "data"
        self.digest = home.mrun("pack", folder).out.strip()
        layers = json.loads((self.store / "blobs/sha256" / self.digest.removeprefix("sha256:")).read_text())["layers"]
        self.big = max(layers, key=lambda layer: layer["size"])["digest"]
        assert max(layer["size"] for layer in layers) == SIZE, layers  # one piece

    def serve(self, row):
        faulty, count = Faulty(self.store), iter(range(1, 1_000_000))
        part = PARTS.get(row.part, self.big)
        faulty.plan = lambda handler: part in handler.path and row.fault(handler, next(count))
        return faulty

    def check(self, row, command, other, faulty, env):
        if row.ends == "ok":
            outcome = other.try_mrun(*command, env=env, timeout=100)
            assert outcome.code == 0, outcome
        else:
            outcome = other.fails(row.ends, EXIT[row.ends], *command, env=env, timeout=100)
        assert not any(secret in outcome.out + outcome.err for secret in SECRETS), outcome
        if row.after:
            row.after(faulty, self.big)
        return outcome

    def config(self, row, other, host):
        folder = other.path / "docker"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": BASIC.split()[1]}}} if row.login else {}))
        return {"DOCKER_CONFIG": str(folder), "MRUN_LOG": "debug"}
