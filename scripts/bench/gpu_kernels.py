#!/usr/bin/env python3
"""Our CUDA kernels beside the same work in PyTorch on the same GPU, interleaved; times are the GPU's own (events).

usage: scripts/bench/gpu_kernels.py [PROGRAM [ROUNDS]]

PROGRAM is gpu_kernel_bench (target of that name, in the build's tests/gpu). Needs a GPU and a Python with a PyTorch for it.
PyTorch's resize is not Pillow's to the last bit; ours is.
"""

import json
import os
import statistics
import subprocess
import sys

import torch


def torch_cases():
    """name -> a call that does what the case of that name in tests/gpu/kernel_bench.cpp does."""
    pixels = torch.zeros(64, 1080, 1920, 3, dtype=torch.uint8, device="cuda")
    mean = torch.tensor([0.485, 0.456, 0.406], device="cuda").view(1, 3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225], device="cuda").view(1, 3, 1, 1)
    tokens = torch.full((256, 256, 384), 0.5, device="cuda")
    mask = torch.ones(256, 256, device="cuda")
    logits = (torch.arange(256 * 1000, device="cuda") * 7919 % 1000).float().view(256, 1000) / 50

    def preprocess():
        planes = pixels.permute(0, 3, 1, 2).float()
        small = torch.nn.functional.interpolate(planes, (256, 455), mode="bilinear", antialias=True)
        return (small[:, :, 16:240, 115:339].round_() / 255 - mean) / deviation

    def pool():
        weights = mask.unsqueeze(-1)
        return torch.nn.functional.normalize((tokens * weights).sum(1) / weights.sum(1).clamp(min=1e-9))

    return {
        "image_preprocess 64 x 1920x1080 to 224x224": preprocess,
        "pool_normalize 256x256x384": pool,
        "softmax_top_k 5 of 256x1000": lambda: torch.topk(torch.softmax(logits, -1), 5),
    }


def torch_us(call, rounds=50):
    samples = []
    for _ in range(5):
        call()
    for _ in range(rounds):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        call()
        end.record()
        end.synchronize()
        samples.append(begin.elapsed_time(end) * 1e3)
    return statistics.median(samples)


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.environ.get("MRUN_BUILD", "build/release"), "tests/gpu/gpu_kernel_bench")
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    cases = torch_cases()
    ours, theirs, rate = ({name: [] for name in cases} for _ in range(3))
    for _ in range(rounds):
        for line in subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines():
            case = json.loads(line)
            ours[case["case"]].append(case["median_us"])
            rate[case["case"]].append(case["gb_per_s"])
        for name, call in cases.items():
            theirs[name].append(torch_us(call))
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {rounds} rounds")
    print("| case | ours, µs | GB/s | PyTorch, µs | PyTorch / ours |\n|---|---|---|---|---|")
    for name in cases:
        ratio = statistics.median(b / a for a, b in zip(ours[name], theirs[name]))
        print(f"| {name} | {statistics.median(ours[name]):.1f} | {statistics.median(rate[name]):.0f} "
              f"| {statistics.median(theirs[name]):.1f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
