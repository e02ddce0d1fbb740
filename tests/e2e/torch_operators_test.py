"""Goal: a model with a library of operators runs where it was packed, and from elsewhere only after --trust."""

import json
import os
import subprocess

from harness import Home, run
from registry_server import Registry

PYTHON = os.environ["MRUN_DEV_PYTHON"]


def build(home, folder, name="demo/scaled"):
    home.mrun("init", folder, "--template", "torch-operators", "--name", name)
    torch = subprocess.run([PYTHON, "-c", "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"],
                           capture_output=True, text=True, check=True).stdout.strip()
    # As a library with kernels for GPUs does, it names LibTorch's small CUDA library, where this LibTorch has one.
    cuda = f"{torch}/lib/libc10_cuda.so"
    more = [f"-DCMAKE_MODULE_LINKER_FLAGS=-Wl,--no-as-needed {cuda}"] if name.endswith("cuda") and os.path.exists(cuda) else []
    for command in (["cmake", "-S", ".", "-B", "build", f"-DTORCH_DIR={torch}", *more], ["cmake", "--build", "build"], [PYTHON, "export.py"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def main(home):
    other, registry = Home(), Registry(home.path / "registry")
    try:
        check(home, other, registry)
    finally:
        other.close()
        registry.close()


def check(home, other, registry):
    folder, remote = home.path / "scaled", f"{registry.host}/demo/scaled"
    build(home, folder)
    home.mrun("pack", folder)
    inputs = ["-i", "x:=[1, 2, 3, 4]"]
    answer = home.mrun("predict", "demo/scaled", *inputs, "--json").json()["output"]
    expected = json.loads((folder / "expected/first.json").read_text())
    assert max(abs(a - b) for a, b in zip(answer, expected)) < 1e-5, (answer, expected)
    build(home, home.path / "cuda", "demo/cuda")
    home.mrun("pack", home.path / "cuda")
    assert home.mrun("predict", "demo/cuda", "--device", "cpu", *inputs, "--json").json()["output"] == answer
    home.mrun("push", "demo/scaled", remote)

    assert other.mrun("inspect", remote, "--json").json()["native_code"] is True
    assert "--trust" in other.mrun("pull", remote).err
    assert "library of operators" in other.fails("M1418", 4, "predict", "demo/scaled", *inputs).err
    assert other.mrun("predict", "demo/scaled", "--trust", *inputs, "--json").json()["output"] == answer

    # A manifest that keeps quiet about its library: the operator is then missing, whatever the file holds.
    manifest = (folder / "mrun.yaml").read_text()
    (folder / "mrun.yaml").write_text(manifest.replace("options:\n  operators: [operators.so]", "options: {}"))
    assert "operators.so" not in (folder / "mrun.yaml").read_text().split("files:")[0]
    assert "mylib.scale_shift" in home.fails("M1113", 2, "pack", folder, "-t", "demo/quiet").err


run(main)
