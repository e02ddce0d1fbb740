"""Goal: `mrun inspect FILE` says what a model file is before anything is packed, and `mrun pack` refuses what can't run,
by name."""

import json
import pathlib
import struct
import zipfile

from harness import SOURCE, run

CORPUS = SOURCE / "tests/torch/corpus"


def edited(source, target, change):
    """A copy of an archive whose program is changed."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as copy:
        for info in archive.infolist():
            data = archive.read(info)
            if info.filename.endswith("models/model.json"):
                document = json.loads(data)
                change(document)
                data = json.dumps(document).encode()
            copy.writestr(zipfile.ZipInfo(info.filename), data)


def model_directory(folder, model):
    folder.mkdir()
    (folder / "model.pt2").write_bytes(pathlib.Path(model).read_bytes())
    (folder / "mrun.yaml").write_text(
        "mrun: 1\nname: demo/net\nengine: torch\nmodel: model.pt2\nfiles: [model.pt2]\ninputs: {x: {type: any}}\noutput: {type: any}\n")
    return folder


def check_program(home):
    newest = sorted(CORPUS.iterdir())[-1]
    mlp = newest / "mlp/model.pt2"
    report = home.mrun("inspect", mlp, "--json").json()
    assert report["schema"] == "mrun.inspect-file/v1" and report["kind"] == "exported_program", report
    assert report["torch_version"].startswith(newest.name) and report["native_code"] is False, report
    x, scale = report["inputs"]
    assert x["name"] == "in.x" and x["dtype"] == "f32" and x["shape"][1] == 6, x
    assert report["symbols"][x["shape"][0]] == {"min": 2, "max": 64}, report["symbols"]
    assert scale["name"] == "in.scale" and scale["shape"] == [], scale
    assert [output["name"] for output in report["outputs"]] == ["out.logits", "out.hidden"], report["outputs"]
    assert report["output_tree"] == {"logits": "out.logits", "hidden": "out.hidden"}, report["output_tree"]
    linear = next(one for one in report["operators"]["list"] if one["name"] == "aten.linear.default")
    assert linear == {"name": "aten.linear.default", "count": 2, "available": True}, linear
    assert report["weights"]["count"] == 4 and report["weights"]["size_bytes"] == 4 * (6 * 16 + 16 + 16 * 3 + 3), report["weights"]
    assert report["weights"]["dtypes"] == {"f32": {"count": 4, "size_bytes": 652}} and report["problems"] == [], report

    words = home.mrun("inspect", mlp).out
    for expected in ("exported program (torch.export)", "in.x", "f32", ", 6]", ": 2 to 64", "out.logits", "aten.linear.default", "4 tensors"):
        assert expected in words, (expected, words)
    # From its own folder a bare name serves, and what begins with ./ is always a file.
    assert home.mrun("inspect", "model.pt2", cwd=mlp.parent).out.splitlines()[1:] == words.splitlines()[1:]
    home.fails("M1307", 2, "inspect", "./nothing.pt2")
    tree = home.mrun("inspect", newest / "trees/model.pt2", "--json").json()
    assert tree["output_tree"]["pair"] == {"left": "out.pair.left", "right": "out.pair.right"}, tree["output_tree"]
    parity = home.mrun("inspect", newest / "parity/model.pt2", "--json").json()
    assert parity["constants"] == [{"name": "flag", "value": True}] and len(parity["guards"]) == 1, parity


def check_weights(home):
    header = json.dumps({"a": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}}).encode()
    (home.path / "w.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(12))
    report = home.mrun("inspect", home.path / "w.safetensors", "--json").json()
    assert report["kind"] == "safetensors" and report["weights"] == {"count": 1, "size_bytes": 12, "dtypes": {"F16": {"count": 1, "size_bytes": 12}}}, report
    (home.path / "junk.pt2").write_bytes(b"this is no archive" * 100)
    assert "not a ZIP archive" in home.fails("M1307", 2, "inspect", home.path / "junk.pt2").err


def check_refusals(home):
    mlp = sorted(CORPUS.iterdir())[-1] / "mlp/model.pt2"

    def rename(document):
        node = next(node for node in document["graph_module"]["graph"]["nodes"] if node["target"] == "torch.ops.aten.silu.default")
        node["target"] = "torch.ops.mylib.magic.default"

    broken = home.path / "magic.pt2"
    edited(mlp, broken, rename)
    report = home.mrun("inspect", broken, "--json").json()
    (problem,) = report["problems"]
    assert "torch.ops.mylib.magic.default" in problem["message"] and "corpus_cases.py:" in problem["source"], problem
    assert "missing here" in home.mrun("inspect", broken).out

    folder = model_directory(home.path / "broken", broken)
    refused = home.fails("M1113", 2, "pack", folder)
    assert "LibTorch has no such operator" in refused.err and "corpus_cases.py:" in refused.err and "operators:" in refused.err, refused
    home.fails("M1113", 2, "predict", folder, "-i", "x=1")
    assert "demo/net" not in home.try_mrun("ls").out

    # Machine code that nobody declared.
    native = home.path / "native.pt2"
    with zipfile.ZipFile(native, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("m/data/aotinductor/model/a.wrapper.so", b"\x7fELF")
        archive.writestr("m/data/aotinductor/model/a.wrapper_metadata.json", json.dumps({
            "AOTI_DEVICE_KEY": "cpu", "AOTI_PLATFORM": "linux", "AOTI_MACHINE": "x86_64", "AOTI_CPU_ISA": "", "AOTI_COMPUTE_CAPABILITY": ""}))
    report = home.mrun("inspect", native, "--json").json()
    assert report["kind"] == "aot_inductor" and report["native_code"] is True and report["native"]["device"] == "cpu", report
    assert "--trust" in home.mrun("inspect", native).out
    folder = model_directory(home.path / "undeclared", native)
    assert "native_code: true" in home.fails("M1104", 2, "pack", folder).err
    with open(folder / "mrun.yaml", "a") as manifest:
        manifest.write("options: {native_code: true}\n")
    home.mrun("pack", folder)
    # A package that would have to be compiled.
    with zipfile.ZipFile(folder / "model.pt2", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("m/data/aotinductor/model/a.wrapper.cpp", b"int x;")
    assert "mrun runs no compiler" in home.fails("M1113", 2, "pack", folder).err


def main(home):
    check_program(home)
    check_weights(home)
    check_refusals(home)


run(main)
