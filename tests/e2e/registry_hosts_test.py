"""Goal: registries whose chunked uploads differ from the specification get a large blob in one piece: ghcr.io, Google's, Amazon's.

They are recognised by their names, so a proxy of this machine stands in for them all, with certificates of an authority
that this test trusts.
"""

import os

from connect_proxy import Proxy
from faulty_registry import Faulty
from harness import run

MIB = 1 << 20
SIZE = 65 * MIB  # above what an ordinary registry gets at once
HABITS = {  # what a PATCH gets there
    "ghcr.io": lambda handler: handler.unread() > 4 * MIB and handler.reply(416),
    "europe-docker.pkg.dev": lambda handler: handler.reply(405),
    "gcr.io": lambda handler: handler.reply(405),
    "eu.gcr.io": lambda handler: handler.reply(405),
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com": lambda handler: handler.body() and handler.reply(201),
    "public.ecr.aws": lambda handler: handler.body() and handler.reply(201),
    "registry.example.com": lambda handler: False,
}


def main(home):
    registries = {host: Faulty() for host in HABITS}
    for host, registry in registries.items():
        registry.plan = lambda handler, host=host: handler.command == "PATCH" and HABITS[host](handler)
    proxy = Proxy(home.path, registries)
    folder = home.model("demo/big", pack=False, files={"weights.bin": os.urandom(SIZE)})
    home.mrun("pack", folder)
    try:
        for host, registry in registries.items():
            home.mrun("push", "demo/big", f"{host}/demo/big", "--format", "modelpack", env=proxy.env, timeout=200)
            assert SIZE in map(len, registry.blobs.values()), (host, [len(blob) for blob in registry.blobs.values()])
            chunks = [path for method, path, _, _ in registry.seen if method == "PATCH"]
            assert bool(chunks) == (host == "registry.example.com"), (host, chunks)
    finally:
        proxy.shutdown()
        for registry in registries.values():
            registry.close()


run(main)
