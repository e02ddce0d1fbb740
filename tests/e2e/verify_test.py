"""Goal: verify finds each kind of damage in the store, says which models need it, and how it is mended."""

import json
import os

from harness import Home, run


def main(home):
    weights = os.urandom(3_000_000)
    folder = home.model("demo/echo", pack=False, files={"weights.bin": weights, "label.txt": "one"})
    digest = home.mrun("pack", folder).out.strip()
    home.mrun("tag", "demo/echo", "demo/echo:v1")
    home.model("demo/other")
    blobs = home.home / "data/blobs/sha256"
    large = max(blobs.iterdir(), key=lambda path: path.stat().st_size)

    # A whole store is clean; all of it is read.
    clean = home.mrun("verify", "--all", "--json").json()
    assert clean["schema"] == "mrun.verify/v1" and clean["ok"] and clean["problems"] == [], clean
    assert clean["hashed_bytes"] == sum(path.stat().st_size for path in blobs.iterdir()), clean
    assert len(clean["versions"]) == 2 and clean["elapsed_ns"] > 0, clean
    done = home.mrun("verify", "demo/echo")
    assert done.out == "" and "verified 1 version" in done.err and "/s)" in done.err, done

    # A large blob with a flipped bit: nothing else looks at its content.
    def spoil(path, content):
        path.unlink()
        path.write_bytes(content)

    spoil(large, bytes([weights[0] ^ 1]) + weights[1:])
    home.mrun("show", "demo/echo")
    failed = home.fails("M1205", 10, "verify")
    assert large.name in failed.out and "needed by demo/echo:latest, demo/echo:v1" in failed.out, failed
    assert "mrun verify --all --remove, then mrun pack" in failed.err, failed
    home.fails("M1205", 10, "verify", "demo/echo@" + digest)
    home.mrun("verify", "demo/other")
    report = home.try_mrun("verify", "--json")
    assert report.code == 10 and report.err == "", report
    problem, = report.json()["problems"]
    assert problem["fault"] == "content" and problem["blob"] == "sha256:" + large.name, problem
    assert [version["ok"] for version in report.json()["versions"] if version["digest"] == digest] == [False], report

    # Removed, it is missing; packed again, all is well.
    home.fails("M1205", 10, "verify", "--all", "--remove")
    assert not large.exists()
    missing = home.fails("M1205", 10, "verify")
    assert "is missing" in missing.out and "mrun pack the model again" in missing.err, missing
    home.mrun("pack", folder)
    home.mrun("verify", "--all")

    # Cut short; a manifest that is damaged; what nobody needs.
    spoil(large, weights[:1000])
    assert "has 1000 bytes, it must have 3000000" in home.fails("M1205", 10, "verify").out
    spoil(large, weights)
    manifest = blobs / digest.split(":")[1]
    content = manifest.read_bytes()
    spoil(manifest, b"{}")
    assert manifest.name in home.fails("M1205", 10, "verify", "demo/echo").out
    spoil(manifest, content)
    (blobs / ("ab" * 32)).write_bytes(b"stray")
    home.mrun("verify", "demo/echo", "demo/other")
    stray = home.fails("M1205", 10, "verify", "--all")
    assert "nothing needs it" in stray.out and "mrun gc" in stray.err, stray
    assert home.mrun("gc", "--dry-run", "--json").json()["blobs"] == ["sha256:" + "ab" * 32]
    home.mrun("gc", "-y")
    home.mrun("verify", "--all")

    # gc takes what an interrupted pull left when a day has passed, not before.
    partial = home.home / "data/tmp" / ("pull-" + "cd" * 32)
    partial.write_bytes(b"half")
    assert home.mrun("gc", "--dry-run", "--json").json()["leftovers"] == 0
    os.utime(partial, (1, 1))
    assert home.mrun("gc", "--dry-run", "--json").json() == {
        "schema": "mrun.gc/v1", "blobs": [], "size_bytes": 4, "leftovers": 1, "dry_run": True}
    assert partial.exists()
    home.mrun("gc", "-y")
    assert not partial.exists()

    # The index is a part of the store; what is not there is not verified.
    home.fails("M1202", 5, "verify", "demo/absent")
    home.fails("M1001", 2, "verify", "--all", "demo/echo")
    index = home.home / "data/index.json"
    kept = index.read_text()
    index.write_text("{")
    home.fails("M1205", 10, "verify", "--all")
    index.write_text(json.dumps(json.loads(kept)))
    home.mrun("verify", "--all")
    empty = Home()
    try:
        empty.fails("M1202", 5, "verify")
        (empty.home / "data/blobs").mkdir(parents=True)  # as far as a killed first pack came
        assert empty.mrun("verify", "--all", "--json").json()["ok"] is True
        empty.fails("M1202", 5, "verify", "demo/echo")
        (empty.home / "data/blobs/sha256").mkdir()
        (empty.home / "data/blobs/sha256" / ("ab" * 32)).touch()  # whatever this is, it was not killed on its way
        empty.fails("M1202", 5, "verify", "--all")
    finally:
        empty.close()


run(main)
