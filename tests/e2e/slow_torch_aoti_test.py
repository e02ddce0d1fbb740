"""Goal: an AOTInductor package is inspected, drafted, packed and run; one without its weights is refused when it is packed."""

import json
import struct

from harness import BUILD, run

PACKAGES = BUILD / "torch-aoti"


def npy(shape, floats):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({''.join(f'{size}, ' for size in shape)}), }}"
    header = header.ljust((10 + len(header) + 1 + 63) // 64 * 64 - 11) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + floats


def check_draft(home, name, wanted):
    report = home.mrun("inspect", PACKAGES / name / "model.pt2", "--json").json()
    assert report["kind"] == "aot_inductor" and report["native_code"] is True and report["problems"] == [], report
    assert [entry["name"] for entry in report["inputs"]] == wanted, report["inputs"]
    home.mrun("init", home.path / name, "--from", PACKAGES / name / "model.pt2", "--name", f"try/{name}")
    assert "options: {native_code: true}" in (home.path / name / "mrun.yaml").read_text()
    home.mrun("pack", home.path / name)


def check_numbers(home):
    """The steps of the draft add the batch axis, so a package of a batch of one can be asked as it is."""
    case = json.loads((PACKAGES / "one/case.json").read_text())
    entry = case["inputs"][0]
    (home.path / "x.npy").write_bytes(npy(entry["shape"][1:], (PACKAGES / "one" / entry["file"]).read_bytes()))
    outcome = home.mrun("predict", "try/one", "-i", f"input_0=@{home.path / 'x.npy'}", "--json").json()
    assert outcome["status"] == "succeeded", outcome
    wanted = case["outputs"][0]
    numbers = struct.unpack(f"<{wanted['shape'][0] * wanted['shape'][1]}f", (PACKAGES / "one" / wanted["file"]).read_bytes())
    got = outcome["output"]
    while isinstance(got[0], list):
        got = got[0]
    assert len(got) == len(numbers) and max(abs(a - b) for a, b in zip(got, numbers)) < 1e-5, (got, numbers)


def main(home):
    check_draft(home, "package", ["in.0", "in.scale"])
    check_draft(home, "arguments", ["in.0", "in.extra"])
    check_draft(home, "trees", ["in.0.0", "in.0.1", "in.opts.scale"])
    check_draft(home, "blob", ["in.0"])
    check_draft(home, "one", ["in.0"])
    check_numbers(home)
    for name, words in {"without_weights": "compiled without its weights", "pickled_weights": "as pickled tensors"}.items():
        model = PACKAGES / f"refused/{name}.pt2"
        report = home.mrun("inspect", model, "--json").json()
        assert words in report["problems"][0]["message"], report
        folder = home.path / name
        folder.mkdir()
        (folder / "model.pt2").write_bytes(model.read_bytes())
        (folder / "mrun.yaml").write_text(
            f"mrun: 1\nname: try/{name.replace('_', '-')}\nengine: torch\nmodel: model.pt2\nfiles: [model.pt2]\n"
            "options: {native_code: true}\ninputs: {x: {type: any}}\noutput: {type: any}\n")
        assert words in home.fails("M1113", 2, "pack", folder).err


run(main)
