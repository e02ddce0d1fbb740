"""Goal: `push --format modelpack` writes a whole-file artifact that modctl and Docker Model Runner read, the same bytes each time."""

import hashlib
import json
import os

from harness import Home, run
from model_files import gguf, huggingface_files, safetensors
from modelpack_rules import check_artifact, model_runner_unpack, modctl_extract, pull_by_other_client
from registry_server import Registry


def main(home):
    registry = Registry(home.path / "registry")
    try:
        cut_files_become_whole(home, registry)
        gguf_is_found(home, registry)
        anything_can_be_exported(home, registry)
    finally:
        registry.close()


def fetch(registry, repository, tag="latest"):
    manifest = registry.get_json(repository, f"manifests/{tag}")

    def blob(digest):
        status, _, body = registry.request("GET", f"/v2/{repository}/blobs/{digest}")
        assert status == 200 and "sha256:" + hashlib.sha256(body).hexdigest() == digest, (status, digest)
        return body
    config = json.loads(blob(manifest["config"]["digest"]))
    check_artifact(manifest, config)
    return manifest, config, blob


def write(folder, files):
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def cut_files_become_whole(home, registry):
    files = huggingface_files()
    files["model.safetensors"] = safetensors({
        "large": ("BF16", [40, 1 << 20], os.urandom(80 << 20)), "small": ("F32", [1000], os.urandom(4000)),
        "ids": ("I64", [8], bytes(64))})
    home.mrun("import", write(home.path / "tiny", files), "--as", "acme/tiny")
    version = home.mrun("show", "acme/tiny", "--json").json()["digest"]
    remote = f"{registry.host}/acme/tiny"

    dry = home.mrun("push", "acme/tiny", remote, "--format", "modelpack", "--dry-run", "--json").json()
    assert dry["dry_run"] and dry["sent_bytes"] > 80 << 20 and dry["digest"] != version, dry
    pushed = home.mrun("push", "acme/tiny", remote, "--format", "modelpack", "--json").json()
    assert pushed["digest"] == dry["digest"] and pushed["format"] == "modelpack" and "sha256:" + pushed["version"] == version, pushed
    manifest, config, blob = fetch(registry, "acme/tiny")
    assert config["config"] | {"capabilities": None} == {
        "architecture": "llama", "format": "safetensors", "paramSize": "41.9m", "precision": "bfloat16,float32", "capabilities": None}, config
    assert config["config"]["capabilities"] == {"inputTypes": ["text"], "outputTypes": ["text"]}, config
    assert config["descriptor"]["licenses"] == ["Apache-2.0"] and config["descriptor"]["family"] == "llama"
    extracted = modctl_extract(manifest, blob)
    assert set(extracted) == set(files) | {"mrun.yaml"}
    assert all(extracted[name] == (content, 0o644) for name, content in files.items())
    assert model_runner_unpack(manifest, config) == ("safetensors", "model.safetensors")
    pulled = pull_by_other_client(f"{remote}:latest", home.path / "by-other")
    assert {name: pulled[name] for name in files} == files and set(pulled) == set(extracted), set(pulled)
    tested = {layer["annotations"]["org.cncf.model.filepath"]: layer["annotations"]["org.cncf.model.file.mediatype.untested"]
              for layer in manifest["layers"]}
    assert tested["model.safetensors"] == "false" and tested["config.json"] == "true", tested

    # again: one request, and the digest of the cut file is not computed anew
    registry.requests()
    again = home.mrun("push", "acme/tiny", remote, "--format", "modelpack", "--json").json()
    assert again["was_there"] and again["sent_bytes"] == 0, again
    assert len(registry.requests()) == 1
    notes = json.loads((home.home / "cache/whole-files.json").read_text())
    assert hashlib.sha256(files["model.safetensors"]).hexdigest() in notes.values()
    (home.home / "cache/whole-files.json").write_text("no json") # then it is computed again
    assert home.mrun("push", "acme/tiny", remote, "--format", "modelpack", "--json").json()["digest"] == pushed["digest"]

    # back in: the export is a bundle too, of whole files
    other = Home()
    try:
        assert other.mrun("pull", remote).out.strip() == pushed["digest"]
        assert other.mrun("push", "acme/tiny", f"{registry.host}/acme/again", "--format", "modelpack", "--json").json()["digest"] == pushed["digest"]
    finally:
        other.close()
    home.fails("M1004", 2, "push", "acme/tiny", remote, "--format", "zip")


def gguf_is_found(home, registry):
    model = gguf(general__architecture="llama", general__name="Small", general__license="mit")
    (home.path / "small.gguf").write_bytes(model)
    home.mrun("import", home.path / "small.gguf")
    home.mrun("push", "local/small", f"{registry.host}/acme/small", "--format", "modelpack")
    manifest, config, blob = fetch(registry, "acme/small")
    assert model_runner_unpack(manifest, config) == ("gguf", "small.gguf")
    assert modctl_extract(manifest, blob)["small.gguf"][0] == model


def anything_can_be_exported(home, registry):
    home.model("demo/echo")
    home.mrun("push", "demo/echo", f"{registry.host}/demo/echo", "--format", "modelpack")
    manifest, config, blob = fetch(registry, "demo/echo")
    assert "format" not in config["config"] and list(modctl_extract(manifest, blob)) == ["mrun.yaml"]
    other = Home()
    try:
        other.mrun("pull", f"{registry.host}/demo/echo")
        other.mrun("predict", "demo/echo", "-i", "text=hi")
    finally:
        other.close()


run(main)
