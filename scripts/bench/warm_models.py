"""(c) MiniLM and MobileNet warm: the worker's own `predict` phase beside the same graph in Python, same threads.

usage: scripts/bench/run warm_models [rounds]
"""

import os
import subprocess
import sys

import lib

PYTHON = r"""
import json, sys, time, torch
sys.path.insert(0, sys.argv[1])
from minilm import Embedder
embedder = Embedder()
graph = torch.export.load(sys.argv[2]).module()
from PIL import Image
from torchvision import transforms as t
prepare = t.Compose([t.Resize(256), t.CenterCrop(224), t.ToTensor(), t.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
def mobilenet(path):
    with torch.inference_mode():
        out = graph(prepare(Image.open(path).convert("RGB")).unsqueeze(0))
        return torch.softmax(out, 1).topk(5)
for line in sys.stdin:
    kind, value = line.rstrip("\n").split("\t")
    start = time.perf_counter()
    embedder.embed(value) if kind == "minilm" else mobilenet(value)
    print(time.perf_counter() - start, flush=True)
"""
TEXT = "A man is eating food."


class Python:
    def __init__(self):
        env = os.environ | {"MRUN_BENCH_MODEL": str(lib.EXAMPLES / "minilm")}
        self.process = subprocess.Popen([CACHE_PYTHON, "-B", "-c", PYTHON, str(lib.PEERS), str(lib.EXAMPLES / "mobilenet/model.pt2")],
                                        env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, kind, value):
        self.process.stdin.write(f"{kind}\t{value}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


CACHE_PYTHON = lib.CACHE / "python/bin/python"


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    home, python = lib.packed_home("minilm", "mobilenet"), Python()
    picture = lib.EXAMPLES / "mobilenet/examples/coffee.png"
    home.mrun("daemon", "start")
    with open(picture, "rb") as file:
        import base64
        uri = "data:image/png;base64," + base64.b64encode(file.read()).decode()

    def mrun(version, **inputs):
        prediction = home.predict(version, **inputs).json()
        assert prediction["status"] == "succeeded", prediction
        return prediction["metrics"]["phases_ns"]["predict"] / 1e9

    contenders = {
        "MiniLM, mrun": lambda: mrun("demo/minilm", text=TEXT),
        "MiniLM, Python": lambda: python.ask("minilm", TEXT),
        "MobileNetV2, mrun": lambda: mrun("demo/mobilenet", image=uri),
        "MobileNetV2, Python": lambda: python.ask("mobilenet", picture),
    }
    try:
        for measure in contenders.values():
            for _ in range(5):
                measure()
        samples = lib.rounds(contenders, count, progress=False)
    finally:
        home.close()
        python.process.kill()
    for model in ("MiniLM", "MobileNetV2"):
        lib.table({name: values for name, values in samples.items() if name.startswith(model + ",")}, base=f"{model}, Python")
    lib.write("warm_models", {"samples_s": samples})


main()
