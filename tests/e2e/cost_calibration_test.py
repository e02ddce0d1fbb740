"""Goal: calibrated on 10 inputs, the sum over 30 others of different size is within 10 %, whatever of the laws of real models the time follows; a fit that is poor says so."""

import json
import random

from harness import run

# Times of models in ns, by (width, height, steps, prompt): images, diffusion, text, and two of them together.
LAWS = {
    "pixels": lambda w, h, s, p: 180e6 + 55 * w * h,
    "pixels and steps": lambda w, h, s, p: 180e6 + 5 * w * h * s,
    "steps that cost by pixels": lambda w, h, s, p: 50e6 + s * (20e6 + 20 * w * h),
    "text and steps": lambda w, h, s, p: 100e6 + 20e6 * s + 2e6 * p,
    "attention": lambda w, h, s, p: 10e6 + 1e6 * p + 1e4 * p * p,
    "decoder and steps": lambda w, h, s, p: 50e6 + 3 * w * h * s + 60 * w * h,
}
NOISE = 0.03


def inputs(random_, count, least):
    """Uniform from that part of each range on: the ten are of all sizes, the thirty are large."""
    def pick(low, high):
        return random_.randint(round(low + (high - low) * least), high)
    return [{"width": pick(64, 2048), "height": pick(64, 2048), "steps": pick(1, 50), "prompt": "x" * pick(1, 300)} for _ in range(count)]


def work_ns(random_, law, one):
    return int(law(one["width"], one["height"], one["steps"], len(one["prompt"])) * random_.uniform(1 - NOISE, 1 + NOISE))


def estimate(home, measured, others, *args):
    (home.path / "measured.jsonl").write_text("".join(json.dumps(line) + "\n" for line in measured))
    (home.path / "others.jsonl").write_text("".join(json.dumps(one) + "\n" for one in others))
    return home.mrun("cost", "estimate", "test/work", "--measured", home.path / "measured.jsonl", "--inputs", home.path / "others.jsonl", "--json").json()


def main(home):
    home.model("test/work", inputs="width: {type: integer, default: 64}\nheight: {type: integer, default: 64}\nsteps: {type: integer, default: 1}\nprompt: {type: string, default: hi}")
    for name, law in LAWS.items():
        offs = []
        for seed in range(6):
            random_ = random.Random(seed)
            measured = [{"input": one, "predict_ns": work_ns(random_, law, one), "setup_ns": 2_000_000_000,
                         "units": {"image": 1, "megapixel": one["width"] * one["height"] / 1e6}} for one in inputs(random_, 10, 0)]
            others = inputs(random_, 30, 0.25)
            made = estimate(home, measured, others)
            offs.append(made["seconds"]["typical_ns"] / sum(work_ns(random_, law, one) for one in others) - 1)
            assert abs(offs[-1]) < 0.10, (name, seed, offs[-1], made["driver"])
            assert made["case_count"] == 30 and made["setup"]["typical_ns"] == 2_000_000_000
            assert made["seconds"]["worst_ns"] >= made["seconds"]["typical_ns"]
            assert made["cases"][0]["units"]["image"]["typical"] == "1", made["cases"][0]
            wanted = others[0]["width"] * others[0]["height"] / 1e6
            assert abs(float(made["cases"][0]["units"]["megapixel"]["typical"]) / wanted - 1) < 1e-4, made["cases"][0]
            assert not any("poor" in note for note in made["notes"]), made["notes"]
        print(f"{name}: " + " ".join(f"{off:+.1%}" for off in offs), flush=True)
    # A time that hangs on nothing that is known: the estimate says what it is worth.
    random_ = random.Random(1)
    measured = [{"input": one, "predict_ns": random_.choice([10**8, 10**9, 10**10])} for one in inputs(random_, 10, 0)]
    assert any("fit is poor" in note for note in estimate(home, measured, inputs(random_, 3, 0))["notes"])
    # One too many, and what is no measurement.
    text = (home.path / "measured.jsonl").read_text()
    for bad in (text + text.splitlines()[0], '{"input": {}}\n', '{"predict_ns": -1}\n', "[]\n", "{", '{"predict_ns": 1, "units": {"image": "x"}}',
                '{"predict_ns": 1, "units": {"pictures": 1}}'):
        (home.path / "bad.jsonl").write_text(bad)
        home.fails("M1914", 4, "cost", "estimate", "test/work", "--measured", home.path / "bad.jsonl")


run(main)
