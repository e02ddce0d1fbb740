"""Goal: `--device cuda:N` runs exported programs, TorchScript, AOTInductor packages and operator libraries, which give
what they give on the CPU. Skips where there is no GPU."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

from harness import SOURCE, run, wait_for

PYTHON = os.environ.get("MRUN_DEV_PYTHON") or sys.executable
X = [0.5, -1.0, 2.0, 3.5]  # gpu_models.py has the same
TOLERANCE = 1e-2  # TF32, and sums in another order

MANIFEST = """
mrun: 1
name: gpu/{name}
engine: torch
model: {model}
files: [{model}]
options: {options}
inputs: {{x: {{type: array, items: {{type: number}}, length: 4}}}}
output: {{type: array, items: {{type: number}}}}
pre: [{{step: from_json, from: x, dtype: f32, to: {input}}}]
post: [{{step: to_json, from: out.0, to: output}}]
"""


def command(*words, cwd):
    done = subprocess.run(list(map(str, words)), cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def predict(home, name, device):
    done = home.mrun("predict", name, "-i", f"x:={json.dumps(X)}", "--device", device, "--json", timeout=180).json()
    assert done["status"] == "succeeded", done
    return done["output"], done["metrics"]["device"]


def near(a, b):
    return len(a) == len(b) and max(abs(x - y) for x, y in zip(a, b)) < TOLERANCE


def pack(home, models, name, model, input="in.x", options="{}"):
    folder = home.path / name
    folder.mkdir()
    shutil.copy(models / model, folder)
    (folder / "mrun.yaml").write_text(MANIFEST.format(name=name, model=model, input=input, options=options))
    home.mrun("pack", folder)


def check_kinds(home, models):
    expected = json.loads((models / "expected.json").read_text())
    pack(home, models, "exported", "exported.pt2")
    pack(home, models, "script", "script.pt")
    pack(home, models, "trace", "trace.pt")
    for name in ("exported", "script", "trace"):
        for device, wanted in (("cpu", "cpu"), ("cuda:0", "cuda:0"), ("cuda", "cuda:0"), ("auto", "cuda:0")):
            output, used = predict(home, f"gpu/{name}", device)
            assert used == wanted and near(output, expected), (name, device, used, output, expected)
        print(f"{name}: as on the CPU", flush=True)
    pack(home, models, "aoti", "aoti.pt2", "in.0", "{native_code: true}")
    output, used = predict(home, "gpu/aoti", "cuda:0")
    assert used == "cuda:0" and near(output, expected), (output, expected)
    assert "compiled for cuda" in home.try_mrun("predict", "gpu/aoti", "-i", f"x:={json.dumps(X)}", "--device", "cpu").err
    print("aoti: as on the CPU", flush=True)


def check_operators(home):
    folder = home.path / "operators"
    home.mrun("init", folder, "--template", "torch-operators", "--name", "gpu/operators")
    torch = subprocess.run([PYTHON, "-c", "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"],
                           capture_output=True, text=True, check=True).stdout.strip()
    command("cmake", "-S", ".", "-B", "build", f"-DTORCH_DIR={torch}", "-DWITH_CUDA=ON", cwd=folder)
    command("cmake", "--build", "build", cwd=folder)
    command(PYTHON, "export.py", cwd=folder)
    manifest = (folder / "mrun.yaml").read_text()
    (folder / "mrun.yaml").write_text(manifest.replace("devices: [cpu]", "devices: [cpu, cuda]"))
    home.mrun("pack", folder)
    values = json.dumps([1, 2, 3, 4])
    outputs = {}
    for device in ("cpu", "cuda:0"):
        done = home.mrun("predict", "gpu/operators", "-i", f"x:={values}", "--device", device, "--json", timeout=180).json()
        outputs[device] = done["output"]
    assert near(outputs["cuda:0"], outputs["cpu"]), outputs
    print("operators: as on the CPU", flush=True)


def check_end(home):
    """Memory on the GPU comes back with the worker's end."""
    pids = [worker["pid"] for worker in home.workers()["models"] if worker.get("pid")]
    assert pids, home.workers()
    for name in ("exported", "script", "trace", "aoti", "operators"):
        home.mrun("stop", f"gpu/{name}")
    wait_for(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids), 30, "the workers to end")


def main(home):
    if not any(path.name[6:].isdigit() for path in pathlib.Path("/dev").glob("nvidia[0-9]*")):
        print("skipped: there is no gpu (no /dev/nvidia0)")
        sys.exit(77)
    models = home.path / "models"
    models.mkdir()
    command(PYTHON, SOURCE / "tests/e2e/gpu_models.py", cwd=models)
    check_kinds(home, models)
    assert "there is no device cuda:99" in home.fails("M1416", 1, "predict", "gpu/exported", "-i", f"x:={json.dumps(X)}", "--device", "cuda:99").err
    check_operators(home)
    check_end(home)


run(main)
