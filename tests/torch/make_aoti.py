#!/usr/bin/env python3
"""Makes an AOTInductor package and what Python gives for it: OUT/package/{model.pt2,case.json}, as make_corpus.py does.

Usage: make_aoti.py OUT. Needs g++; takes half a minute of processor time, so only the slow tier runs it. OUT is a cache.
"""

import shutil
import sys
from pathlib import Path

import torch

from corpus_cases import Mlp
from make_corpus import write_case


def main():
    out = Path(sys.argv[1]).resolve()
    stamp = out / "stamp"
    if stamp.is_file() and stamp.read_text() == torch.__version__:
        return
    shutil.rmtree(out, ignore_errors=True)
    folder = out / "package"
    folder.mkdir(parents=True)
    torch.manual_seed(20)
    torch.set_num_threads(1)
    module = Mlp().eval()
    batch = torch.export.Dim("batch", min=2, max=64)
    args, kwargs = (torch.randn(4, 6),), {"scale": torch.tensor(1.5)}
    with torch.no_grad():
        program = torch.export.export(module, args, kwargs, dynamic_shapes={"x": {0: batch}, "scale": None})
        torch._inductor.aoti_compile_and_package(program, package_path=str(folder / "model.pt2"))
        args = (torch.randn(7, 6),)
        results = module(*args, **kwargs)
    write_case(folder, ["0"], args, kwargs, results, 1e-5)
    stamp.write_text(torch.__version__)


if __name__ == "__main__":
    main()
