"""How far off is `mrun cost estimate` of a real model: MiniLM, calibrated on 10 texts, the sum over 30 others that are longer.

usage: scripts/bench/run cost_calibration [seeds]
"""

import json
import random
import sys

import lib

WORDS = "a man is eating food while the monkey plays drums and someone rides a white horse on an enclosed ground".split()


def texts(random_, count, least):
    return [" ".join(random_.choice(WORDS) for _ in range(random_.randint(least, 200))) for _ in range(count)]


def main():
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    home = lib.packed_home("minilm")
    home.mrun("predict", "demo/minilm", "-i", "text=warm")
    results = []
    for seed in range(seeds):
        random_ = random.Random(seed)
        for name, count, least in (("ten", 10, 2), ("others", 30, 60)):
            (home.path / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts(random_, count, least)))
        made = home.mrun("cost", "estimate", "demo/minilm", "--calibrate", home.path / "ten.jsonl", "--inputs", home.path / "others.jsonl",
                         "--run", "--json", timeout=300).json()
        results.append({"seed": seed, "driver": made["driver"], **{k: made["check"][k] for k in ("estimated_ns", "actual_ns", "time_off_percent", "over_worst")}})
        print(f"seed {seed}: by {made['driver']}, {made['check']['time_off_percent']} % off", file=sys.stderr)
    lib.write("cost_calibration", {"runs": results})


if __name__ == "__main__":
    main()
