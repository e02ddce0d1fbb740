"""Writes gate_vectors.json, on which the gate's verdicts are tested: samples with known noise and a known change.

Noise as in docs/bench.md: log-normal with the given coefficient of variation, 2 % outliers of 1.5 to 3 times the value,
and a shift: drawn per block and shared by both sides where they are interleaved, per side where the baseline is stored.
Values are whole microseconds around 10 ms.
usage: python3 make_gate_vectors.py > gate_vectors.json
"""

import json
import math
import random

TRIALS = 20
BLOCKS, PER_SIDE = 10, 6
STORED = 60


def sample(rng, noise, level):
    value = level * math.exp(rng.gauss(0, noise))
    if rng.random() < 0.02:
        value *= rng.uniform(1.5, 3)
    return round(value * 10_000)


def interleaved(rng, noise, shift, change):
    blocks = []
    for _ in range(BLOCKS):
        level = math.exp(rng.gauss(0, shift))
        blocks.append([[sample(rng, noise, level) for _ in range(PER_SIDE)],
                       [sample(rng, noise, level * (1 + change)) for _ in range(PER_SIDE)]])
    return blocks


def stored(rng, noise, shift, change):
    sides = []
    for factor in (1, 1 + change):
        level = factor * math.exp(rng.gauss(0, shift))
        sides.append([sample(rng, noise, level) for _ in range(STORED)])
    return [sides]


def main():
    rng = random.Random(20261126)
    cells = []
    for design, make in (("interleaved", interleaved), ("stored", stored)):
        for noise, shift in ((0.03, 0.03), (0.10, 0.06)):
            for change in (0, 0.03, 0.05, 0.10, 0.20):
                cells.append({"design": design, "noise": noise, "shift": shift, "change": change,
                              "trials": [make(rng, noise, shift, change) for _ in range(TRIALS)]})
    print("[\n" + ",\n".join(json.dumps(cell, separators=(",", ":")) for cell in cells) + "\n]")


main()
