#!/usr/bin/env python3
"""Makes the corpus of the torch engine's tests: model files, their inputs, and what Python gives for them.

Usage: make_corpus.py OUT TEMPLATES. OUT is a cache: nothing is done when its stamp fits this script and this torch.
OUT/<case>/ holds model.pt2 (or model.pt) and case.json: inputs and outputs with dtype, shape and a raw file each,
and the tolerance (0: equal to the last bit). OUT/hostile/*.pt2 with expect.json: archives that must be refused.

Usage: make_corpus.py --committed OUT [NAME...] writes OUT/<torch version>/<case>/, archives of at most 64 KiB with the tensors
inside of case.json. tests/torch/corpus is made so, once with each version of PyTorch that is at hand.

OUT/kinds.json says which kinds of schema.py's unions, dtypes, sub-graphs and targets the programs have between them.
"""

import base64
import dataclasses
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import torch
import torch.utils._pytree as pytree

from corpus_aliases import alias_cases
from corpus_cases import exported_cases, torchscript_cases
from corpus_inputs import input_cases, script_cases
from corpus_hostile import write_hostile
from corpus_misfits import write_misfits
from corpus_rewritten import write_rewritten

DTYPES = {
    torch.float32: "f32", torch.float64: "f64", torch.float16: "f16", torch.bfloat16: "bf16", torch.int8: "i8",
    torch.int16: "i16", torch.int32: "i32", torch.int64: "i64", torch.uint8: "u8", torch.bool: "bool",
    torch.uint16: "u16", torch.uint32: "u32", torch.uint64: "u64", torch.complex64: "c64", torch.complex128: "c128",
}
MAX_COMMITTED_BYTES = 64 * 1024
DECOMPOSED = {"mlp", "cnn", "lstm", "attention", "cond_true", "symbols", "indexing", "buffer_mutation", "input_mutation", "trees", "folded",
              "unet", "detection_head"}


def leaf_name(path):
    """The path of a pytree leaf, as the engine names it."""
    parts = []
    for key in path:
        for attribute in ("key", "name", "idx"):
            if hasattr(key, attribute):
                parts.append(str(getattr(key, attribute)))
                break
    return ".".join(parts) or "0"


def as_tensor(value):
    """Numbers come out of the engine as 0-dim tensors; None and text don't come out."""
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, bool):
        return torch.tensor(value)
    if isinstance(value, int):
        return torch.tensor(value, dtype=torch.int64)
    if isinstance(value, float):
        return torch.tensor(value, dtype=torch.float64)
    return None


def write_tensor(folder, name, tensor, inside):
    tensor = tensor.detach().resolve_conj().contiguous()
    data = tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
    entry = {"name": name, "dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape)}
    if inside:
        return entry | {"data": base64.b64encode(data).decode()}
    file = name.replace(".", "_") + ".bin"
    (folder / file).write_bytes(data)
    return entry | {"file": file}


def flat_inputs(names, args, kwargs):
    """(name, value) of each leaf: positional arguments by the names of forward's parameters."""
    found = []
    for index, value in enumerate(args):
        if isinstance(value, list) and not any(isinstance(leaf, torch.Tensor) for leaf in value):
            found.append((names[index], value))  # JSON
            continue
        for path, leaf in pytree.tree_flatten_with_path(value)[0]:
            suffix = leaf_name(path) if path else ""
            found.append((f"{names[index]}.{suffix}" if suffix else names[index], leaf))
    for key, value in kwargs.items():
        for path, leaf in pytree.tree_flatten_with_path(value)[0]:
            suffix = leaf_name(path) if path else ""
            found.append((f"{key}.{suffix}" if suffix else key, leaf))
    return found


def write_outputs(folder, prefix, results, inside):
    outputs = []
    for path, leaf in pytree.tree_flatten_with_path(results)[0]:
        tensor = as_tensor(leaf)
        if tensor is not None:
            entry = write_tensor(folder, f"{prefix}.{leaf_name(path)}", tensor, inside)
            outputs.append(entry | {"name": f"out.{leaf_name(path)}"})
    return outputs


def write_case(folder, names, args, kwargs, results, tolerance, bf16_results=None, inside=False):
    inputs = []
    for number, (name, value) in enumerate(flat_inputs(names, args, kwargs)):
        if isinstance(value, torch.Tensor):
            entry = write_tensor(folder, f"in.{name}", value, inside)
        elif value is None:
            continue
        else:
            entry = {"name": f"in.{name}" if "." in name else name, "json": json.dumps(value)}
        inputs.append(entry)
    case = {"inputs": inputs, "outputs": write_outputs(folder, "out", results, inside), "tolerance": tolerance}
    if bf16_results is not None:
        case["bf16_outputs"] = write_outputs(folder, "bf16", bf16_results, inside)
    (folder / "case.json").write_text(json.dumps(case) + "\n")


def clones(tree):
    return pytree.tree_map(lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, tree)


def write_exported(out, case, inside=False):
    folder = out / case.name
    folder.mkdir()
    module = case.module.eval()
    with torch.set_grad_enabled(case.grad):
        program = torch.export.export(module, clones(case.args), clones(case.kwargs), dynamic_shapes=case.shapes, strict=False)
        if case.decomposed:
            program = program.run_decompositions()
    torch.export.save(program, folder / "model.pt2")
    args, kwargs = case.run_args or case.args, case.run_kwargs or case.kwargs
    with torch.inference_mode():
        results = program.module()(*clones(args), **clones(kwargs))
    bf16_results = None
    if case.bf16 and not inside:
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=False):
            bf16_results = program.module()(*clones(args), **clones(kwargs))
    write_case(folder, case.names, args, kwargs, results, case.tolerance, bf16_results, inside)


