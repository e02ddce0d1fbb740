"""A base model and five fine-tunes of it: bytes on the disk of the store and of the registry, and what pushing again costs.

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

        def mrun(*arguments):
            done = subprocess.run([program, *map(str, arguments), "--json"], env=environment, stdout=subprocess.PIPE, check=True)
            return json.loads(done.stdout)

        def timed(*arguments):
            began = time.perf_counter()
            mrun(*arguments)
            return time.perf_counter() - began

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
        finally:
            registry.close()
        print(f"\nEach fine-tune changes {changed:,} of {rows[0]['size_bytes']:,} bytes.\n\n| version | new in the store | sent |\n|---|---|---|")
        for tune, row in enumerate(rows):
            print(f"| {'base' if tune == 0 else f'fine-tune {tune}'} | {row['new_bytes']:,} | {row['sent_bytes']:,} |")
        print("\n| where | bytes | of six files |\n|---|---|---|")
        for name, size in sizes.items():
            print(f"| {name} | {size:,} | {size / sizes['six files']:.2f} |")
        print()
        lib.table(samples, base="a request of the registry")
        lib.write("family", {"rows": rows, "sizes": sizes, "changed_bytes": changed, "samples_s": samples})


main()
