"""PyTorch's ways to run a network of tests/torch/networks.py.

usage: torch_network.py make FOLDER NAME…       FOLDER/<name>-<batch>/: exported program, AOTInductor package, inputs
       torch_network.py KIND CASE               KIND: eager, compile, program, aoti; reads a number of runs a line
       torch_network.py aoti-load CASE          the same of loads of the AOTInductor package, each in a fork
"""

import os
import pathlib
import struct
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tests/torch"))

BATCHES = (1, 8)


def find_case(name):
    from networks import network_cases

    return next(case for case in network_cases() if case.name == name)


def of_batch(case, batch):
    """The arguments with their batch axis `batch` long; as they are when the network has no such axis."""
    if case.shapes is None or batch == 0:
        return case.args
    return tuple(torch.cat([value] * batch)[:batch] if value.shape[0] < batch else value[:batch] for value in case.args)


def make(folder, names):
    from make_corpus import write_case

    torch.set_num_threads(1)
    for name in names:
        case = find_case(name)
        for batch in BATCHES if case.shapes else (0,):
            out = folder / f"{name}-{batch}"
            if (out / "done").exists():
                continue
            out.mkdir(parents=True, exist_ok=True)
            args, module = of_batch(case, batch), case.module.eval()
            with torch.inference_mode():
                results = module(*args)
            with torch.no_grad():
                program = torch.export.export(module, case.args, dynamic_shapes=case.shapes, strict=False)
                torch.export.save(program, out / "model.pt2")
                torch._inductor.aoti_compile_and_package(program, package_path=str(out / "aoti.pt2"))
            write_case(out, case.names, args, {}, results, 0)
            torch.save(args, out / "args.pt")
            (out / "done").touch()


def load(kind, folder):
    if kind == "program":
        return torch.export.load(folder / "model.pt2").module()
    if kind == "aoti":
        return torch._inductor.aoti_load_package(str(folder / "aoti.pt2"))
    module = find_case(folder.name.rsplit("-", 1)[0]).module.eval()
    return torch.compile(module, dynamic=False) if kind == "compile" else module


def load_seconds(package):
    """By the class behind aoti_load_package, in a child: code that is open stays so."""
    read, write = os.pipe()
    if os.fork() == 0:
        start = time.perf_counter()
        torch._C._aoti.AOTIModelPackageLoader(package, "model", False, 1, -1)
        os.write(write, struct.pack("d", time.perf_counter() - start))
        os._exit(0)
    os.close(write)
    seconds = struct.unpack("d", os.read(read, 8))[0]
    os.close(read)
    os.wait()
    return seconds


def answer_loads(folder):
    for line in sys.stdin:
        print(" ".join(f"{load_seconds(str(folder / 'aoti.pt2')):.9f}" for _ in range(int(line))), flush=True)


def main():
    if sys.argv[1] == "make":
        make(pathlib.Path(sys.argv[2]), sys.argv[3:])
        return
    folder = pathlib.Path(sys.argv[2])
    torch.set_num_threads(1)
    if sys.argv[1] == "aoti-load":
        answer_loads(folder)
        return
    network, args = load(sys.argv[1], folder), torch.load(folder / "args.pt")
    for line in sys.stdin:
        times = []
        with torch.inference_mode():
            for _ in range(int(line)):
                start = time.perf_counter()
                network(*args)
                times.append(time.perf_counter() - start)
        print(" ".join(f"{seconds:.9f}" for seconds in times), flush=True)


main()