def all_exported():
    """With those of torchvision where it is at hand, and some once more as they are after run_decompositions()."""
    cases = [*exported_cases(), *alias_cases(), *input_cases()]
    if importlib.util.find_spec("torchvision"):
        from corpus_detection import detection_cases
        cases += detection_cases()
    again = [dataclasses.replace(case, name=f"{case.name}_decomposed", decomposed=True, bf16=False) for case in cases if case.name in DECOMPOSED]
    return cases + again


def all_scripts():
    from corpus_detection import detection_scripts
    return [*torchscript_cases(), *script_cases(), *detection_scripts()]


def write_torchscript(out, case):
    folder = out / case.name
    folder.mkdir()
    frozen = isinstance(case.module, torch.jit.ScriptModule)
    torch.jit.save(case.module if frozen else torch.jit.script(case.module.eval()), folder / "model.pt")
    with torch.inference_mode():
        results = case.module(*clones(case.args), **clones(case.kwargs))
    write_case(folder, case.names, case.args, case.kwargs, results, case.tolerance)


def write_template(out, templates, name, names, make_args):
    """A template's model, exported by its own script."""
    folder = out / name
    shutil.copytree(templates / name, folder)
    subprocess.run([sys.executable, str(folder / "export.py")], check=True, stdout=subprocess.DEVNULL)
    args = make_args()
    with torch.inference_mode():
        results = torch.export.load(folder / "model.pt2").module()(*args)
    write_case(folder, names, args, {}, results, 1e-5)


def write_all(out, templates):
    torch.manual_seed(20)
    torch.set_num_threads(1)
    for case in all_exported():
        write_exported(out, case)
    for case in all_scripts():
        write_torchscript(out, case)
    write_rewritten(out)
    ids = torch.randint(5, 30000, (3, 17))
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    write_template(out, templates, "text-embedding", ["input_ids", "attention_mask"], lambda: (ids, mask))
    write_template(out, templates, "image-classifier", ["x"], lambda: (torch.rand(2, 3, 224, 224),))
    write_hostile(out / "hostile", out / "mlp" / "model.pt2")
    write_misfits(out / "misfits")
    (out / "kinds.json").write_text(json.dumps(kinds_of(out), indent=1))


def kinds_of(out):
    found = {"arguments": set(), "inputs": set(), "outputs": set(), "dtypes": set(), "targets": set()}

    def walk(part):
        if isinstance(part, list):
            for item in part:
                walk(item)
        elif isinstance(part, dict):
            found["arguments"].update(key for key in part if key.startswith("as_"))
            for spec in ("inputs", "outputs"):
                found[spec].update(key for entry in part.get(f"{spec[:-1]}_specs", []) for key in entry)
            if isinstance(part.get("target"), str):
                found["targets"].add(part["target"])
            if "dtype" in part and "sizes" in part:
                found["dtypes"].add(part["dtype"])
            for item in part.values():
                walk(item)

    for path in sorted(out.glob("*/model.pt2")):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".json"):
                    walk(json.loads(archive.read(name)))
    return {key: sorted(values) for key, values in found.items()}


def stamp(templates):
    digest = hashlib.sha256(torch.__version__.encode())
    for file in [*sorted(Path(__file__).parent.glob("*.py")), *sorted(templates.glob("*/export.py"))]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def write_committed(out, names):
    """Cases that this torch can't export are left out, and said. With `names` only those are made anew."""
    torch.manual_seed(20)
    torch.set_num_threads(1)
    folder = out / torch.__version__.split("+")[0]
    if not names:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    for case in all_exported():
        if names and case.name not in names:
            continue
        shutil.rmtree(folder / case.name, ignore_errors=True)
        try:
            write_exported(folder, case, inside=True)
        except Exception as error:
            print(f"{case.name}: {type(error).__name__}: {str(error).splitlines()[0]}", file=sys.stderr)
            shutil.rmtree(folder / case.name, ignore_errors=True)
            continue
        if (folder / case.name / "model.pt2").stat().st_size > MAX_COMMITTED_BYTES:
            shutil.rmtree(folder / case.name)
            print(f"{case.name}: too large", file=sys.stderr)


def main():
    if sys.argv[1] == "--committed":
        write_committed(Path(sys.argv[2]).resolve(), sys.argv[3:])
        return
    out, templates = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    if (out / "stamp").is_file() and (out / "stamp").read_text() == stamp(templates):
        return
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    write_all(out, templates)
    (out / "stamp").write_text(stamp(templates))


if __name__ == "__main__":
    main()
