"""push and pull beside skopeo, through the same docker-registry on loopback; peak memory at two sizes.

    scripts/bench/run registry_transfer [ROUNDS] [GB] [LARGE_GB]

Each contender ends with a verified copy that is on the disk: mrun fsyncs every blob, for skopeo the script does it, on the
clock. The limit beside them is the same bytes read by plain sockets on as many connections, thrown away (`read`), and the
same written and fsynced as well (`read, write`): no hash in either.
"""

import concurrent.futures
import http.client
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import lib

sys.path.insert(0, str(lib.ROOT / "tests/e2e"))
from peak import run_for_peak  # noqa: E402
from registry_server import Registry  # noqa: E402

CHUNK = 1 << 20
CONNECTIONS = 4


class Bench:
    def __init__(self, folder):
        self.folder = folder
        self.registry = Registry(folder / "registry")
        self.program = pathlib.Path(os.environ["MRUN_BUILD"]) / "bin/mrun"
        self.homes = 0

    def mrun(self, home, *arguments):
        """(seconds, peak resident bytes) of one command."""
        environment = os.environ | {"MRUN_HOME": str(home), "HOME": str(self.folder)}
        return run_for_peak([self.program, *arguments], env=environment)

    def model(self, name, size):
        """Packs random bytes of that size; returns the home."""
        model = self.folder / name
        model.mkdir()
        (model / "mrun.yaml").write_text(f"mrun: 1\nname: bench/{name}\nengine: echo\nfiles: [weights.bin]\noutput: {{type: any}}\n")
        with open(model / "weights.bin", "wb") as out:
            for _ in range(size // CHUNK):
                out.write(os.urandom(CHUNK))
        home = self.folder / f"home-{name}"
        self.mrun(home, "pack", model)
        shutil.rmtree(model)
        return home

    def fresh(self, name):
        self.homes += 1
        folder = self.folder / f"{name}-{self.homes}"
        return folder

    def pull(self, remote):
        home = self.fresh("pulled")
        took = self.mrun(home, "pull", remote)
        shutil.rmtree(home)
        return took

    def skopeo(self, remote):
        layout = self.fresh("layout")
        began = time.perf_counter()
        subprocess.run(["skopeo", "copy", "--src-tls-verify=false", f"docker://{remote}:latest", f"oci:{layout}:x"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for file in layout.rglob("*"):
            if file.is_file():
                with open(file, "rb") as opened:
                    os.fsync(opened.fileno())
        took = time.perf_counter() - began
        shutil.rmtree(layout)
        return took

    def read(self, name, digests, write):
        """The layers over plain connections; `write`: into files that are fsynced."""
        target = self.fresh("plain")
        target.mkdir()

        def one(digest):
            connection = http.client.HTTPConnection("127.0.0.1", self.registry.port)
            connection.request("GET", f"/v2/bench/{name}/blobs/{digest}")
            reply = connection.getresponse()
            buffer = bytearray(CHUNK)
            with open(target / digest[7:], "wb", buffering=0) as out:
                while count := reply.readinto(buffer):
                    if write:
                        out.write(memoryview(buffer)[:count])
                os.fsync(out.fileno())
        began = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(one, digests))
        took = time.perf_counter() - began
        shutil.rmtree(target)
        return took

    def layers(self, home):
        index = json.loads((home / "data/index.json").read_text())
        manifest = home / "data/blobs/sha256" / index["manifests"][0]["digest"][7:]
        return [layer["digest"] for layer in json.loads(manifest.read_text())["layers"]]


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    sizes = [int(float(text) * 1e9) for text in (sys.argv[2:4] or ["1", "4"])]
    with tempfile.TemporaryDirectory(prefix="mrun-bench-", dir=os.environ.get("MRUN_BENCH_DIR")) as folder:
        bench = Bench(pathlib.Path(folder))
        try:
            peaks = {}
            name = "one"
            remote = f"{bench.registry.host}/bench/{name}"
            home = bench.model(name, sizes[0])
            peaks["push, first size"] = bench.mrun(home, "push", f"bench/{name}", remote)[1]
            layers = bench.layers(home)
            peaks["pull, first size"] = bench.pull(remote)[1]
            samples = lib.rounds({
                "skopeo copy, then fsync": lambda: bench.skopeo(remote),
                "mrun pull": lambda: bench.pull(remote)[0],
                "read, write": lambda: bench.read(name, layers, True),
                "read": lambda: bench.read(name, layers, False)}, count)
            print(f"\n{sizes[0] / 1e9:.2f} GB in {len(layers)} layers\n")
            lib.table(samples, base="skopeo copy, then fsync")
            if len(sizes) > 1:
                large = bench.model("large", sizes[1])
                remote = f"{bench.registry.host}/bench/large"
                peaks["push, second size"] = bench.mrun(large, "push", "bench/large", remote)[1]
                peaks["pull, second size"] = bench.pull(remote)[1]
            for what, peak in peaks.items():
                print(f"peak memory, {what}: {peak / 1e6:.1f} MB")
            lib.write("registry_transfer", {"sizes_bytes": sizes, "layers": len(layers), "samples_s": samples, "peak_bytes": peaks})
        finally:
            bench.registry.close()


main()
