"""Goal: verify looks at what the index names beside versions: a signature that a pull kept, another tool's manifest."""

import hashlib
import json
import subprocess

from harness import Home, run
from registry_server import Registry


def main(home):
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", home.path / "key.pem"], check=True, capture_output=True)
    (home.path / "key.pem").chmod(0o600)
    public = home.path / "key.pub"
    subprocess.run(["openssl", "pkey", "-in", home.path / "key.pem", "-pubout", "-out", public], check=True)
    registry, other = Registry(home.path / "registry"), Home()
    try:
        home.model("demo/echo", files={"label.txt": "one"})
        remote = f"{registry.host}/demo/echo"
        home.mrun("push", "demo/echo", remote, "--sign", home.path / "key.pem")
        other.mrun("pull", remote, "--key", public)
        other.mrun("verify", "--all")
        blobs = other.home / "data/blobs/sha256"
        entry, = [e for e in json.loads((other.home / "data/index.json").read_text())["manifests"] if "run.mrun.subject" in e["annotations"]]
        manifest = blobs / entry["digest"].removeprefix("sha256:")
        bundle = blobs / json.loads(manifest.read_text())["layers"][0]["digest"].removeprefix("sha256:")
        for blob, damage in ((bundle, "gone"), (manifest, "gone"), (bundle, "changed"), (manifest, "changed")):
            content = blob.read_bytes()
            blob.unlink()
            if damage == "changed":
                blob.write_bytes(content[:-1] + b" ")
            found = other.fails("M1205", 10, "verify", "--all")
            assert blob.name in found.out and "needed by demo/echo:latest" in found.out, found
            assert "--key PUB brings the signature along again" in found.err, found
            other.mrun("pull", remote, "--key", public)  # mends it
            other.mrun("verify", "--all")
            assert blob.read_bytes() == content
        # The version itself is whole, and so is what is asked for by name.
        bundle.unlink()
        other.mrun("verify", "demo/echo")
        other.mrun("pull", remote, "--key", public)
        of_other_tools(other)
    finally:
        other.close()
        registry.close()


def of_other_tools(other):
    """A manifest without a name that another tool put into the index."""
    index = other.home / "data/index.json"
    listed = json.loads(index.read_text())
    blob = b'{"of": "another tool"}'
    digest = hashlib.sha256(blob).hexdigest()
    (other.home / "data/blobs/sha256" / digest).write_bytes(blob)
    manifest = json.dumps({"schemaVersion": 2, "config": {"digest": f"sha256:{digest}", "size": len(blob)}, "layers": []}).encode()
    name = hashlib.sha256(manifest).hexdigest()
    (other.home / "data/blobs/sha256" / name).write_bytes(manifest)
    listed["manifests"].append({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": f"sha256:{name}", "size": len(manifest)})
    index.write_text(json.dumps(listed))
    other.mrun("verify", "--all")
    (other.home / "data/blobs/sha256" / digest).unlink()
    found = other.fails("M1205", 10, "verify", "--all")
    assert digest in found.out and f"needed by manifest {name[:12]}" in found.out, found


run(main)
