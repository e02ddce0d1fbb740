"""pack and re-pack: GB/s against this machine's SHA-256, and what a changed model adds to the store.

    scripts/bench/run pack [ROUNDS] [MIB]

The limit is `sha256` of the same bytes from the page cache on all cores at once, in the same run. A pack reads each byte
once, hashes it, and writes it: on a disk that is slower than the hash, the disk is the limit, so a plain parallel copy
with fsync is measured beside it.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import lib


def hash_range(path, begin, end):
    """Worker of the limit: reads and hashes a part."""
    digest = hashlib.sha256()
    buffer = bytearray(lib.CHUNK)
    with open(path, "rb", buffering=0) as source:
        source.seek(begin)
        while begin < end:
            got = source.readinto(memoryview(buffer)[:min(lib.CHUNK, end - begin)])
            digest.update(memoryview(buffer)[:got])
            begin += got


def copy_range(path, target, begin, end):
    with open(path, "rb", buffering=0) as source, open(f"{target}-{begin}", "wb", buffering=0) as out:
        source.seek(begin)
        while begin < end:
            bytes_ = source.read(min(lib.CHUNK, end - begin))
            out.write(bytes_)
            begin += len(bytes_)
        os.fsync(out.fileno())


def parallel(pool, work, size):
    cores = os.cpu_count()
    cuts = [size * i // (cores * 8) for i in range(cores * 8 + 1)]
    began = time.perf_counter()
    for done in [pool.submit(work, *pair) for pair in zip(cuts, cuts[1:])]:
        done.result()
    return time.perf_counter() - began


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    mib = int(sys.argv[2]) if len(sys.argv) > 2 else 1024
    with tempfile.TemporaryDirectory(prefix="mrun-bench-", dir=os.environ.get("MRUN_BENCH_DIR")) as folder, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        folder = pathlib.Path(folder)
        model = folder / "model"
        model.mkdir()
        (model / "mrun.yaml").write_text("mrun: 1\nname: bench/pack\nengine: echo\nfiles: [model.safetensors]\noutput: {type: any}\n")
        weights = model / "model.safetensors"
        tensors = [(f"layer.{i}.weight", 16 * lib.CHUNK, i) for i in range(mib // 17)]
        tensors += [(f"layer.{i}.bias", 64 * 1024, 10_000 + i) for i in range((mib - 16 * (mib // 17)) * 16)]
        lib.safetensors(weights, tensors)
        size = weights.stat().st_size
        home = folder / "home"
        program = pathlib.Path(os.environ["MRUN_BUILD"]) / "bin/mrun"
        environment = {**os.environ, "MRUN_HOME": str(home)}

        def pack():
            began = time.perf_counter()
            reply = subprocess.run([program, "pack", model, "--json"], env=environment, stdout=subprocess.PIPE, check=True)
            return time.perf_counter() - began, json.loads(reply.stdout)

        def fresh_pack():
            shutil.rmtree(home, ignore_errors=True)
            return pack()[0]

        def pack_unread():
            shutil.rmtree(home / "cache", ignore_errors=True)
            return pack()[0]

        def copy():
            target = folder / "copy"
            target.mkdir()
            took = parallel(pool, lambda begin, end: copy_range(weights, target / "part", begin, end), size)
            shutil.rmtree(target)
            return took

        time.sleep(0.2)  # files younger than that are not noted
        samples = lib.rounds({"sha256 on all cores": lambda: parallel(pool, lambda b, e: hash_range(weights, b, e), size),
                              "copy and fsync on all cores": copy, "pack, empty store": fresh_pack,
                              "pack, same files, read again": pack_unread, "pack, unchanged": lambda: pack()[0]}, count)
        print(f"\n{size / 1e9:.2f} GB\n")
        lib.table(samples, base="sha256 on all cores")
        limit = lib.summary(samples["sha256 on all cores"])["median"]
        for name, taken in samples.items():
            median = lib.summary(taken)["median"]
            print(f"{name}: {size / median / 1e9:.2f} GB/s, {limit / median:.2f} of the hash limit")

        print("\n| change | bytes that changed | new in the store | more than the change |\n|---|---|---|---|")
        changes = {}

        def change(name, changed, *arguments):
            shutil.rmtree(home, ignore_errors=True)
            lib.safetensors(weights, tensors)
            pack()
            lib.safetensors(weights, *arguments)
            new = pack()[1]["new_bytes"]
            changes[name] = {"changed_bytes": changed, "new_bytes": new}
            print(f"| {name} | {changed:,} | {new:,} | {new - changed:,} |")

        tuned = tensors[:]
        last = len([t for t in tensors if "weight" in t[0]]) - 1
        tuned[last] = (tensors[last][0], tensors[last][1], 99_999)
        tuned[-1] = (tensors[-1][0], tensors[-1][1], 99_998)
        change("last layer fine-tuned", tuned[last][1] + tuned[-1][1], tuned)
        change("header edited", 0, tensors, "a note")
        inserted = tensors[:3] + [("new.weight", 5 * lib.CHUNK, 77_777)] + tensors[3:]
        change("tensor inserted", 5 * lib.CHUNK, inserted)
        lib.write("pack", {"size_bytes": size, "samples_s": samples, "changes": changes})


main()
