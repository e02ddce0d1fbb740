"""Goal: a changed model costs its changed tensors on the wire, and at most 1 MiB more: pushed and pulled, from a real
registry, by the bytes of the connections."""

import json
import os
import struct

from harness import Home, run
from registry_server import Registry
from slow_link import SlowLink

MIB = 1 << 20
MORE = 1 * MIB


def safetensors(tensors, note=None):
    """tensors: [(name, bytes)], in this order."""
    header, at = {"__metadata__": {"note": note}} if note else {}, 0
    for name, content in tensors:
        header[name] = {"dtype": "U8", "shape": [len(content)], "data_offsets": [at, at + len(content)]}
        at += len(content)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(content for _, content in tensors)


def base():
    tensors = []
    for layer in range(20):
        tensors += [(f"layers.{layer}.weight", os.urandom(4 * MIB)), (f"layers.{layer}.norm", os.urandom(16 * 1024))]
    return tensors


def main(home):
    tensors = base()
    last, norm = tensors[-2:]
    tuned = tensors[:-2] + [(last[0], os.urandom(4 * MIB)), (norm[0], os.urandom(16 * 1024))]
    inserted = tensors[:6] + [("added.weight", os.urandom(5 * MIB))] + tensors[6:]
    registry = Registry(home.path / "registry")
    link = SlowLink(registry.port)
    try:
        for name, changed, file in (("tuned", 4 * MIB + 16 * 1024, safetensors(tuned)),
                                    ("header", 0, safetensors(tensors, "an edit")),
                                    ("inserted", 5 * MIB, safetensors(inserted))):
            moves(home, link, name, safetensors(tensors), file, changed)
    finally:
        link.close()
        registry.close()


def moves(home, link, name, before, after, changed):
    remote, other = f"{link.host}/demo/{name}", Home()
    folder = home.model(f"demo/{name}", pack=False, globs=["w.safetensors"])

    def carried(way, command):
        start = link.moved[way]
        command()
        return link.moved[way] - start

    try:
        (folder / "w.safetensors").write_bytes(before)
        home.mrun("pack", folder)
        home.mrun("push", f"demo/{name}", remote)  # what another repository of the registry has is mounted
        assert carried(1, lambda: other.mrun("pull", remote)) > len(before)
        (folder / "w.safetensors").write_bytes(after)
        digest = home.mrun("pack", folder).out.strip()
        sent = carried(0, lambda: home.mrun("push", f"demo/{name}", remote))
        fetched = carried(1, lambda: other.mrun("pull", remote))
        print(f"{name}: {changed} bytes changed, {sent - changed} more sent, {fetched - changed} more fetched")
        assert changed < sent < changed + MORE and changed < fetched < changed + MORE, (name, sent, fetched)
        assert other.mrun("show", f"demo/{name}", "--json").json()["digest"] == digest
        other.mrun("verify", "--all")
    finally:
        other.close()


run(main)
