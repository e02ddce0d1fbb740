"""Goal: pack, push and pull take the same memory whatever the model's size: cut files, and whole blobs of another tool's form."""

import os
import shutil

from harness import MRUN, SANITIZED, SLOWER, run
from peak import run_for_peak
from registry_server import Registry

MIB = 1 << 20
SIZES = (32, 768)
MOST = 64 * MIB   # far below the larger model, above what the programs and their libraries take
GROWTH = 16 * MIB # of the larger model over the smaller one
A_THREAD = 64 * MIB # that pack may hold, two threads more than there are cores


def main(home):
    if SANITIZED:  # their memory says nothing of the program's
        return
    registry = Registry(home.path / "registry")
    try:
        peaks = [peaks_of(home, registry, size) for size in SIZES]
    finally:
        registry.close()
    for what, small in peaks[0].items():
        large = peaks[1][what]
        print(f"{what}: {small / MIB:.1f} MiB at {SIZES[0]} MiB, {large / MIB:.1f} MiB at {SIZES[1]} MiB")
        assert large < MOST and large - small < GROWTH, (what, small, large)
    # What is measured is the command, not whoever started it.
    ballast = os.urandom(MIB) * 200
    assert run_for_peak(["/bin/true"])[1] < 16 * MIB < len(ballast)


def peaks_of(home, registry, mib):
    folder = home.model(f"demo/m{mib}", pack=False, globs=["weights.bin"])
    with open(folder / "weights.bin", "wb") as out:
        for _ in range(mib):
            out.write(os.urandom(MIB))
    packing = run_for_peak([MRUN, "pack", folder], env=home.env, cwd=home.path, timeout=180 * SLOWER)[1]
    print(f"pack: {packing / MIB:.1f} MiB at {mib} MiB")
    assert packing < MOST + (len(os.sched_getaffinity(0)) + 2) * A_THREAD, packing
    shutil.rmtree(folder)
    cut, whole = f"{registry.host}/demo/m{mib}", f"{registry.host}/whole/m{mib}"

    def peak(*arguments):
        return run_for_peak([MRUN, *arguments], env=home.env, cwd=home.path, timeout=180 * SLOWER)[1]

    peaks = {"push": peak("push", f"demo/m{mib}", cut), "push whole files": peak("push", f"demo/m{mib}", whole, "--format", "modelpack")}
    shutil.rmtree(home.home / "data")
    peaks["pull"] = peak("pull", cut)
    shutil.rmtree(home.home / "data")
    peaks["pull whole files"] = peak("pull", whole)
    shutil.rmtree(home.home / "data")
    return peaks


run(main)
