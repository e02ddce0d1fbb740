"""Goal: both example models, written by their templates, answer as Python does."""

import json
import os
import subprocess

from harness import run

PYTHON = os.environ["MRUN_DEV_PYTHON"]
TEXTS = ["A man is eating food.", "x", "Ünïcode, 水 and 🙂 — all of it.", "word " * 400]
REFERENCE = r"""
import json, sys, torch
from tokenizers import Tokenizer
folder, texts = sys.argv[1], json.loads(sys.argv[2])
tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
tokenizer.no_padding(); tokenizer.enable_truncation(256)
graph = torch.export.load(folder + "/model.pt2").module()
out = []
for text in texts:
    e = tokenizer.encode(text)
    ids, mask = torch.tensor([e.ids]), torch.tensor([e.attention_mask])
    h = graph(ids, mask)
    h = h["last_hidden_state"] if isinstance(h, dict) else h[0] if isinstance(h, tuple) else h
    w = mask.unsqueeze(-1).float()
    out.append(torch.nn.functional.normalize((h * w).sum(1) / w.sum(1).clamp(min=1e-9), dim=1)[0].tolist())
print(json.dumps(out))
"""
REFERENCE_IMAGE = r"""
import json, sys, torch
from PIL import Image
from torchvision import transforms as t
graph = torch.export.load(sys.argv[1] + "/model.pt2").module()
prepare = t.Compose([t.Resize(256), t.CenterCrop(224), t.ToTensor(), t.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
out = graph(prepare(Image.open(sys.argv[2]).convert("RGB")).unsqueeze(0))
out = out[0] if isinstance(out, tuple) else out
top = torch.softmax(out, 1)[0].topk(5)
print(json.dumps(list(zip(top.indices.tolist(), top.values.tolist()))))
"""


def python(script, *arguments):
    done = subprocess.run([PYTHON, "-c", script, *arguments], capture_output=True, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def export(home, folder, template, name):
    home.mrun("init", folder, "--template", template, "--name", name)
    done = subprocess.run([PYTHON, "export.py"], cwd=folder, capture_output=True, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    assert done.returncode == 0, done.stderr
    home.mrun("pack", folder, timeout=120)


def main(home):
    minilm, mobilenet = home.path / "minilm", home.path / "mobilenet"
    export(home, minilm, "text-embedding", "demo/minilm")
    export(home, mobilenet, "image-classifier", "demo/mobilenet")

    for text, wanted in zip(TEXTS, python(REFERENCE, str(minilm), json.dumps(TEXTS))):
        got = home.mrun("predict", "demo/minilm", "-i", f"text={text}", "--json").json()
        assert len(got["output"]) == 384
        worst = max(abs(a - b) for a, b in zip(got["output"], wanted))
        assert worst < 1e-4, (text[:20], worst)
        assert (got["metrics"].get("truncated_tokens", 0) > 0) == (len(text) > 1000), got["metrics"]
    print_form = home.mrun("predict", "demo/minilm", "-i", f"text={TEXTS[0]}").out
    assert len(json.loads(print_form)) == 384

    picture = mobilenet / "examples/coffee.png"
    wanted = python(REFERENCE_IMAGE, str(mobilenet), str(picture))
    labels = (mobilenet / "labels.txt").read_text().splitlines()
    got = home.mrun("predict", "demo/mobilenet", "-i", f"image=@{picture}", "--json").json()["output"]
    assert [row["label"] for row in got] == [labels[i] for i, _ in wanted], (got, wanted)
    assert all(abs(row["score"] - score) < 1e-4 for row, (_, score) in zip(got, wanted)), (got, wanted)
    assert got[0]["label"] == "espresso" and got[0]["score"] > 0.99, got
    assert len(home.mrun("predict", "demo/mobilenet", "-i", f"image=@{picture}", "-i", "top_k=1", "--json").json()["output"]) == 1

    # A picture that is none is the input's fault, and the worker goes on.
    broken = home.path / "broken.png"
    broken.write_bytes(picture.read_bytes()[:5000])
    home.fails("M1307", 2, "predict", "demo/mobilenet", "-i", f"image=@{broken}")
    home.mrun("predict", "demo/mobilenet", "-i", f"image=@{picture}")


run(main)
