"""Writes gate_vectors.json, on which the gate's verdicts are tested: samples with known noise and a known change.

Noise as in docs/bench.md: log-normal with the given coefficient of variation, 2 % outliers of 1.5 to 3 times the value,
and a shift of that standard deviation (of the logarithm): of each run where the baseline is stored; where they are
interleaved a level that wanders, neighbouring sides sharing 0.9 of it, in the order A B B A.
An interleaved trial is [[base, new] of each block], a stored one [medians of 8 earlier runs, base, new]. Values are whole
microseconds around 10 ms.
usage: python3 make_gate_vectors.py > gate_vectors.json
"""

import json
import math
import random
import statistics

TRIALS = 20
BLOCKS, PER_SIDE = 10, 6
STORED = 60
HISTORY = 8
MEMORY = 0.9  # correlation of two neighbouring sides


def sample(rng, noise, level):
    value = level * math.exp(rng.gauss(0, noise))
    if rng.random() < 0.02:
        value *= rng.uniform(1.5, 3)
    return round(value * 10_000)


def interleaved(rng, noise, shift, change):
    level = rng.gauss(0, shift)
    blocks = []
    for block in range(BLOCKS):
        sides = {}
        for side in (0, 1) if block % 2 == 0 else (1, 0):
            level = MEMORY * level + math.sqrt(1 - MEMORY ** 2) * rng.gauss(0, shift)
            sides[side] = [sample(rng, noise, math.exp(level) * (1 + change * side)) for _ in range(PER_SIDE)]
        blocks.append([sides[0], sides[1]])
    return blocks


def stored(rng, noise, shift, change):
    def run(factor):
        level = factor * math.exp(rng.gauss(0, shift))
        return [sample(rng, noise, level) for _ in range(STORED)]

    history = [statistics.median(run(1)) for _ in range(HISTORY)]
    return [history, run(1), run(1 + change)]


def main():
    rng = random.Random(20261126)
    cells = []
    for design, make in (("interleaved", interleaved), ("stored", stored)):
        for noise, shift in ((0.03, 0.03), (0.03, 0.06), (0.10, 0.03), (0.10, 0.06)):
            for change in (0, 0.03, 0.05, 0.10, 0.20):
                cells.append({"design": design, "noise": noise, "shift": shift, "change": change,
                              "trials": [make(rng, noise, shift, change) for _ in range(TRIALS)]})
    print("[\n" + ",\n".join(json.dumps(cell, separators=(",", ":")) for cell in cells) + "\n]")


main()
