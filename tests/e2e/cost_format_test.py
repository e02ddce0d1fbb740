"""Goal: a projection goes by the number format of the weights; a device without units for it is not feasible."""

import datetime
import json
import struct

from harness import run


def safetensors(dtype, count):
    size = count * (4 if dtype == "F32" else 2)
    header = json.dumps({"w": {"dtype": dtype, "shape": [count], "data_offsets": [0, size]}}).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + b"\0" * size


def projected(home, name, *args, to="T4,A100 80GB SXM"):
    made = home.mrun("cost", "estimate", name, "--assume", "seconds=1", "--on", "L4", "--to", to, "--json", *args).json()
    return {line["device"]: line for line in made["projected"]}


def main(home):
    for dtype, name in (("BF16", "test/bf16"), ("F16", "test/f16"), ("F32", "test/f32")):
        home.model(name, files={"model.safetensors": safetensors(dtype, 4096)})
    lines = projected(home, "test/bf16")
    assert "bf16" in lines["T4"]["not_feasible"] and "seconds" not in lines["T4"], lines["T4"]
    assert "bf16" in lines["A100 80GB SXM"]["basis"] and lines["A100 80GB SXM"]["label"] == "projected", lines
    # The ratio form, by hand: L4 121 TFLOP/s and 300 GB/s, A100 312 and 2,039.
    seconds = lines["A100 80GB SXM"]["seconds"]
    assert abs(seconds["least_ns"] / 1e9 - 300 / 2039 * 0.75) < 1e-8 and abs(seconds["most_ns"] / 1e9 - 121 / 312 * 1.10) < 1e-8, seconds
    assert "fp16" in projected(home, "test/f16")["T4"]["basis"]
    # fp32 is not done by tensor cores: L4 30.3 TFLOP/s, T4 8.1.
    whole = projected(home, "test/f32")["T4"]
    assert whole["dtype"] == "fp32" and abs(whole["seconds"]["most_ns"] / 1e9 - 30.3 / 8.1 * 1.10) < 1e-8, whole
    assert "projected  T4 in fp32: " in home.mrun("cost", "estimate", "test/f32", "--assume", "seconds=1", "--on", "L4", "--to", "T4").out
    unknown = projected(home, "test/f32", to="A10G")["A10G"]
    assert "in fp32 is not known" in unknown["not_feasible"], unknown
    assert "fp16" in projected(home, "test/bf16", "--dtype", "fp16")["T4"]["basis"]
    # A device of a node of 8 is not rented alone, however cheap it is.
    day = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    rows = [{"provider": "mine", "sku": "H100 SXM", "kind": "runtime", "per": "gpu_h", "usd": usd, "dims": {"gpu_count": count}, "states": {"active": 1, "idle": 0},
             "granularity_s": 1, "read_on": day, "source": "contract", "confidence": "A"} for usd, count in ((1.3, 8), (1.5, 1))]
    (home.path / "rows.json").write_text(json.dumps(rows))
    home.mrun("prices", "import", home.path / "rows.json")
    made = home.mrun("cost", "estimate", "test/f16", "--assume", "seconds=3600", "--on", "L4", "--to", "H100 SXM", "--json").json()
    line = made["projected"][0]
    assert "mine" in line["price"]["name"] and abs(float(line["price"]["least"]) - 1.5 * line["seconds"]["least_ns"] / 1e9 / 3600) < 1e-3, line


run(main)
