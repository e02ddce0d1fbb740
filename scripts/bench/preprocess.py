#!/usr/bin/env python3
"""Pictures to a network's input: the fused kernel beside Pillow and torchvision, one core, one interleaved run.

usage: scripts/bench/run preprocess [ROUNDS]

All start from decoded pixels in memory and end with f32 [3, 224, 224]: resize the shorter side to 256 (bilinear), crop
224 in the middle, scale, normalise. Ours runs in a child process, one call a line, and times itself, so that pipes do not
count; the results are compared first. Needs the development environment's Pillow and torchvision.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lib  # noqa: E402

DEV_PYTHON = lib.CACHE / "python/bin/python"
SIZES = ((4000, 3000), (1920, 1080), (600, 400), (320, 240))
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def in_dev_environment():
    """Pillow and torchvision are there, not in the system's Python."""
    if pathlib.Path(sys.executable).absolute() != DEV_PYTHON.absolute():
        os.execv(DEV_PYTHON, [str(DEV_PYTHON), "-B", *sys.argv])


class Ours:
    """preprocess_bench: one picture, one instruction set; an empty line asks for a run, the reply is its nanoseconds."""

    def __init__(self, pixels, isa):
        height, width, _ = pixels.shape
        program = pathlib.Path(os.environ["MRUN_BUILD"]) / "kernels/preprocess_bench"
        self.process = subprocess.Popen([program, str(width), str(height), isa], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdin.write(pixels.tobytes())
        self.process.stdin.flush()

    def run(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline()) / 1e9

    def result(self, numpy):
        self.process.stdin.write(b"r")
        self.process.stdin.flush()
        return numpy.frombuffer(self.process.stdout.read(3 * 224 * 224 * 4), numpy.float32).reshape(3, 224, 224)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    in_dev_environment()
    import numpy
    import torch
    import torchvision.transforms as transforms
    from PIL import Image

    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # children inherit it
    torch.set_num_threads(1)
    theirs = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)])
    program = pathlib.Path(os.environ["MRUN_BUILD"]) / "kernels/preprocess_bench"
    isas = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    random = numpy.random.default_rng(1)
    result = {"rounds": count, "instruction_sets": isas, "cases": {}}
    for width, height in SIZES:
        pixels = random.integers(0, 256, (height, width, 3), dtype=numpy.uint8)
        image = Image.fromarray(pixels)
        expected = theirs(image).numpy()

        def peer():
            begin = time.perf_counter()
            theirs(image)
            return time.perf_counter() - begin

        contenders, children = {"Pillow + torchvision": peer}, []
        for isa in isas:
            child = Ours(pixels, isa)
            children.append(child)
            if not numpy.array_equal(child.result(numpy), expected):
                sys.exit(f"{width}x{height}, {isa}: the result differs from torchvision's")
            contenders[f"mrun, {isa}"] = child.run
        samples = lib.rounds(contenders, count, progress=False)
        print(f"\n{width}x{height}")
        lib.table(samples, base="Pillow + torchvision")
        ratios = [a / b for a, b in zip(samples["Pillow + torchvision"], samples[f"mrun, {isas[-1]}"])]
        print(f"median of the rounds' ratios, best instruction set: {statistics.median(ratios):.1f}x")
        result["cases"][f"{width}x{height}"] = samples
        for child in children:
            child.close()
    lib.write("preprocess", result)


main()
