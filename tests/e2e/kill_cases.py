"""The commands that change the store, each with a home before it, for kill_test.py, slow_kill_test.py and
disk_errors_test.py."""

import os
import pathlib
import shutil
import subprocess
import tempfile

from foreign_artifacts import push_layer, push_raw
from harness import Home
from kills import Faults
from model_files import huggingface_files, tar
from registry_server import Registry

MIB = 1 << 20
SMALL = {"weights.bin": bytes(range(256)) * 8, "label.txt": "one", "same.txt": "same"}


class Setting:
    """A registry, and who pushes to it."""

    def __init__(self):
        self.home = home = Home()
        self.registry = Registry(home.path / "registry")
        self.key = home.path / "key.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self.key], check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", self.key, "-pubout", "-out", home.path / "key.pub"], check=True)
        self.key.chmod(0o600)

    def close(self):
        self.registry.close()
        self.home.close()

    def publish(self, name, files, *flags):
        """Packs and pushes; returns (remote, digest)."""
        folder = self.home.model(name, pack=False, files=files)
        digest = self.home.mrun("pack", folder).out.strip()
        remote = f"{self.registry.host}/{name}"
        self.home.mrun("push", name, remote, *flags)
        return remote, digest


def packed(home, name="demo/model", files=None):
    folder = home.model(name, pack=False, files=files or SMALL)
    return folder, f"{name}@{home.mrun('pack', folder).out.strip()}"


def changed(home, name="demo/model", **more):
    return home.model(name, pack=False, files=SMALL | {"label.txt": "two", "new.txt": "new"} | more)


def pack_first(setting, home):
    return Faults(home, "pack-first", ["pack", changed(home)])


def pack(setting, home):
    _, old = packed(home)
    _, other = packed(home, "demo/other", {"label.txt": "other", "same.txt": "same"})
    return Faults(home, "pack", ["pack", changed(home)], kept=[old, other, "demo/other"])


def pack_native(setting, home):
    """A program of one's own: the consent to it is written, too."""
    _, old = packed(home)
    folder = home.path / "native"
    home.mrun("init", folder, "--template", "cpp", "--name", "demo/native")
    (folder / "predictor.so").write_bytes(b"no program")
    return Faults(home, "pack-native", ["pack", folder], kept=[old])


def pack_large(setting, home):
    """A file that is cut into pieces."""
    _, old = packed(home)
    return Faults(home, "pack-large", ["pack", changed(home, **{"large.bin": os.urandom(70 * MIB)})], kept=[old])


def import_model(setting, home):
    _, old = packed(home)
    folder = home.path / "tiny"
    folder.mkdir()
    for name, content in huggingface_files().items():
        (folder / name).write_bytes(content)
    return Faults(home, "import", ["import", folder, "--as", "demo/model"], kept=[old])


def push(setting, home):
    """To a repository of its own each time; the calls that send are points, too."""
    _, version = packed(home)

    def look(turn):
        other = Home()
        try:
            remote = f"{setting.registry.host}/demo/push{turn}"
            assert other.mrun("pull", remote).out.strip() == version.split("@")[1]
            other.mrun("verify", "--all")
        finally:
            other.close()

    return Faults(home, "push", ["push", "demo/model", f"{setting.registry.host}/demo/push{{turn}}", "--sign", setting.key],
                   kept=[version], look=look, everywhere=("sendto", "writev"))


def pull_first(setting, home):
    remote, _ = setting.publish("demo/first", SMALL)
    return Faults(home, "pull-first", ["pull", remote])


def pull(setting, home):
    """A newer version of what was pulled, with a signature that is kept beside it."""
    remote, old = setting.publish("demo/pull", SMALL)
    home.mrun("pull", remote)
    _, other = packed(home)
    setting.publish("demo/pull", SMALL | {"label.txt": "two", "new.txt": "new"}, "--sign", setting.key)
    return Faults(home, "pull", ["pull", remote, "--key", setting.home.path / "key.pub"], kept=[f"demo/pull@{old}", other])


def pull_digest(setting, home):
    """Without a tag: it is kept under its digest."""
    remote, digest = setting.publish("demo/digest", SMALL)
    _, other = packed(home)
    return Faults(home, "pull-digest", ["pull", f"{remote}@{digest}"], kept=[other])


def pull_large(setting, home):
    remote, _ = setting.publish("demo/large", SMALL | {"large.bin": os.urandom(70 * MIB)})
    _, other = packed(home)
    return Faults(home, "pull-large", ["pull", remote], kept=[other])


def pull_foreign(setting, home):
    """Another tool's files as they are: a bundle is made of them."""
    push_raw(setting.registry, "acme/raw", huggingface_files())
    _, other = packed(home)
    return Faults(home, "pull-foreign", ["pull", f"{setting.registry.host}/acme/raw"], kept=[other])


