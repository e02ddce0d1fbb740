"""Goal: a model leaves as one file and comes back the same, here, elsewhere and through skopeo; a hostile file is
refused, and nothing of it gets a name."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import time

from harness import Home, run

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LINKS = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)


def main(home):
    weights = os.urandom(3_000_000)
    folder = home.model("demo/echo", pack=False, files={"weights.bin": weights, "label.txt": "one"})
    digest = home.mrun("pack", folder).out.strip()
    home.model("demo/other")
    other = Home()
    try:
        round_trip(home, other, digest)
        several(home, other, folder)
        skopeo(home, other, digest)
        hostile(home)
    finally:
        other.close()


def round_trip(home, other, digest):
    # The same bytes each time, from each machine; only what the version needs.
    file = home.path / "echo.tar"
    saved = home.mrun("save", "demo/echo", "-o", file, "--json").json()
    assert saved["schema"] == "mrun.save/v1" and saved["size_bytes"] == file.stat().st_size, saved
    assert saved["versions"] == [{"digest": digest, "reference": "demo/echo:latest"}], saved
    piped = home.mrun("save", "demo/echo", binary=True).out
    assert piped == file.read_bytes()
    with tarfile.open(file) as tar:
        names = tar.getnames()
        assert names == sorted(names) and names[-2:] == ["index.json", "oci-layout"] and len(names) == 4 + 5, names
        assert all(entry.mtime == entry.uid == entry.gid == 0 and not entry.uname for entry in tar)

    # An existing file stays, unless told otherwise; a failure leaves nothing behind.
    home.fails("M1006", 2, "save", "demo/echo", "-o", file)
    home.mrun("save", "demo/echo", "-o", file, "-f")
    assert file.read_bytes() == piped
    home.fails("M1202", 5, "save", "demo/absent", "-o", home.path / "absent.tar")
    both = home.try_mrun("save", "demo/echo", "--json")
    assert both.code == 2 and "M1001" in both.err and both.out == "", both
    assert {path.name for path in home.path.glob("*.tar")} | set(home.path.glob(".mrun-output*")) == {"echo.tar"}

    # Not even a kill in its middle leaves anything.
    other_file = home.path / "killed.tar"
    for wait_ms in (0, 2, 5, 10, 20):
        command = home.start("save", "demo/echo", "-o", other_file, "-f")
        time.sleep(wait_ms / 1000)
        command.kill()
        command.communicate()
        assert not other_file.exists() or other_file.read_bytes() == piped
        assert not list(home.path.glob(".mrun-output*"))

    # Back: by file, by pipe, compressed.
    loaded = other.mrun("load", file, "--json").json()
    assert loaded["schema"] == "mrun.load/v1" and loaded["new_bytes"] > 3_000_000, loaded
    version, = loaded["versions"]
    assert version["digest"] == digest and version["reference"] == "demo/echo:latest" and version["previous"] is None
    assert other.mrun("save", "demo/echo", binary=True).out == piped
    other.mrun("predict", "demo/echo", "-i", "text=hi")
    other.mrun("verify", "--all")
    assert other.mrun("load", "-", "--json", input=piped, binary=True).out.count(b'"new_bytes":0') == 1
    fresh = Home()
    try:
        packed = home.path / "echo.tar.gz"
        packed.write_bytes(gzip.compress(piped, 1))
        assert fresh.mrun("load", packed, "me/mine:v2").out.strip() == digest
        assert [model["model"] for model in fresh.mrun("ls", "--json").json()["models"]] == ["me/mine"]
        squeezed = subprocess.run(["zstd", "-1", "-c", file], check=True, capture_output=True).stdout
        assert digest.encode() in fresh.mrun("load", "-", input=squeezed, binary=True).out
        # Without a tag it is kept under its digest.
        bare = home.mrun("save", f"demo/echo@{digest}", binary=True).out
        fresh.mrun("rm", "-y", "demo/echo:latest")
        said = fresh.try_mrun("load", "-", input=bare, binary=True)
        assert said.code == 0 and b"has no tag" in said.err, said
        fresh.mrun("show", f"demo/echo@{digest}")
        assert [(model["model"], model["tag"]) for model in fresh.mrun("ls", "--json").json()["models"]] == [("demo/echo", None), ("me/mine", "v2")]
    finally:
        fresh.close()


def several(home, other, folder):
    """Two versions share what they have in common; a name that means something else here is moved with -f only."""
    first = home.mrun("show", "demo/echo", "--json").json()["digest"]
    home.mrun("tag", "demo/echo", "demo/echo:v1")
    (folder / "label.txt").write_text("two")
    second = home.mrun("pack", folder).out.strip()
    both = home.path / "both.tar"
    home.mrun("save", "demo/echo:v1", "demo/echo", "demo/echo:v1", "-o", both)
    assert both.stat().st_size < 4_000_000
    home.mrun("save", "demo/echo", "demo/echo:v1", "-o", both, "-f")  # the order of the names does not matter
    refused = other.fails("M1712", 2, "load", both)
    assert first[7:19] in refused.err and "from a file" in refused.err, refused
    assert other.mrun("show", "demo/echo", "--json").json()["digest"] == first
    other.fails("M1001", 2, "load", both, "me/one")
    moved = other.mrun("load", both, "-f")
    assert "moved from" in moved.err and sorted(moved.out.split()) == sorted([first, second]), moved
    assert other.mrun("show", "demo/echo", "--json").json()["digest"] == second
    home.mrun("tag", "demo/echo:v1", "demo/echo:latest")


def skopeo(home, other, digest):
    """skopeo reads our file, and we read skopeo's: the digest stays."""
    def copy(source, target):
        subprocess.run(["skopeo", "copy", "--preserve-digests", source, target], check=True, capture_output=True)

    file = home.path / "for-skopeo.tar"
    home.mrun("save", "demo/echo", "-o", file)
    layout = home.path / "layout"
    copy(f"oci-archive:{file}:demo/echo:latest", f"oci:{layout}:x")
    index = json.loads((layout / "index.json").read_text())
    assert index["manifests"][0]["digest"] == digest, index
    back = home.path / "from-skopeo.tar"
    copy(f"oci:{layout}:x", f"oci-archive:{back}:x")
    for source, name in ((back, "demo/echo:x"), (layout, "demo/echo:x")):
        fresh = Home()
        try:
            version, = fresh.mrun("load", source, "--json").json()["versions"]
            assert version["digest"] == digest and version["reference"] == name, version
            fresh.mrun("verify", "--all")
        finally:
            fresh.close()
    blob = max((layout / "blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    blob.write_bytes(b"x" + blob.read_bytes()[1:])
    fresh = Home()
    try:
        assert blob.name in fresh.fails("M1112", 10, "load", layout).err
        blob.unlink()
        fresh.fails("M1112", 10, "load", layout)
        blob.symlink_to("/etc/passwd")
        fresh.fails("M1112", 10, "load", layout)
        fresh.fails("M1112", 10, "load", home.path)
    finally:
        fresh.close()


def tar(*entries):
    """An archive of (name, content or TarInfo type) pairs in this order."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            if content in LINKS:
                info.type, info.linkname = content, "../../etc/passwd"
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def hostile(home):
    """Whatever is wrong with an archive, it is said, the store stays whole, and no name appears."""
    with tarfile.open(home.path / "echo.tar") as archive:
        good = [(entry.name, archive.extractfile(entry).read()) for entry in archive if entry.isfile()]
    index = json.loads(dict(good)["index.json"])
    manifest_name = "blobs/sha256/" + index["manifests"][0]["digest"][7:]
    large_name, large = max(good, key=lambda entry: len(entry[1]))
    victim = Home()
    blank = "blobs/sha256/" + hashlib.sha256(b"").hexdigest()

    def without(*names):
        return [entry for entry in good if entry[0] not in names]

    def refused(code, exit_code, words, data):
        file = home.path / "hostile.tar"
        file.write_bytes(data)
        victim.mrun("gc", "-y")  # blobs that an earlier one brought would be taken as there
        outcome = victim.fails(code, exit_code, "load", file)
        assert words in outcome.err, (words, outcome)
        assert victim.mrun("ls", "--json").json()["models"] == [], words
        victim.mrun("verify", "--all")

    try:
        # Names and kinds.
        for name in ("../evil", "blobs/../../evil", "/etc/evil", "blobs/sha256/..", "a//b", "a\\b", "con\nevil"):
            refused("M1109", 2, "", tar((name, b"x"), *good))
        for kind in LINKS:
            refused("M1112", 10, "blobs/sha256/link", tar(("blobs/sha256/link", kind), *good))
        sparse = tarfile.TarInfo("blobs/sha256/" + "0" * 64)
        sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": sparse.name,
                              "GNU.sparse.realsize": str(1 << 60)}
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
            content = b"1\n0\n512\n".ljust(512, b"\0") + b"x" * 512
            sparse.size = len(content)
            archive.addfile(sparse, io.BytesIO(content))
        refused("M1112", 10, "sparse", out.getvalue())

        # Content.
        refused("M1112", 10, "has other content", tar((large_name, large[:-1] + b"?"), *without(large_name)))
        for name in ("index.json", "oci-layout"):
            refused("M1112", 10, "is there twice", tar(*good, *[entry for entry in good if entry[0] == name]))
        refused("M1112", 10, "is not whole", tar(*without(large_name)))
        refused("M1112", 10, "lacks the manifest", tar(*without(manifest_name)))
        refused("M1112", 10, "lacks oci-layout or index.json", tar(*without("index.json")))
        refused("M1112", 10, "lacks oci-layout or index.json", tar(*without("oci-layout")))
        refused("M1112", 10, "not of version", tar(("oci-layout", b'{"imageLayoutVersion":"9"}'), *without("oci-layout")))
        refused("M1112", 10, "index.json", tar(("index.json", b"["), *without("index.json")))
        refused("M1112", 10, "at most", tar(("index.json", b" " * (5 << 20)), *without("index.json")))
        refused("M1112", 10, "at most", tar(("oci-layout", b" " * 5000), *without("oci-layout")))
        refused("M1112", 10, "", tar(*good)[:1_000_000])
        refused("M1112", 10, "", os.urandom(100_000))
        refused("M1112", 10, "", b"")
        # A bomb: zeros behind gzip; a size that no disk has.
        refused("M1112", 10, "times its size", gzip.compress(tar((blank, b"\0" * 60_000_000)), 9))
        huge = tarfile.TarInfo(blank)
        huge.size = 1 << 50
        refused("M1207", 1, "free on the disk", huge.tobuf(tarfile.PAX_FORMAT) + b"\0" * 1024)
        # Something else than a bundle.
        image = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": []}).encode()
        digest = hashlib.sha256(image).hexdigest()
        entry = {"mediaType": MANIFEST, "digest": "sha256:" + digest, "size": len(image)}
        foreign = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
        refused("M1112", 10, "no mrun bundle", tar(("oci-layout", dict(good)["oci-layout"]), ("index.json", foreign),
                                                  ("blobs/sha256/" + digest, image)))
        victim.fails("M1515", 5, "load", home.path / "absent.tar")
        victim.fails("M1201", 2, "load", home.path / "echo.tar", "ghcr.io/me/one")

        # Any order, extra files and foreign manifests are fine.
        index["manifests"].append(entry)
        mixed = tar(("README", b"hello"), *reversed(without("index.json")), ("blobs/sha512/x", b"y"),
                    ("blobs/sha256/" + digest, image), ("index.json", json.dumps(index).encode()))
        (home.path / "mixed.tar").write_bytes(mixed)
        done = victim.mrun("load", home.path / "mixed.tar", "--json").json()
        assert len(done["versions"]) == 1 and done["other_artifacts"] == 1, done
        assert not (victim.path / "evil").exists()
    finally:
        victim.close()


run(main)
