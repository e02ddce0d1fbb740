"""A base model and five fine-tunes of it: bytes on the disk of the store and of the registry, what pushing again costs, and
what a fine-tune, an edit of the header and an inserted tensor move on the wire.

    scripts/bench/run family [ROUNDS] [MIB]

Each fine-tune changes the last two of 32 layers and every norm, as one that freezes the rest does. One that changes every
weight shares nothing with its base, here as anywhere.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import lib

sys.path.insert(0, str(lib.ROOT / "tests/e2e"))
from registry_server import Registry  # noqa: E402
from slow_link import SlowLink  # noqa: E402

LAYERS, TUNED, FINE_TUNES = 32, 2, 5


def tensors(mib, tune):
    """[(name, bytes, seed)]; `tune` 0 is the base."""
    out = []
    for layer in range(LAYERS):
        seed = layer + (1_000 * tune if layer >= LAYERS - TUNED else 0)
        for part, share in (("attention", 1), ("mlp", 2)):
            out.append((f"layers.{layer:02}.{part}.weight", mib * lib.CHUNK * share // (3 * LAYERS), 10 * seed + share))
        out.append((f"layers.{layer:02}.norm.weight", 16 * 1024, 1_000_000 * (tune + 1) + layer))
    return out


def changes(mib):
    """name -> (bytes that changed, tensors, a note of the header)"""
    base = tensors(mib, 0)
    tuned = base[:-1] + [(base[-1][0], base[-1][1], 99_998)]
    tuned[-2] = (base[-2][0], base[-2][1], 99_999)
    added = ("added.weight", 5 * lib.CHUNK, 77_777)
    return {"last layer fine-tuned": (tuned[-1][1] + tuned[-2][1], tuned, None), "header edited": (0, base, "a note"),
            "tensor inserted": (added[1], base[:7] + [added] + base[7:], None)}


def on_disk(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    mib = int(sys.argv[2]) if len(sys.argv) > 2 else 256
    program = pathlib.Path(os.environ["MRUN_BUILD"]) / "bin/mrun"
    with tempfile.TemporaryDirectory(prefix="mrun-bench-", dir=os.environ.get("MRUN_BENCH_DIR")) as folder:
        folder = pathlib.Path(folder)
        environment = os.environ | {"MRUN_HOME": str(folder / "home"), "HOME": str(folder)}
        registry = Registry(folder / "registry")

        def mrun(*arguments, home="home"):
            done = subprocess.run([program, *map(str, arguments), "--json"], env=environment | {"MRUN_HOME": str(folder / home)},
                                  stdout=subprocess.PIPE, check=True)
            return json.loads(done.stdout)

        def timed(*arguments):
            began = time.perf_counter()
            mrun(*arguments)
            return time.perf_counter() - began

        link = SlowLink(registry.port)

        def carried(way, *arguments, **options):
            """Bytes that all connections carried up (0) or down (1) for a command."""
            before = link.moved[way]
            mrun(*arguments, **options)
            return link.moved[way] - before

        model = folder / "model"
        model.mkdir()
        weights = model / "model.safetensors"
        remote = f"{registry.host}/bench/family"
        rows, changed = [], 0
        try:
            for tune in range(FINE_TUNES + 1):
                lib.safetensors(weights, tensors(mib, tune))
                (model / "mrun.yaml").write_text("mrun: 1\nname: bench/family\nengine: echo\nfiles: [model.safetensors]\noutput: {type: any}\n")
                packed = mrun("pack", model, "-t", f"bench/family:v{tune}")
                pushed = mrun("push", f"bench/family:v{tune}", f"{remote}:v{tune}")
                rows.append({"size_bytes": weights.stat().st_size, "new_bytes": packed["new_bytes"], "sent_bytes": pushed["sent_bytes"]})
            base = dict((name, seed) for name, _, seed in tensors(mib, 0))
            changed = sum(size for name, size, seed in tensors(mib, 1) if base[name] != seed)
            samples = lib.rounds({"push, nothing changed": lambda: timed("push", f"bench/family:v{FINE_TUNES}", f"{remote}:v{FINE_TUNES}"),
                                  "a request of the registry": lambda: timed("tags", remote)}, count)
            sizes = {"six files": sum(row["size_bytes"] for row in rows), "the store": on_disk(folder / "home/data/blobs"),
                     "the registry": on_disk(registry.folder)}
            moved = {}
            for name, (bytes_, after, note) in changes(mib).items():
                there = f"{link.host}/bench/wire"
                for content, words in ((tensors(mib, 0), None), (after, note)):
                    lib.safetensors(weights, content, words)
                    mrun("pack", model, "-t", "bench/wire")
                    up, down = carried(0, "push", "bench/wire", there), carried(1, "pull", there, "-f", home="other")
                moved[name] = {"changed_bytes": bytes_, "sent_bytes": up, "fetched_bytes": down}
        finally:
            link.close()
            registry.close()
        print(f"\nEach fine-tune changes {changed:,} of {rows[0]['size_bytes']:,} bytes.\n\n| version | new in the store | sent |\n|---|---|---|")
        for tune, row in enumerate(rows):
            print(f"| {'base' if tune == 0 else f'fine-tune {tune}'} | {row['new_bytes']:,} | {row['sent_bytes']:,} |")
        print("\n| change | bytes that changed | more on the wire by push | by pull |\n|---|---|---|---|")
        for name, row in moved.items():
            changed_bytes = row["changed_bytes"]
            print(f"| {name} | {changed_bytes:,} | {row['sent_bytes'] - changed_bytes:,} | {row['fetched_bytes'] - changed_bytes:,} |")
        print("\n| where | bytes | of six files |\n|---|---|---|")
        for name, size in sizes.items():
            print(f"| {name} | {size:,} | {size / sizes['six files']:.2f} |")
        print()
        lib.table(samples, base="a request of the registry")
        lib.write("family", {"rows": rows, "sizes": sizes, "changed_bytes": changed, "moved": moved, "samples_s": samples})


main()