def pull_archive(setting, home):
    """Another tool's archive: fetched by threads that transfer, unpacked into the store, not kept."""
    push_layer(setting.registry, "acme/archive", tar(huggingface_files(), "w:gz"), "tar+gzip")
    _, other = packed(home)
    return Faults(home, "pull-archive", ["pull", f"{setting.registry.host}/acme/archive"], kept=[other], alone=False,
                  everywhere=("openat", "write", "fsync", "renameat", "unlinkat"))


def pull_ranges(setting, home):
    """A layer that is so large that it comes in several ranges at once."""
    push_raw(setting.registry, "acme/large", huggingface_files() | {"large.safetensors": os.urandom(132 * MIB)})
    _, other = packed(home)
    return Faults(home, "pull-ranges", ["pull", f"{setting.registry.host}/acme/large"], kept=[other])


def push_modelpack(setting, home):
    """As whole files for other tools: what a cut file hashes to is noted."""
    folder = home.model("demo/model", pack=False, files=SMALL | {"large.bin": os.urandom(65 * MIB)})
    version = f"demo/model@{home.mrun('pack', folder).out.strip()}"

    def look(turn):
        other = Home()
        try:
            other.mrun("pull", f"{setting.registry.host}/demo/whole{turn}")
            other.mrun("verify", "--all")
        finally:
            other.close()

    return Faults(home, "push-modelpack", ["push", "demo/model", f"{setting.registry.host}/demo/whole{{turn}}", "--format", "modelpack"],
                  kept=[version], look=look)


def load(setting, home):
    _, old = packed(home)
    other = Home()
    try:
        other.mrun("pack", changed(other))
        other.mrun("save", "demo/model", "-o", home.path / "model.tar")
    finally:
        other.close()
    return Faults(home, "load", ["load", "-f", home.path / "model.tar"], kept=[old])


def tag(setting, home):
    _, old = packed(home)
    home.mrun("tag", "demo/model", "me/mine:v1")
    new = home.mrun("pack", changed(home)).out.strip()
    return Faults(home, "tag", ["tag", "demo/model", "me/mine:v1"], kept=[old, f"demo/model@{new}"])


def rm(setting, home):
    _, old = packed(home)
    _, other = packed(home, "demo/other", {"label.txt": "other", "same.txt": "same"})
    return Faults(home, "rm", ["rm", "-y", "demo/model"], kept=[other, "demo/other"], repeat_codes=(0, 5))


def gc(setting, home):
    """An ended lease with its entry, a live one, removed versions (one with consent, one with a signature), leftovers."""
    data = home.home / "data"
    leases = {}
    for name in ("ended", "live"):
        folder = home.model(f"demo/{name}", pack=False, files={"label.txt": name, "same.txt": "same"})
        leases[name] = home.mrun("show", folder, "--json").json()["digest"]
    (data / "leases" / leases["ended"].removeprefix("sha256:")).write_text("1000\n")
    remote, _ = setting.publish("demo/signed", {"label.txt": "signed"}, "--sign", setting.key)
    home.mrun("pull", remote, "--key", setting.home.path / "key.pub")
    _, gone = packed(home, "demo/gone", {"label.txt": "gone", "same.txt": "same"})
    (data / "trusted" / gone.split("@sha256:")[1]).touch()
    _, other = packed(home)
    home.mrun("rm", "-y", "demo/gone")
    home.mrun("rm", "-y", "demo/signed")
    (data / "tmp/77-1-0123456789abcdef").write_bytes(b"half")
    partial = data / f"tmp/pull-{'0' * 64}"
    partial.write_bytes(b"half")
    os.utime(partial, (0, 0))
    return Faults(home, "gc", ["gc", "-y"], kept=[other, f"demo/live@{leases['live']}"])


def pack_threads(setting, home):
    """On all cores."""
    faults = pack_large(setting, home)
    faults.name, faults.alone, faults.everywhere = "pack-threads", False, ("write", "fsync", "renameat")
    return faults


SMALL_CASES = (pack_first, pack, pack_native, import_model, push, pull_first, pull, pull_digest, pull_foreign, pull_archive, load, tag,
               rm, gc)
LARGE_CASES = (pack_large, pack_threads, push_modelpack)
STREAMED_CASES = (pull_large, pull_ranges)  # thousands of calls: a write for each piece of the stream


def each_case(cases, check):
    """check(faults) with a home of its own for each case: in memory where there is enough, since each try syncs."""
    memory = pathlib.Path("/dev/shm")
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 1024 * MIB:
        tempfile.tempdir = str(memory)
    setting = Setting()
    try:
        for case in cases:
            own = Home()
            try:
                check(case(setting, own))
            finally:
                own.close()
    finally:
        setting.close()
