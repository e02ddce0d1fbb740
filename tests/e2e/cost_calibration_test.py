"""Goal: calibrated on 10 inputs, the sum over 30 others of different size is within 10 %. Service times are injected: it is about the arithmetic."""

import json
import random

from harness import run


def service_ns(random_, width, height, steps):
    """A model of its kind: a constant, a part by pixels, 3 % of noise."""
    return int((180e6 + 55 * width * height) * random_.uniform(0.97, 1.03)) + steps * 0


def main(home):
    home.model("test/work", inputs="width: {type: integer, default: 64}\nheight: {type: integer, default: 64}\nsteps: {type: integer, default: 1}\nprompt: {type: string, default: hi}")
    for seed in range(8):
        random_ = random.Random(seed)
        def one():
            return {"width": random_.randint(64, 2048), "height": random_.randint(64, 2048), "steps": random_.randint(1, 50), "prompt": "x" * random_.randint(1, 300)}
        measured, others = [one() for _ in range(10)], [one() for _ in range(30)]
        (home.path / "measured.jsonl").write_text("".join(
            json.dumps({"input": i, "predict_ns": service_ns(random_, i["width"], i["height"], i["steps"]), "setup_ns": 2_000_000_000,
                        "units": {"image": 1, "megapixel": i["width"] * i["height"] / 1e6}}) + "\n" for i in measured))
        (home.path / "others.jsonl").write_text("".join(json.dumps(i) + "\n" for i in others))
        actual = sum(service_ns(random_, i["width"], i["height"], i["steps"]) for i in others)
        made = home.mrun("cost", "estimate", "test/work", "--measured", home.path / "measured.jsonl", "--inputs", home.path / "others.jsonl", "--json").json()
        off = made["seconds"]["typical_ns"] / actual - 1
        assert abs(off) < 0.10, (seed, off, made["driver"])
        assert made["driver"] == "height*width" and made["case_count"] == 30, made["driver"]
        assert made["seconds"]["worst_ns"] >= made["seconds"]["typical_ns"] and made["setup"]["typical_ns"] == 2_000_000_000
        assert made["cases"][0]["units"]["image"]["typical"] == "1", made["cases"][0]
        print(f"seed {seed}: {off:+.2%}")
    # One too many, and what is no measurement.
    text = (home.path / "measured.jsonl").read_text()
    for bad in (text + text.splitlines()[0], '{"input": {}}\n', '{"predict_ns": -1}\n', "[]\n", "{", '{"predict_ns": 1, "units": {"image": "x"}}'):
        (home.path / "bad.jsonl").write_text(bad)
        home.fails("M1914", 4, "cost", "estimate", "test/work", "--measured", home.path / "bad.jsonl")


run(main)
