"""Goal: `mrun init --from FILE` writes a model directory that packs and predicts at once, for every kind of program."""

import base64
import json
import struct

from harness import SOURCE, run

CORPUS = sorted((SOURCE / "tests/torch/corpus").iterdir())[-1]


def example_flags(home, name):
    """The example that the draft wrote, as flags."""
    shown = home.mrun("show", name, "--json").json()
    return [part for key, value in shown["manifest"]["examples"][0]["input"].items() for part in ("-i", f"{key}:={json.dumps(value)}")]


def check_corpus(home):
    worked = 0
    for case in sorted(CORPUS.iterdir()):
        folder, name = home.path / f"try-{case.name}", f"try/{case.name.replace('_', '-')}"
        home.mrun("init", folder, "--from", case / "model.pt2", "--name", name)
        home.mrun("pack", folder)
        prediction = home.mrun("predict", name, *example_flags(home, name), "--json").json()
        assert prediction["status"] == "succeeded", (case.name, prediction)
        home.mrun("stop", name)
        worked += 1
    assert worked >= 25, worked


def check_numbers(home):
    """The draft gives what Python gave, for inputs typed as lists."""
    case = json.loads((CORPUS / "mlp/case.json").read_text())
    values = {}
    for entry in case["inputs"]:
        numbers = struct.unpack(f"<{len(base64.b64decode(entry['data'])) // 4}f", base64.b64decode(entry["data"]))
        rows, columns = entry["shape"] if entry["shape"] else (1, 1)
        nested = [list(numbers[row * columns : (row + 1) * columns]) for row in range(rows)]
        values[entry["name"][3:]] = nested if entry["shape"] else numbers[0]
    flags = [part for key, value in values.items() for part in ("-i", f"{key}:={json.dumps(value)}")]
    got = home.mrun("predict", "try/mlp", *flags, "--json").json()["output"]
    for entry in case["outputs"]:
        wanted = struct.unpack(f"<{len(base64.b64decode(entry['data'])) // 4}f", base64.b64decode(entry["data"]))
        flat = [number for row in got[entry["name"][4:]] for number in row]
        assert len(flat) == len(wanted) and max(abs(a - b) for a, b in zip(flat, wanted)) < 1e-5, entry["name"]


def main(home):
    check_corpus(home)
    check_numbers(home)
    home.fails("M1009", 2, "init", home.path / "try-mlp", "--from", CORPUS / "mlp/model.pt2")
    home.fails("M1001", 2, "init", home.path / "both", "--from", CORPUS / "mlp/model.pt2", "--template", "cpp")


run(main)
