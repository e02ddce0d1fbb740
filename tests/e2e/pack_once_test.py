"""Goal: pack reads each byte once and writes it once, and only what the store lacks: counted at the system calls."""

import os
import re
import shutil
import subprocess

from harness import MRUN, SANITIZED, SLOWER, TRACED, run
from model_files import safetensors

MIB = 1 << 20
SLACK = 3 * MIB  # manifests, recipes, libraries
RESULT = re.compile(r"^(read|pread64|write|pwrite64|copy_file_range)\(.* = (\d+)$")


def main(home):
    if SANITIZED:
        return
    tensors(home)
    content(home)


def moved(home, *arguments):
    """(bytes read, bytes written, digest) of one pack."""
    folder = home.path / "trace"
    folder.mkdir()
    # A log a thread, so that no line is cut in two.
    done = subprocess.run(
        ["strace", "-ff", "-qq", "-s", "0", "-e", "trace=read,pread64,write,pwrite64,copy_file_range", "-o", folder / "log", MRUN, "pack",
         *map(str, arguments)], env=home.env | TRACED, cwd=home.path, capture_output=True, text=True, timeout=200 * SLOWER)
    assert done.returncode == 0, done
    totals = {"r": 0, "w": 0}
    for log in folder.iterdir():
        for line in log.read_text().splitlines():
            if found := RESULT.match(line):
                totals["w" if "write" in found[1] or "copy" in found[1] else "r"] += int(found[2])
    shutil.rmtree(folder)
    return totals["r"], totals["w"], done.stdout.strip()


def tensors(home):
    """A file that is cut at its tensors."""
    size = 72 * MIB
    folder = home.model("demo/tensors", pack=False, globs=["w.safetensors"])

    def write(into):
        (into / "w.safetensors").write_bytes(safetensors({f"t{i}": ("BF16", [4, MIB], os.urandom(8 * MIB)) for i in range(9)}))

    write(folder)
    passes(home, folder, size, write)


def content(home):
    """A file of no format, and one that is not cut at all."""
    size = 100 * MIB
    folder = home.model("demo/content", pack=False, globs=["w.bin", "small.bin"])

    def write(into):
        (into / "w.bin").write_bytes(os.urandom(80 * MIB))
        (into / "small.bin").write_bytes(os.urandom(20 * MIB))

    write(folder)
    passes(home, folder, size, write)


def passes(home, folder, size, write):
    read, written, first = moved(home, folder)
    assert size <= read < size + SLACK and size <= written < size + SLACK, (read, written)
    # The same content elsewhere and under another tag: nothing is written.
    other = home.path / (folder.name + "-other")
    shutil.copytree(folder, other)
    tag = folder.name.replace("-", "/", 1) + ":other"
    read, written, again = moved(home, other, "-t", tag)
    assert again == first and size <= read < size + SLACK and written < SLACK, (read, written)
    # Another content under the same tag.
    write(other)
    read, written, new = moved(home, other, "-t", tag)
    assert new != first and size <= read < size + SLACK and size <= written < size + SLACK, (read, written)
    home.mrun("verify", "--all")


run(main)
