"""Goal: an estimate knows what a large file weighs before and after it was uploaded, and runs with it."""

import json

from harness import run

SIZES = [300_000, 600_000, 900_000, 1_200_000]


def main(home):
    home.model("test/enhance", inputs="image: {type: file}", output="type: any")
    for size in SIZES + [2_000_000]:
        (home.path / f"{size}.bin").write_bytes(b"\0" * size)
    (home.path / "cases.jsonl").write_text("".join(json.dumps({"image": f"@{size}.bin"}) + "\n" for size in SIZES))

    # They are run: each is uploaded, and followed to its end.
    estimate = home.mrun("cost", "estimate", "test/enhance", "-i", "image=@2000000.bin", "--calibrate",
                         home.path / "cases.jsonl", "--run", "--json").json()
    assert estimate["basis"] == f"{len(SIZES)} runs made now" and estimate["seconds"]["typical_ns"] > 0, estimate
    assert estimate["check"]["prediction_count"] == 1, estimate["check"]

    # Times by the bytes of the file, injected: a constant and 1 ns a byte.
    (home.path / "measured.jsonl").write_text("")
    measured = [{"input": {"image": "data:application/octet-stream;base64," + "A" * (size // 3 * 4)}, "predict_ns": 10_000_000 + size}
                for size in (30_000, 60_000, 90_000)]
    (home.path / "measured.jsonl").write_text("".join(json.dumps(line) + "\n" for line in measured))
    estimate = home.mrun("cost", "estimate", "test/enhance", "-i", "image=@2000000.bin", "--measured",
                         home.path / "measured.jsonl", "--json").json()
    assert estimate["driver"] == "image bytes", estimate["driver"]
    assert abs(estimate["seconds"]["typical_ns"] - 12_000_000) < 10_000, estimate["seconds"]
    assert any("beyond" in note for note in estimate["notes"]), estimate["notes"]

    # From the ledger: the records of those runs hold the upload's address; its size is known all the same.
    past = home.mrun("cost", "estimate", "test/enhance", "-i", "image=@600000.bin", "--json").json()
    assert past["basis"] == "5 past predictions" and past["seconds"]["typical_ns"] > 0, past
    home.fails("M1307", 2, "cost", "estimate", "test/enhance", "-i", "image=@missing.bin")


run(main)
