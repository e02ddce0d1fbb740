"""Goal: a model that is cut into pieces goes through skopeo, out of a registry and out of the store, and comes back byte
for byte: segments, recipe and digest."""

import os
import pathlib
import subprocess

from harness import Home, run
from model_files import safetensors
from registry_server import Registry

MIB = 1 << 20


def skopeo(source, target):
    subprocess.run(["skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--preserve-digests", source, target],
                   check=True, capture_output=True)


def blobs(folder):
    """name -> content, of an OCI layout."""
    return {path.name: path.read_bytes() for path in pathlib.Path(folder, "blobs/sha256").iterdir()}


def main(home):
    tensors = {f"t{i}": ("BF16", [2, MIB], os.urandom(4 * MIB)) for i in range(18)}
    tensors |= {f"small{i}": ("F32", [1000], os.urandom(4000)) for i in range(100)}
    folder = home.model("demo/cut", pack=False, files={"w.safetensors": safetensors(tensors), "label.txt": "one"})
    digest = home.mrun("pack", folder).out.strip()
    ours = blobs(home.home / "data")
    manifest = ours[digest.removeprefix("sha256:")]
    assert b"vnd.mrun.recipe" in manifest and manifest.count(b"vnd.mrun.segment") > 20
    registry, other = Registry(home.path / "registry"), Home()
    try:
        # Registry to layout to registry.
        home.mrun("push", "demo/cut", f"{registry.host}/demo/cut")
        layout = home.path / "layout"
        skopeo(f"docker://{registry.host}/demo/cut:latest", f"oci:{layout}:x")
        assert blobs(layout) == ours
        skopeo(f"oci:{layout}:x", f"docker://{registry.host}/copy/cut:x")
        assert other.mrun("pull", f"{registry.host}/copy/cut:x").out.strip() == digest
        assert blobs(other.home / "data") == ours
        other.mrun("verify", "--all")
        # What skopeo wrote loads, and the store itself is a layout that it reads.
        third = Home()
        try:
            version, = third.mrun("load", layout, "--json").json()["versions"]
            assert version["digest"] == digest, version
            assert blobs(third.home / "data") == ours
        finally:
            third.close()
        skopeo(f"oci:{home.home}/data:demo/cut:latest", f"docker://{registry.host}/store/cut:x")
        assert other.mrun("pull", f"{registry.host}/store/cut:x").out.strip() == digest
        other.mrun("predict", "copy/cut:x", "-i", "text=hi")
    finally:
        other.close()
        registry.close()


run(main)
