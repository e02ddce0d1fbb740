"""Goal: a disk that refuses a write, a sync or a rename ends pack, import, pull and load with an error that says so; the
store stays whole, nothing half-written stays, and the command works when the disk does."""

from harness import run
from kill_cases import import_model, load, each_case, pack, pull, pull_first

ERRORS = {"write": ("ENOSPC", "M1207"), "fsync": ("EIO", "M1601"), "renameat": ("ENOSPC", "M1207"), "rename": ("EIO", "M1601")}


def main(home):
    each_case((pack, import_model, pull_first, pull, load), refuse)


def refuse(faults):
    """Some of the calls of each name."""
    points = faults.measure()
    for name, (errno_name, code) in ERRORS.items():
        inside = [point for point in points if point.name == name]
        if inside:
            faults.each(inside[::max(1, len(inside) // 4)], len(inside), lambda point: faults.refuse(point, errno_name, code))


run(main)
