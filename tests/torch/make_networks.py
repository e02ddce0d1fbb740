#!/usr/bin/env python3
"""Exports the real networks of networks.py as make_corpus.py does its cases: OUT/<name>/{model.pt2,case.json,…}.

Usage: make_networks.py OUT. OUT is a cache: nothing is done when its stamp fits the scripts and this torch. One thread,
since the sums of several are added in another order.
"""

import hashlib
import shutil
import sys
from pathlib import Path

import torch

from make_corpus import write_exported
from networks import network_cases


def stamp():
    digest = hashlib.sha256(torch.__version__.encode())
    for name in ("networks.py", "make_networks.py", "make_corpus.py"):
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()


def main():
    out = Path(sys.argv[1]).resolve()
    if (out / "stamp").is_file() and (out / "stamp").read_text() == stamp():
        return
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    torch.set_num_threads(1)
    for case in network_cases():
        write_exported(out, case)
    (out / "stamp").write_text(stamp())


main()
