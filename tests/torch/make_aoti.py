#!/usr/bin/env python3
"""Makes AOTInductor packages and what Python gives for each: OUT/<name>/{model.pt2,case.json}, as make_corpus.py does;
those in OUT/refused/<name>.pt2 can't run.

Usage: make_aoti.py OUT. Needs g++; takes a minute of processor time, so only the slow tier runs it. OUT is a cache.
"""

import hashlib
import shutil
import sys
from pathlib import Path

import torch
from torch import nn

from corpus_cases import Cnn, Mlp
from make_corpus import write_case

BATCH = torch.export.Dim("batch", min=2, max=64)
OUTSIDE = {"aot_inductor.package_constants_in_so": False}


class Arguments(nn.Module):
    """Arguments that are no tensors, among those that are; results that are none, too."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x, mask=None, flag=True, scale=2, *, extra=None, word="a"):
        y = self.linear(x) * scale
        if mask is not None:
            y = y + mask
        if flag:
            y = y.relu()
        return {"y": y, "none": None, "number": 3, "extra": y if extra is None else y + extra}


class Trees(nn.Module):
    def forward(self, pair, *, opts):
        first, second = pair
        return [first @ second, (opts["scale"] * first, {"sum": second.sum(0)})]


def compile_package(path, module, args, kwargs, shapes=None, configs=None):
    with torch.no_grad():
        program = torch.export.export(module, args, kwargs, dynamic_shapes=shapes)
        torch._inductor.aoti_compile_and_package(program, package_path=str(path), inductor_configs=configs)


def write(out, name, module, args, kwargs, names, shapes=None, run_args=None, configs=None):
    folder = out / name
    folder.mkdir(parents=True)
    module = module.eval()
    compile_package(folder / "model.pt2", module, args, kwargs, shapes, configs)
    args = run_args or args
    with torch.no_grad():
        results = module(*args, **kwargs)
    write_case(folder, names, args, kwargs, results, 1e-5)


def main():
    out = Path(sys.argv[1]).resolve()
    stamp = out / "stamp"
    wanted = torch.__version__ + hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    shutil.rmtree(out, ignore_errors=True)
    torch.manual_seed(20)
    torch.set_num_threads(1)
    randn = torch.randn
    write(out, "package", Mlp(), (randn(4, 6),), {"scale": torch.tensor(1.5)}, ["0"], {"x": {0: BATCH}, "scale": None}, (randn(7, 6),))
    write(out, "arguments", Arguments(), (randn(2, 4), None, True, 3), {"extra": torch.ones(3)}, ["0", "1", "2", "3"])
    write(out, "trees", Trees(), ((randn(2, 3), randn(3, 4)),), {"opts": {"scale": torch.tensor(0.5)}}, ["0"])
    write(out, "one", Cnn(), (randn(1, 3, 16, 16),), {}, ["0"])
    # Weights in a file beside the library.
    blob = OUTSIDE | {"aot_inductor.package_constants_on_disk_format": "binary_blob"}
    write(out, "blob", Cnn(), (randn(2, 3, 16, 16),), {}, ["0"], configs=blob)
    (out / "refused").mkdir()
    for name, configs in {"without_weights": OUTSIDE, "pickled_weights": OUTSIDE | {"aot_inductor.package_constants_on_disk_format": "pickle_weights"}}.items():
        compile_package(out / "refused" / f"{name}.pt2", Mlp().eval(), (randn(4, 6),), {"scale": torch.tensor(1.5)}, configs=configs)
    stamp.write_text(wanted)


if __name__ == "__main__":
    main()
