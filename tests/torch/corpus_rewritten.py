"""Programs that no PyTorch of today writes but schema.py allows: the same programs, said in another way."""

import json
import shutil
import zipfile


def optional_tensor(argument):
    """Where the schema says `Tensor?`."""
    if "as_none" in argument:
        return {"as_optional_tensor": {"as_none": True}}
    if "as_tensor" in argument:
        return {"as_optional_tensor": {"as_tensor": argument["as_tensor"]}}
    return argument


def symbolic(argument):
    """Constants as lists that might hold symbols."""
    names = {"as_bools": ("as_sym_bools", "as_bool"), "as_floats": ("as_sym_floats", "as_float"), "as_ints": ("as_sym_ints", "as_int")}
    for plain, (listed, single) in names.items():
        if plain in argument:
            return {listed: [{single: value} for value in argument[plain]]}
    return argument


def rewrite(source, target, operators, change):
    """`change` makes another argument of each of those of `operators`: their names, or none for all. Gives how many."""
    shutil.copytree(source, target)
    changed = 0
    with zipfile.ZipFile(source / "model.pt2") as archive, zipfile.ZipFile(target / "model.pt2", "w", zipfile.ZIP_STORED) as copy:
        for info in archive.infolist():
            data = archive.read(info)
            if info.filename.endswith("models/model.json"):
                document = json.loads(data)
                for node in document["graph_module"]["graph"]["nodes"]:
                    for named in node["inputs"]:
                        if node["target"].startswith("torch.ops.") and (not operators or named["name"] in operators.get(node["target"], ())):
                            other = change(named["arg"])
                            changed += other != named["arg"]
                            named["arg"] = other
                data = json.dumps(document).encode()
            copy.writestr(zipfile.ZipInfo(info.filename), data)
    assert changed, target.name


def write_rewritten(out):
    optional = {"torch.ops.aten.conv2d.default": ("bias",), "torch.ops.aten.batch_norm.default": ("weight", "bias", "running_mean", "running_var"),
                "torch.ops.aten.linear.default": ("bias",)}
    rewrite(out / "cnn", out / "cnn_optional", optional, optional_tensor)
    rewrite(out / "arguments", out / "arguments_symbolic", {}, symbolic)
    rewrite(out / "optional_outputs", out / "optional_outputs_symbolic", {}, symbolic)
