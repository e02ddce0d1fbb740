"""Goal: the digest is the same on any machine, at any time, under any umask, locale, file order and mtime."""

import os
import shutil

from harness import run

FILES = {"a.txt": "alpha", "b/c.bin": bytes(range(256)) * 400, "README.md": "# hi"}
MANIFEST = """\
mrun: 1
name: test/pack
license: MIT
engine: echo
files: [a.txt, b/*.bin, README.md]
inputs:
  text: {type: string, default: hello}
output: {type: any}
"""
# The bundle format's promise: these bytes have this digest for ever (for format version 1).
GOLDEN = (__file__.replace("pack_test.py", "pack_test.golden"))


def digest_of(home, folder, **options):
    return home.mrun("pack", folder, **options).out.strip()


def write(home, name, order, umask=0o022, mtime=None, executable=()):
    folder = home.path / name
    shutil.rmtree(folder, ignore_errors=True)
    old = os.umask(umask)
    try:
        folder.mkdir()
        for path in order:
            (folder / path).parent.mkdir(exist_ok=True)
            content = MANIFEST if path == "mrun.yaml" else FILES[path]
            (folder / path).write_bytes(content if isinstance(content, bytes) else content.encode())
            if path in executable:
                (folder / path).chmod(0o755)
            if mtime:
                os.utime(folder / path, (mtime, mtime))
    finally:
        os.umask(old)
    return folder


def main(home):
    order = ["mrun.yaml", *FILES]
    first = digest_of(home, write(home, "one", order))
    assert first == open(GOLDEN).read().strip(), f"the digest of the golden bundle changed: {first}"
    assert digest_of(home, write(home, "two", reversed(order), umask=0o077, mtime=1)) == first
    assert digest_of(home, write(home, "three", order, umask=0), env={"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Asia/Tokyo"}) == first
    other = home.env | {"MRUN_HOME": str(home.path / "elsewhere")}
    assert digest_of(home, home.path / "one", env={"MRUN_HOME": str(home.path / "elsewhere")}) == first, other
    assert digest_of(home, write(home, "four", order, executable=["a.txt"])) != first, "the owner's x bit is part of it"

    # What can't be packed is named, and nothing is added.
    before = sorted(os.listdir(home.home / "data/blobs/sha256"))
    bad = write(home, "bad", order)
    (bad / "a.txt").unlink()
    (bad / "a.txt").symlink_to("/etc/passwd")
    assert "a.txt" in home.fails("M1108", 2, "pack", bad).err
    (bad / "a.txt").unlink()
    assert "a.txt" in home.fails("M1107", 2, "pack", bad).err
    os.mkfifo(bad / "a.txt")
    home.fails("M1108", 2, "pack", bad)
    home.fails("M1101", 2, "pack", home.path)
    for line, code in (("naem: x", "M1103"), ("engine: tensorflow", "M1104"), ("mrun: 2", "M1106"), ("name: [", "M1102"),
                       ("files: [../x]", "M1104")):
        key = line.split(":")[0]
        text = "\n".join(l for l in MANIFEST.splitlines() if not l.startswith(key + ":")) + "\n" + line + "\n"
        (bad / "mrun.yaml").write_text(text)
        outcome = home.fails(code, 2, "pack", bad)
        assert "mrun.yaml:" in outcome.err, outcome
    assert sorted(os.listdir(home.home / "data/blobs/sha256")) == before, "a refused pack left something behind"

    # Tags: -t names it, ls shows it, tag adds one, rm removes one, gc removes what nothing names.
    home.mrun("pack", home.path / "one", "-t", "me/other:v1")
    names = {(m["model"], m["tag"]) for m in home.mrun("ls", "--json").json()["models"]}
    assert {("me/other", "v1"), ("test/pack", "latest")} <= names, names
    home.mrun("tag", "me/other:v1", "me/third:v2")
    home.mrun("rm", "-y", "me/other:v1")
    assert ("me/other", "v1") not in {(m["model"], m["tag"]) for m in home.mrun("ls", "--json").json()["models"]}
    home.fails("M1202", 5, "show", "me/other:v1")
    assert "M1005" in home.try_mrun("rm", "me/third:v2").err, "rm must ask or need -y"
    for model in home.mrun("ls", "--json").json()["models"]:
        home.mrun("rm", "-y", f"{model['model']}:{model['tag']}")
    home.mrun("gc", "--dry-run")
    assert os.listdir(home.home / "data/blobs/sha256"), "a dry run removed something"
    home.mrun("gc", "-y")
    assert not os.listdir(home.home / "data/blobs/sha256"), "gc left blobs that nothing names"


run(main)
